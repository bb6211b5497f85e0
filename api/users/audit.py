"""The audit log: acts with their actors and subjects, written in the transaction of the act. Rows
are only ever added, and forgotten when they are older than an admin keeps them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from api import ids
from api.db import Row, Sql
from api.db.page_ids import NEWEST, OLDEST, Condition, ids_of
from api.users import store

Facts = Mapping[str, str | int | bool | None]
CLOCK = timedelta(minutes=1)
"""An id is made a moment before its row's time is read."""


async def record(
    sql: Sql,
    action: str,
    *,
    actor_id: str | None,
    subject: str,
    before: Facts | None = None,
    after: Facts | None = None,
) -> None:
    """`actor_id` is None when nobody is signed in; `subject` is an id. Never put a secret into the
    facts."""
    await sql.execute(
        "INSERT INTO audit (id, actor_id, action, subject, before_json, after_json, created_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        ids.new_id(),
        actor_id,
        action,
        subject,
        json.dumps(dict(before)) if before is not None else None,
        json.dumps(dict(after)) if after is not None else None,
        ids.now(),
    )


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """`actor` and `about` are the accounts' e-mail addresses or names of today; None when there is
    no such account."""

    id: str
    created_at: datetime
    action: str
    actor_id: str | None
    actor: str | None
    subject: str
    about: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """None means any. `cursor` is of the page before; `since` and `until` are moments."""

    action: str | None = None
    actor_id: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    cursor: str | None = None
    oldest_first: bool = False


async def page(sql: Sql, wanted: AuditFilter, limit: int) -> tuple[list[AuditEntry], str | None]:
    """Return a page, with the cursor of the next one."""
    conditions: list[Condition] = [
        ("action = {0}", wanted.action),
        ("actor_id = {0}", wanted.actor_id),
        ("subject = {0}", wanted.subject),
        ("created_at >= {0}", wanted.since),
        ("created_at < {0}", wanted.until),
        ("id >= {0}", ids.floor(wanted.since - CLOCK) if wanted.since else None),
        ("id < {0}", ids.floor(wanted.until + CLOCK) if wanted.until else None),
    ]
    shown, cursor = await ids_of(
        sql, "audit", conditions, OLDEST if wanted.oldest_first else NEWEST, wanted.cursor, limit
    )
    rows = await sql.fetch("SELECT * FROM audit WHERE id = ANY($1::text[])", shown) if shown else ()
    names = await store.names(
        sql,
        {each for row in rows for each in (row["actor_id"], row["subject"]) if each is not None},
    )
    found = {row["id"]: _entry(row, names) for row in rows}
    return [found[each] for each in shown if each in found], cursor


async def forget(sql: Sql, before: datetime, most: int) -> list[str]:
    """Delete the oldest entries before then, at most so many, and return their actions."""
    query = """
        DELETE FROM audit WHERE id IN (
            SELECT id FROM audit WHERE created_at < $1 ORDER BY created_at LIMIT $2)
        RETURNING action"""
    return [row["action"] for row in await sql.fetch(query, before, most)]


async def subjects(sql: Sql, action: str, *, since: datetime) -> list[str]:
    rows = await sql.fetch(
        "SELECT DISTINCT subject FROM audit WHERE action = $1 AND created_at >= $2", action, since
    )
    return [cast(str, row["subject"]) for row in rows]


def _entry(row: Row, names: Mapping[str, str]) -> AuditEntry:
    before, after = (
        json.loads(row[name]) if row[name] else None for name in ("before_json", "after_json")
    )
    return AuditEntry(
        **{name: row[name] for name in ("id", "created_at", "action", "actor_id", "subject")},
        actor=names.get(row["actor_id"]),
        about=names.get(row["subject"]),
        before=before,
        after=after,
    )
