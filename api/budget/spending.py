"""The spend of one member and of all, read from the ledger. Days are in UTC, as budgets' months
are."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TypedDict

from api import ids
from api.budget import day_sums as sums
from api.budget.breakdown import TOP, Names, SpendFilter, broken_down, csv_lines, days_of
from api.budget.schemas import (
    BreakdownOut,
    DayOut,
    ModelCostOut,
    MySpendOut,
    PersonCostOut,
    SpendDayOut,
)
from api.db import Db, Row, Sql
from api.schemas import Kind, usd

COUNTED_EVERY = timedelta(minutes=1)
USED_DAYS = 7
_SUMS = "CAST(sum(amount_micro) AS BIGINT) AS micro, CAST(sum(requests) AS BIGINT) AS n"


class Sum(TypedDict):
    """The figures that all answers about spend have."""

    spent_usd: Decimal
    count: int


class Spending:
    def __init__(self, db: Db, names: Names) -> None:
        self._db = db
        self._names = names
        self._used: tuple[datetime, Mapping[tuple[Kind, str], int]] | None = None
        self._counting = asyncio.Lock()

    async def of_user(self, user_id: str, days: int) -> MySpendOut:
        """Of the last `days` days, today included."""
        since = start_of(days)
        part = await sums.chosen(self._db, since.date(), _tomorrow(), user_id=user_id)
        rows = await self._db.fetch(
            f"WITH {part.sql} SELECT day, kind, model, {_SUMS} FROM chosen GROUP BY 1, 2, 3 "
            "ORDER BY 1, 4 DESC, 3",
            *part.values,
        )
        by_model: dict[tuple[Kind, str], list[Row]] = {}
        for row in rows:
            by_model.setdefault((row["kind"], row["model"]), []).append(row)
        models = [
            ModelCostOut(kind=kind, model=model, **_sum(found))
            for (kind, model), found in by_model.items()
        ]
        models.sort(key=lambda each: (-each.spent_usd, each.kind, each.model))
        return MySpendOut(
            **_sum(rows),
            days=[
                DayOut(day=day, **_sum([row for row in rows if row["day"] == day]))
                for day in days_since(since)
            ],
            models=models,
            items=[
                SpendDayOut(day=row["day"], kind=row["kind"], model=row["model"], **_sum([row]))
                for row in rows
            ],
        )

    async def used(self) -> Mapping[tuple[Kind, str], int]:
        """Return the number of requests booked on each model in the last 7 days, at most a minute
        old."""
        async with self._counting:
            if self._used is None or self._used[0] < ids.now() - COUNTED_EVERY:
                found = await by_model(self._db, start_of(USED_DAYS))
                counts = {(each.kind, each.model): each.count for each in found}
                self._used = (ids.now(), counts)
            return self._used[1]

    async def of_part(self, part: SpendFilter) -> BreakdownOut:
        """Raises `InvalidRequest`."""
        return await broken_down(self._db, part, self._names)

    def csv_of_part(self, part: SpendFilter) -> AsyncIterator[str]:
        """The same as the text of a file. Raises `InvalidRequest` before the first line."""
        days_of(part)
        return csv_lines(self._db, part, self._names)


async def by_day(sql: Sql, since: datetime) -> list[DayOut]:
    """Days without spend are left out."""
    part = await sums.chosen(sql, since.date(), _tomorrow())
    rows = await sql.fetch(
        f"WITH {part.sql} SELECT day, {_SUMS} FROM chosen GROUP BY 1 ORDER BY 1", *part.values
    )
    return [DayOut(day=row["day"], **_sum([row])) for row in rows]


async def by_model(sql: Sql, since: datetime) -> list[ModelCostOut]:
    """The dearest first."""
    part = await sums.chosen(sql, since.date(), _tomorrow())
    rows = await sql.fetch(
        f"WITH {part.sql} SELECT kind, model, {_SUMS} FROM chosen GROUP BY 1, 2 "
        "ORDER BY 3 DESC, 2, 1",
        *part.values,
    )
    return [ModelCostOut(kind=row["kind"], model=row["model"], **_sum([row])) for row in rows]


async def by_user(sql: Sql, since: datetime) -> list[PersonCostOut]:
    """Those who spent most."""
    part = await sums.chosen(sql, since.date(), _tomorrow())
    rows = await sql.fetch(
        f"WITH {part.sql}, spent AS MATERIALIZED (SELECT user_id, {_SUMS} "
        f"FROM chosen GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {TOP}) "
        "SELECT spent.user_id, spent.micro, spent.n, "
        "coalesce(users.email, users.display_name) AS name "
        "FROM spent LEFT JOIN users ON users.id = spent.user_id ORDER BY 2 DESC, 1",
        *part.values,
    )
    return [PersonCostOut(user_id=row["user_id"], name=row["name"], **_sum([row])) for row in rows]


def start_of(days: int) -> datetime:
    """Midnight at which the last `days` days began; 1 = today's."""
    return sums.midnight(_tomorrow() - timedelta(days=days))


def _tomorrow() -> date:
    return ids.now().date() + timedelta(days=1)


def days_since(since: datetime) -> list[date]:
    first, today = since.date(), ids.now().date()
    return [first + timedelta(days=number) for number in range((today - first).days + 1)]


def _sum(rows: Sequence[Row]) -> Sum:
    spent_micro = sum(row["micro"] for row in rows)
    return {"spent_usd": usd(spent_micro), "count": sum(row["n"] for row in rows)}
