"""The spend of one member and of all, read from the ledger. Days are in UTC, as budgets' months
are."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import cast

from api import ids
from api.budget import day_sums as sums
from api.budget.breakdown import TOP, Names, SpendFilter, broken_down, csv_lines, days_of
from api.budget.schemas import BreakdownOut, DayOut, ModelCostOut, MySpendOut, SpendDayOut
from api.db import Db, Row, Sql
from api.schemas import Kind, usd

COUNTED_EVERY = timedelta(minutes=1)
USED_DAYS = 7
_SUMS = "CAST(sum(amount_micro) AS BIGINT) AS micro, CAST(sum(requests) AS BIGINT) AS n"


@dataclass(frozen=True, slots=True)
class Spent:
    micro: int
    count: int


@dataclass(frozen=True, slots=True)
class Spender:
    user_id: str
    name: str | None
    spent: Spent


@dataclass(frozen=True, slots=True)
class OfModel:
    kind: Kind
    model: str
    spent: Spent


@dataclass(frozen=True, slots=True)
class OfDay:
    day: date
    spent: Spent


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
        models = sorted(
            ((key, _sum(found)) for key, found in by_model.items()),
            key=lambda each: (-each[1].micro, each[0]),
        )
        total = _sum(rows)
        return MySpendOut(
            spent_usd=usd(total.micro),
            count=total.count,
            days=[
                DayOut(day=day, spent_usd=usd(spent.micro), count=spent.count)
                for day in days_since(since)
                for spent in [_sum([row for row in rows if row["day"] == day])]
            ],
            models=[
                ModelCostOut(kind=kind, model=model, spent_usd=usd(spent.micro), count=spent.count)
                for (kind, model), spent in models
            ],
            items=[
                SpendDayOut(
                    day=row["day"],
                    kind=row["kind"],
                    model=row["model"],
                    spent_usd=usd(row["micro"]),
                    count=row["n"],
                )
                for row in rows
            ],
        )

    async def used(self) -> Mapping[tuple[Kind, str], int]:
        """Return the number of requests booked on each model in the last 7 days, at most a minute
        old."""
        async with self._counting:
            if self._used is None or self._used[0] < ids.now() - COUNTED_EVERY:
                found = await by_model(self._db, start_of(USED_DAYS))
                self._used = (
                    ids.now(),
                    {(each.kind, each.model): each.spent.count for each in found},
                )
            return self._used[1]

    async def of_part(self, part: SpendFilter) -> BreakdownOut:
        """Raises `InvalidRequest`."""
        return await broken_down(self._db, part, self._names)

    def csv_of_part(self, part: SpendFilter) -> AsyncIterator[str]:
        """The same as the text of a file. Raises `InvalidRequest` before the first line."""
        days_of(part)
        return csv_lines(self._db, part, self._names)


async def by_day(sql: Sql, since: datetime) -> list[OfDay]:
    """Days without spend are left out."""
    part = await sums.chosen(sql, since.date(), _tomorrow())
    rows = await sql.fetch(
        f"WITH {part.sql} SELECT day, {_SUMS} FROM chosen GROUP BY 1 ORDER BY 1", *part.values
    )
    return [OfDay(row["day"], Spent(row["micro"], row["n"])) for row in rows]


async def by_model(sql: Sql, since: datetime) -> list[OfModel]:
    """The dearest first."""
    part = await sums.chosen(sql, since.date(), _tomorrow())
    rows = await sql.fetch(
        f"WITH {part.sql} SELECT kind, model, {_SUMS} FROM chosen GROUP BY 1, 2 "
        "ORDER BY 3 DESC, 2, 1",
        *part.values,
    )
    return [
        OfModel(cast(Kind, row["kind"]), row["model"], Spent(row["micro"], row["n"]))
        for row in rows
    ]


async def by_user(sql: Sql, since: datetime) -> list[Spender]:
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
    return [Spender(row["user_id"], row["name"], Spent(row["micro"], row["n"])) for row in rows]


def start_of(days: int) -> datetime:
    """Midnight at which the last `days` days began; 1 = today's."""
    return sums.midnight(_tomorrow() - timedelta(days=days))


def _tomorrow() -> date:
    return ids.now().date() + timedelta(days=1)


def days_since(since: datetime) -> list[date]:
    first, today = since.date(), ids.now().date()
    return [first + timedelta(days=number) for number in range((today - first).days + 1)]


def _sum(rows: Sequence[Row]) -> Spent:
    return Spent(sum(row["micro"] for row in rows), sum(row["n"] for row in rows))
