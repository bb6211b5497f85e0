"""SQL of notices: budgets that are nearly used up, the figures of a digest, and what was said."""

from collections.abc import Sequence
from datetime import datetime

from api.db import Row, Sql


async def once(sql: Sql, about: str, period: str, now: datetime) -> bool:
    """True for one caller ever: it says it, in the same transaction."""
    query = """
        INSERT INTO said_once (about, period, created_at) VALUES ($1, $2, $3)
        ON CONFLICT (about, period) DO NOTHING RETURNING about"""
    return await sql.fetch_one(query, about, period, now) is not None


async def forget(sql: Sql, before: datetime) -> None:
    await sql.execute("DELETE FROM said_once WHERE created_at < $1", before)


async def people(sql: Sql, month: str, percent: int) -> Sequence[Row]:
    """Return the active accounts that have spent so much of their month."""
    query = """
        SELECT users.id, budgets.spent_micro AS spent, users.monthly_micro AS most
        FROM budgets JOIN users ON budgets.scope = 'user:' || users.id
        WHERE budgets.month = $1 AND users.status = 'active' AND users.monthly_micro > 0
            AND budgets.spent_micro * 100 >= users.monthly_micro * $2"""
    return await sql.fetch(query, month, percent)


async def places(sql: Sql, month: str, percent: int) -> Sequence[Row]:
    """Return the places that have spent so much of their month."""
    query = """
        SELECT places.id, budgets.spent_micro AS spent, places.monthly_micro AS most
        FROM budgets JOIN places ON budgets.scope = 'place:' || places.id
        WHERE budgets.month = $1 AND places.monthly_micro > 0
            AND budgets.spent_micro * 100 >= places.monthly_micro * $2"""
    return await sql.fetch(query, month, percent)


async def chat_of_person(sql: Sql, user_id: str) -> Row | None:
    """Return the linked chat that the person used last, where only they read."""
    query = """
        SELECT links.platform, links.chat_id FROM links
        LEFT JOIN generations ON generations.user_id = links.user_id
            AND generations.platform = links.platform AND generations.chat_id = links.chat_id
        WHERE links.user_id = $1 AND NOT EXISTS (
            SELECT 1 FROM place_chats WHERE place_chats.platform = links.platform
                AND place_chats.chat_id = links.chat_id)
        GROUP BY links.platform, links.chat_id, links.created_at
        ORDER BY max(generations.id) DESC NULLS LAST, links.created_at DESC LIMIT 1"""
    return await sql.fetch_one(query, user_id)


async def chat_of_place(sql: Sql, place_id: str) -> Row | None:
    """Return the chat of a place in which something was made last."""
    query = """
        SELECT place_chats.platform, place_chats.chat_id FROM place_chats
        LEFT JOIN generations ON generations.platform = place_chats.platform
            AND generations.chat_id = place_chats.chat_id
        WHERE place_chats.place_id = $1
        GROUP BY place_chats.platform, place_chats.chat_id
        ORDER BY max(generations.id) DESC NULLS LAST, place_chats.chat_id LIMIT 1"""
    return await sql.fetch_one(query, place_id)


async def figures(sql: Sql, since: datetime) -> dict[str, int]:
    """Return the figures of a digest: micro-dollars that were booked, and counts."""
    query = """
        SELECT (SELECT coalesce(CAST(sum(amount_micro) AS BIGINT), 0) FROM ledger
                WHERE created_at >= $1 AND NOT starts_with(subject, 'refund:')) AS spent,
            (SELECT count(*) FROM generations
                WHERE created_at >= $1 AND status = 'failed') AS failed,
            (SELECT count(*) FROM joins WHERE state = 'waiting') AS waiting,
            (SELECT count(*) FROM deliveries
                WHERE created_at >= $1 AND state IN ('inbox', 'dead')) AS undelivered"""
    row = await sql.fetch_one(query, since)
    assert row is not None
    return dict(row)
