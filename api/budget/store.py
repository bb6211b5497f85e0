"""Counters per scope and month, holds, and the ledger."""

from dataclasses import dataclass
from datetime import datetime

from api.db import Row, Sql


@dataclass(frozen=True, slots=True)
class Counter:
    spent_micro: int
    held_micro: int


@dataclass(frozen=True, slots=True)
class Hold:
    id: str
    user_id: str
    month: str
    subject: str
    amount_micro: int


def _hold(row: Row) -> Hold:
    return Hold(row["id"], row["user_id"], row["month"], row["subject"], row["amount_micro"])


async def counter(sql: Sql, scope: str, month: str) -> Counter | None:
    row = await sql.fetch_one("SELECT spent_micro, held_micro FROM budgets WHERE scope = $1 AND month = $2", scope, month)
    return None if row is None else Counter(row["spent_micro"], row["held_micro"])


async def add_counter(sql: Sql, scope: str, month: str) -> None:
    """Two requests may both find the month's row missing: the second one's insert does nothing."""
    query = "INSERT INTO budgets (scope, month, held_micro, spent_micro) VALUES ($1, $2, 0, 0) ON CONFLICT DO NOTHING"
    await sql.execute(query, scope, month)


async def hold_within(sql: Sql, scope: str, month: str, amount: int, limit: int | None) -> bool:
    """The one guard of every budget: check and change are the same statement, so that no race gets between them."""
    query = """
        UPDATE budgets SET held_micro = held_micro + $3
        WHERE scope = $1 AND month = $2 AND ($4::bigint IS NULL OR held_micro + spent_micro + $3 <= $4::bigint)
        RETURNING scope"""
    return await sql.fetch_one(query, scope, month, amount, limit) is not None


async def close_counter(sql: Sql, scope: str, month: str, amount: int, cost: int) -> None:
    query = "UPDATE budgets SET held_micro = held_micro - $3, spent_micro = spent_micro + $4 WHERE scope = $1 AND month = $2"
    await sql.execute(query, scope, month, amount, cost)


async def add_hold(sql: Sql, hold: Hold, created_at: datetime) -> None:
    query = """
        INSERT INTO holds (id, user_id, month, subject, amount_micro, state, created_at) VALUES ($1, $2, $3, $4, $5, 'held', $6)"""
    await sql.execute(query, hold.id, hold.user_id, hold.month, hold.subject, hold.amount_micro, created_at)


async def close_hold(sql: Sql, hold_id: str, state: str, settled_micro: int | None, closed_at: datetime) -> Hold | None:
    """None when the hold was closed before, or never was."""
    query = """
        UPDATE holds SET state = $2, settled_micro = $3, closed_at = $4 WHERE id = $1 AND state = 'held'
        RETURNING id, user_id, month, subject, amount_micro"""
    row = await sql.fetch_one(query, hold_id, state, settled_micro, closed_at)
    return None if row is None else _hold(row)


async def open_hold_ids(sql: Sql, subject_prefix: str, before: datetime) -> list[str]:
    query = "SELECT id FROM holds WHERE state = 'held' AND starts_with(subject, $1) AND created_at < $2"
    return [row["id"] for row in await sql.fetch(query, subject_prefix, before)]


async def add_entry(sql: Sql, entry_id: str, hold: Hold, *, cost: int, kind: str, model: str, created_at: datetime) -> None:
    query = """
        INSERT INTO ledger (id, user_id, month, hold_id, subject, kind, model, amount_micro, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"""
    await sql.execute(query, entry_id, hold.user_id, hold.month, hold.id, hold.subject, kind, model, cost, created_at)
