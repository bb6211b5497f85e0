"""Idempotency-Key for text: the first request with a key is answered, its repetitions get the same
answer.

The table is the one that remembers generations' keys, so that a key belongs to one request of any
kind.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from api.db import Sql, rows

KEPT = timedelta(hours=48)
_KEPT = rows.listed(dict.fromkeys(("key", "answer_id", "answer_json"), "text"))


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


@dataclass(frozen=True, slots=True)
class Claim:
    """A key for a request, and the answer that it will have."""

    key: str
    body_hash: str
    answer_id: str


async def claim(sql: Sql, claims: Sequence[Claim], now: datetime) -> None:
    """Raises `Duplicate` when another request was quicker."""
    columns = {
        **dict.fromkeys(("key", "body_hash", "generation_id"), "text"),
        "created_at": "timestamptz",
    }
    added = [(each.key, each.body_hash, each.answer_id, now) for each in claims]
    await rows.insert(sql, "idempotency", columns, added)


async def keep(sql: Sql, answers: Sequence[tuple[str, str, str]]) -> None:
    """Keep the answers of keys: key, answer's id and answer each."""
    if not answers:
        return
    query = f"""
        UPDATE idempotency SET answer_json = kept.answer_json
        FROM ({_KEPT}) AS kept
        WHERE idempotency.key = kept.key AND idempotency.generation_id = kept.answer_id"""
    await sql.execute(query, *rows.lists(answers))


async def free(sql: Sql, answer_ids: Sequence[str]) -> None:
    """Free the keys of requests that came to nothing and cost nothing."""
    if answer_ids:
        query = "DELETE FROM idempotency WHERE generation_id = ANY($1::text[])"
        await sql.execute(query, list(answer_ids))


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
            WHERE answer_json IS NULL AND created_at < $1
            AND (starts_with(generation_id, 'text:') OR starts_with(generation_id, 'sound:'))
            AND NOT (generation_id = ANY($2::text[]))"""
    await sql.execute(query, now - unanswered_for, list(but_not))
