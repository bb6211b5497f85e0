"""SQL of the daily readings of the provider's figure for our key."""

from datetime import datetime

from api.budget.store import REFUND
from api.db import Row, Sql


async def has_reading(sql: Sql, day: str) -> bool:
    return await sql.fetch_one("SELECT day FROM provider_usage WHERE day = $1", day) is not None


async def add_reading(sql: Sql, day: str, read_at: datetime, used_micro: int) -> None:
    """With all that was ever booked; refunds are between us and the user. Raises `Duplicate`."""
    query = """
        INSERT INTO provider_usage (day, read_at, used_micro, booked_micro)
        SELECT $1::text, $2::timestamptz, $3::bigint, coalesce(CAST(sum(amount_micro) AS BIGINT), 0)
            FROM ledger
        WHERE NOT starts_with(subject, $4)"""
    await sql.execute(query, day, read_at, used_micro, REFUND)


async def readings(sql: Sql, since: datetime) -> list[Row]:
    """Newest first."""
    query = (
        "SELECT read_at, used_micro, booked_micro FROM provider_usage WHERE read_at >= $1 "
        "ORDER BY day DESC"
    )
    return list(await sql.fetch(query, since))
