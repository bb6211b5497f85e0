"""SQL of what lists show: everybody's deliveries for operators, the inbox for its owner."""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from api.db import Sql
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
    """Newest first."""
    rows = await sql.fetch(
        f"""
        SELECT {COLUMNS} FROM deliveries
        WHERE ($1::text IS NULL OR state = $1::text) AND ($2::text IS NULL OR platform = $2::text)
          AND ($3::text IS NULL OR user_id = $3::text) AND ($4::text IS NULL OR generation_id = $4::text)
          AND ($5::boolean IS NULL OR (state <> 'done' AND (state <> 'pending' OR reason IS NOT NULL)) = $5::boolean)
          AND ($6::text IS NULL OR id < $6::text)
        ORDER BY id DESC LIMIT $7
        """,
        wanted.state,
        wanted.platform,
        wanted.user_id,
        wanted.generation_id,
        wanted.troubled,
        wanted.before,
        limit,
    )
    return [row_of(row) for row in rows]


async def inbox(sql: Sql, user_id: str, before: str | None, limit: int) -> list[Delivery]:
    rows = await sql.fetch(
        f"""
        SELECT {COLUMNS} FROM deliveries WHERE user_id = $1 AND state = 'inbox' AND ($2::text IS NULL OR id < $2::text)
        ORDER BY id DESC LIMIT $3
        """,
        user_id,
        before,
        limit,
    )
    return [row_of(row) for row in rows]


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
