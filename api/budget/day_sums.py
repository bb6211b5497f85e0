"""Sums of the ledger by day, account, kind and model, kept for the days that are over, so that a
long time adds up quickly.

Up to the mark the stored sums count, after it the ledger itself, so that every figure is exact at
any time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from api.db import Db, Row, Sql

MARK = "spend-days"
EARLIEST = date(2000, 1, 1)
REQUESTS = "CASE WHEN subject LIKE '%:%:%' THEN 0 ELSE 1 END"
"""The requests of an entry: none for a refund or a correction (`refund:text:ID`), whose request is
counted already."""
SETTLED_AFTER = timedelta(hours=1)
"""No booking takes so long: a day of this age gets no more entries."""


@dataclass(frozen=True, slots=True)
class DayTable:
    """SQL of a table `chosen` (day, user_id, kind, model, amount_micro, requests), and its
    parameters."""

    sql: str
    values: Sequence[object]


async def keep(db: Db, at: datetime) -> None:
    """Add up the days that are over and were not yet."""
    end = midnight((at - SETTLED_AFTER).date())
    if (await _kept_until(db)) >= end:
        return
    async with db.transaction() as sql:
        # whoever comes second waits here, and then finds nothing left to do
        query = (
            "INSERT INTO marks (name, created_at) VALUES ($1, $2) "
            "ON CONFLICT (name) DO UPDATE SET created_at = marks.created_at"
        )
        await sql.execute(query, MARK, midnight(EARLIEST))
        begin = await _kept_until(sql)
        query = f"""
            INSERT INTO spend_days (day, user_id, kind, model, amount_micro, requests)
            SELECT CAST(created_at AS DATE), user_id, kind, model,
                CAST(sum(amount_micro) AS BIGINT), CAST(sum({REQUESTS}) AS BIGINT)
            FROM ledger WHERE created_at >= $1 AND created_at < $2 GROUP BY 1, 2, 3, 4
            """
        await sql.execute(query, begin, end)
        await sql.execute(
            "UPDATE marks SET created_at = $2 WHERE name = $1 AND created_at < $2", MARK, end
        )


async def chosen(
    sql: Sql,
    first: date,
    end: date,
    *,
    user_id: str | None = None,
    kind: str | None = None,
    model: str | None = None,
) -> DayTable:
    """From `first` until before `end`, both midnights in UTC; None = any."""
    kept = min(max(await _kept_until(sql), midnight(first)), midnight(end))
    asked = {"user_id": user_id, "kind": kind, "model": model}
    given = {name: value for name, value in asked.items() if value is not None}
    where = "".join(f" AND {name} = ${number}" for number, name in enumerate(given, 5))
    return DayTable(
        "chosen AS MATERIALIZED ("
        "SELECT day, user_id, kind, model, amount_micro, requests FROM spend_days WHERE day >= "
        f"$1 AND day < $2{where} "
        "UNION ALL SELECT CAST(created_at AS DATE), user_id, kind, model, amount_micro, "
        f"{REQUESTS} "
        f"FROM ledger WHERE created_at >= $3 AND created_at < $4{where})",
        (first, kept.date(), kept, midnight(end), *given.values()),
    )


async def first_day(sql: Sql) -> date | None:
    """On which anything was spent."""
    rows = await sql.fetch(
        "SELECT CAST(min(created_at) AS DATE) AS day FROM ledger UNION ALL SELECT min(day) "
        "FROM spend_days"
    )
    return min((row["day"] for row in rows if row["day"] is not None), default=None)


async def rows(sql: Sql, part: DayTable) -> Sequence[Row]:
    """One a day, account, kind and model, in order."""
    return await sql.fetch(
        f"WITH {part.sql} "
        "SELECT day, user_id, kind, model, CAST(sum(amount_micro) AS BIGINT) AS micro, "
        "CAST(sum(requests) AS BIGINT) AS n "
        "FROM chosen GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        *part.values,
    )


async def hand_over(sql: Sql, user_id: str, to: str) -> None:
    """Count the spend of one account for another one from now on."""
    query = """
        INSERT INTO spend_days (day, user_id, kind, model, amount_micro, requests)
        SELECT day, $2::text, kind, model, amount_micro, requests FROM spend_days WHERE user_id = $1
        ON CONFLICT (day, user_id, kind, model) DO UPDATE SET
            amount_micro = spend_days.amount_micro + excluded.amount_micro,
                requests = spend_days.requests + excluded.requests
        """
    await sql.execute(query, user_id, to)
    await sql.execute("DELETE FROM spend_days WHERE user_id = $1", user_id)


def midnight(day: date) -> datetime:
    """At which a day begins, in UTC."""
    return datetime.combine(day, time(), UTC)


async def _kept_until(sql: Sql) -> datetime:
    row = await sql.fetch_one("SELECT created_at FROM marks WHERE name = $1", MARK)
    return row["created_at"] if row else midnight(EARLIEST)
