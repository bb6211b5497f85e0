"""Idempotency-Key for text: the first request with a key is answered, its repetitions get the same
answer.

The table is the one that remembers generations' keys, so that a key belongs to one request of any
kind.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from api.db import Sql

KEPT = timedelta(hours=48)


@dataclass(frozen=True, slots=True)
class Earlier:
    """`answer_json` None: it is still being answered (or the key is a generation's)."""

    body_hash: str
    answer_json: str | None


def key_of(user_id: str, key: str) -> str:
    return f"{user_id}:{key}"


async def recall(sql: Sql, key: str) -> Earlier | None:
    row = await sql.fetch_one("SELECT body_hash, answer_json FROM idempotency WHERE key = $1", key)
    return None if row is None else Earlier(row["body_hash"], row["answer_json"])


async def claim(sql: Sql, key: str, body_hash: str, answer_id: str, now: datetime) -> None:
    """Raises `Duplicate` when another request was quicker."""
    query = (
        "INSERT INTO idempotency (key, body_hash, generation_id, created_at) "
        "VALUES ($1, $2, $3, $4)"
    )
    await sql.execute(query, key, body_hash, answer_id, now)


async def keep(sql: Sql, answer_id: str, answer_json: str) -> None:
    await sql.execute(
        "UPDATE idempotency SET answer_json = $2 WHERE generation_id = $1", answer_id, answer_json
    )


async def free(sql: Sql, answer_id: str) -> None:
    """Free the key of a request that came to nothing and cost nothing."""
    await sql.execute("DELETE FROM idempotency WHERE generation_id = $1", answer_id)


async def forget_user(sql: Sql, user_id: str) -> None:
    await sql.execute("DELETE FROM idempotency WHERE starts_with(key, $1)", key_of(user_id, ""))


async def purge(
    sql: Sql, now: datetime, unanswered_for: timedelta, *, but_not: Collection[str]
) -> None:
    """Delete old keys, and those of answers that died with their process. `but_not`: the answers
    that run here."""
    await sql.execute("DELETE FROM idempotency WHERE created_at < $1", now - KEPT)
    query = """
        DELETE FROM idempotency
            WHERE answer_json IS NULL AND created_at < $1 AND starts_with(generation_id, 'text:')
            AND NOT (generation_id = ANY($2::text[]))"""
    await sql.execute(query, now - unanswered_for, list(but_not))
