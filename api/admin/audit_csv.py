"""The audit log as a table for a spreadsheet, written while it is sent."""

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from api.db import Db
from api.users import audit
from api.users.audit import Entry, Filter

PAGE = 500
COLUMNS = ("time", "action", "actor", "actor_id", "about", "subject", "before", "after")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def lines(db: Db, wanted: Filter) -> AsyncIterator[str]:
    """A cell that a spreadsheet would take for a formula gets a quote in front."""
    yield _csv([COLUMNS])
    while True:
        entries, cursor = await audit.page(db, wanted, PAGE)
        yield _csv([_row(entry) for entry in entries])
        if cursor is None:
            return
        wanted = replace(wanted, cursor=cursor)


def _row(entry: Entry) -> Sequence[str]:
    facts = [json.dumps(each, ensure_ascii=False) if each is not None else "" for each in (entry.before, entry.after)]
    names = (entry.action, entry.actor or "", entry.actor_id or "", entry.about or "", entry.subject)
    return (entry.created_at.isoformat(), *names, *facts)


def _csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
