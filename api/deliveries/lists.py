"""SQL of what lists show: everybody's deliveries for operators, the inbox for its owner."""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from api.db import Sql
from api.db.conditions import newest
from api.deliveries.store import COLUMNS, Delivery, row_of


@dataclass(frozen=True, slots=True)
class AdminFilter:
    """None means any. `troubled`: failed at least once and still not shown. `before` is the last id of the page before."""

    state: str | None = None
    platform: str | None = None
    user_id: str | None = None
    generation_id: str | None = None
    troubled: bool | None = None
    before: str | None = None


async def page(sql: Sql, wanted: AdminFilter, limit: int) -> list[Delivery]:
    """Newest first. The ids come first, and only the rows that are shown are read whole."""
    troubled = "(state <> 'done' AND (state <> 'pending' OR reason IS NOT NULL)) = {0}::boolean"
    clause, values = newest(
        [
            ("state = {0}", wanted.state),
            ("platform = {0}", wanted.platform),
            ("user_id = {0}", wanted.user_id),
            ("generation_id = {0}", wanted.generation_id),
            (troubled, wanted.troubled),
            ("id < {0}", wanted.before),
        ],
        limit,
    )
    return await _whole(sql, clause, values)


async def inbox(sql: Sql, user_id: str, before: str | None, limit: int) -> list[Delivery]:
    clause, values = newest([("user_id = {0}", user_id), ("state = {0}", "inbox"), ("id < {0}", before)], limit)
    return await _whole(sql, clause, values)


async def _whole(sql: Sql, clause: str, values: list[object]) -> list[Delivery]:
    rows = await sql.fetch(f"SELECT id FROM deliveries {clause}", *values)
    if not rows:
        return []
    whole = await sql.fetch(f"SELECT {COLUMNS} FROM deliveries WHERE id = ANY($1::text[])", [row["id"] for row in rows])
    return sorted((row_of(row) for row in whole), key=lambda each: each.id, reverse=True)


async def unread(sql: Sql, user_id: str) -> int:
    row = await sql.fetch_one("SELECT count(*) AS n FROM deliveries WHERE user_id = $1 AND state = 'inbox' AND read_at IS NULL", user_id)
    return cast(int, row["n"]) if row else 0


async def read(sql: Sql, user_id: str, delivery_id: str | None, now: datetime) -> bool:
    """One, or with None all of them. False when there is no such one."""
    rows = await sql.fetch(
        """
        UPDATE deliveries SET read_at = coalesce(read_at, $3)
        WHERE user_id = $1 AND state = 'inbox' AND ($2::text IS NULL OR id = $2::text) RETURNING id
        """,
        user_id,
        delivery_id,
        now,
    )
    return bool(rows)


async def put_aside(sql: Sql, user_id: str, delivery_id: str, now: datetime) -> bool:
    row = await sql.fetch_one(
        """
        UPDATE deliveries SET state = 'done', read_at = coalesce(read_at, $3)
        WHERE user_id = $1 AND id = $2 AND state = 'inbox' RETURNING id
        """,
        user_id,
        delivery_id,
        now,
    )
    return row is not None
