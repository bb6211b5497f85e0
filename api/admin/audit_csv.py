"""The audit log as a table for a spreadsheet, written while it is sent."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from api.db import Db
from api.spreadsheet import csv_text
from api.users import audit
from api.users.audit import AuditEntry, AuditFilter

PAGE = 500
COLUMNS = ("time", "action", "actor", "actor_id", "about", "subject", "before", "after")


async def lines(db: Db, wanted: AuditFilter) -> AsyncIterator[str]:
    yield csv_text([COLUMNS])
    while True:
        entries, cursor = await audit.page(db, wanted, PAGE)
        yield csv_text([_row(entry) for entry in entries])
        if cursor is None:
            return
        wanted = replace(wanted, cursor=cursor)


def _row(entry: AuditEntry) -> Sequence[str]:
    facts = [
        json.dumps(each, ensure_ascii=False) if each is not None else ""
        for each in (entry.before, entry.after)
    ]
    names = (
        entry.action,
        entry.actor or "",
        entry.actor_id or "",
        entry.about or "",
        entry.subject,
    )
    return (entry.created_at.isoformat(), *names, *facts)
