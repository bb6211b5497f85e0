"""SQL of the outbox, next to its row mapping."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from api.db import Db, Row, Sql
from api.ids import new_id


@dataclass(frozen=True, slots=True)
class Target:
    """A place in a chat, as the outbox keeps it."""

    platform: str
    chat_id: str
    thread_id: str | None = None
    message_id: str | None = None
    user_name: str | None = None
    private: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    id: str
    target: Target
    event: str
    generation_id: str | None
    notice: Mapping[str, str] | None
    attempt: int
    lease: str | None
    uncertain: bool


_COLUMNS = (
    "id, platform, chat_id, thread_id, message_id, user_name, chat_private, event, generation_id, notice_json, attempt, lease, uncertain"
)


def _row(row: Row) -> Delivery:
    target = Target(row["platform"], row["chat_id"], row["thread_id"], row["message_id"], row["user_name"], row["chat_private"])
    notice = json.loads(row["notice_json"]) if row["notice_json"] else None
    return Delivery(row["id"], target, row["event"], row["generation_id"], notice, row["attempt"], row["lease"], row["uncertain"])


async def insert(
    sql: Sql,
    target: Target,
    *,
    dedupe_key: str,
    event: str,
    now: datetime,
    generation_id: str | None = None,
    notice: Mapping[str, str] | None = None,
) -> None:
    """Raises `Duplicate` when this event was written for this chat before."""
    await sql.execute(
        """
        INSERT INTO deliveries (id, dedupe_key, platform, chat_id, thread_id, message_id, user_name, chat_private, event, generation_id,
            notice_json, state, attempt, due_at, uncertain, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'pending', 0, $12, false, $12)
        """,
        new_id(),
        dedupe_key,
        target.platform,
        target.chat_id,
        target.thread_id,
        target.message_id,
        target.user_name,
        target.private,
        event,
        generation_id,
        json.dumps(notice) if notice else None,
        now,
    )


async def claim(db: Db, platform: str, lease: str, now: datetime, until: datetime, limit: int) -> list[Delivery]:
    """Lease what is due; `due_at` of a leased row is the end of its lease."""
    rows = await db.fetch(
        f"""
        UPDATE deliveries SET lease = $1, due_at = $2, attempt = attempt + 1
        WHERE id IN (
            SELECT id FROM deliveries WHERE platform = $3 AND state = 'pending' AND due_at <= $4 ORDER BY id LIMIT $5 {db.skip_locked}
        )
          AND state = 'pending' AND due_at <= $4
        RETURNING {_COLUMNS}
        """,
        lease,
        until,
        platform,
        now,
        limit,
    )
    return sorted((_row(row) for row in rows), key=lambda delivery: delivery.id)


async def leased(sql: Sql, delivery_id: str, platform: str, lease: str) -> Delivery | None:
    row = await sql.fetch_one(f"SELECT {_COLUMNS}, state FROM deliveries WHERE id = $1", delivery_id)
    if row is None or row["platform"] != platform or row["lease"] != lease or row["state"] != "pending":
        return None
    return _row(row)


async def done(sql: Sql, delivery_id: str, lease: str, message_ids: list[str], reason: str | None, now: datetime) -> bool:
    row = await sql.fetch_one(
        """
        UPDATE deliveries SET state = 'done', message_ids_json = $3, reason = $4, done_at = $5
        WHERE id = $1 AND lease = $2 AND state = 'pending' RETURNING id
        """,
        delivery_id,
        lease,
        json.dumps(message_ids),
        reason,
        now,
    )
    return row is not None


async def again(sql: Sql, delivery_id: str, lease: str, reason: str, due_at: datetime, uncertain: bool) -> None:
    await sql.execute(
        """
        UPDATE deliveries SET lease = NULL, reason = $3, due_at = $4, uncertain = uncertain OR $5::boolean
        WHERE id = $1 AND lease = $2 AND state = 'pending'
        """,
        delivery_id,
        lease,
        reason,
        due_at,
        uncertain,
    )


async def dead(sql: Sql, delivery_id: str, lease: str, reason: str, now: datetime) -> None:
    await sql.execute(
        "UPDATE deliveries SET state = 'dead', reason = $3, done_at = $4 WHERE id = $1 AND lease = $2 AND state = 'pending'",
        delivery_id,
        lease,
        reason,
        now,
    )


async def free_leases(sql: Sql, now: datetime) -> None:
    await sql.execute("UPDATE deliveries SET due_at = $1 WHERE state = 'pending' AND lease IS NOT NULL AND due_at > $1", now)


async def forget(sql: Sql, generation_id: str) -> None:
    await sql.execute("DELETE FROM deliveries WHERE generation_id = $1", generation_id)


async def next_due(sql: Sql, platform: str) -> datetime | None:
    row = await sql.fetch_one("SELECT min(due_at) AS due FROM deliveries WHERE platform = $1 AND state = 'pending'", platform)
    return cast(datetime, row["due"]) if row and row["due"] else None
