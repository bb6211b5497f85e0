"""The ledger broken down by day, account and model: of everybody, of one account or of one
model."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from api.budget import day_sums
from api.budget.day_sums import DayTable
from api.budget.schemas import BreakdownOut, DayOut, ModelCostOut, PersonCostOut
from api.db import Db, Row
from api.errors import InvalidRequest
from api.schemas import Kind, usd
from api.spreadsheet import csv_text

Names = Callable[[Collection[str]], Awaitable[Mapping[str, str]]]
"""The names of accounts by their ids; deleted accounts are left out."""
TOP = 20
DAYS_OF_ALL, DAYS_OF_ONE = 7, 31
"""Days to show where no first day was chosen."""
DAYS_MOST = 3660
COLUMNS = ("day", "person", "person_id", "kind", "model", "requests", "usd")
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SpendFilter:
    """Days in UTC, both of them shown; None = any. `since` None: the last days before `until`."""

    until: date
    since: date | None = None
    user_id: str | None = None
    kind: Kind | None = None
    model: str | None = None


async def broken_down(db: Db, part: SpendFilter, names_of: Names) -> BreakdownOut:
    first, end = days_of(part)
    chosen = await day_sums.chosen(
        db, first, end, user_id=part.user_id, kind=part.kind, model=part.model
    )
    rows = await _rows(db, chosen)
    by_day = {row["name"]: row for row in rows if row["part"] == "day"}
    models = [row for row in rows if row["part"] not in {"day", "user"}]
    users = [(row["name"], row["micro"], row["n"]) for row in rows if row["part"] == "user"]
    names = await names_of([user_id for user_id, *_ in users])
    shown = await _shown(db, part, first, end)
    return BreakdownOut(
        since=first,
        until=part.until,
        spent_usd=usd(sum(row["micro"] for row in by_day.values())),
        count=sum(row["n"] for row in by_day.values()),
        days=[
            DayOut(day=day, spent_usd=usd(found["micro"]), count=found["n"])
            for day in shown
            for found in [by_day.get(day.isoformat(), {"micro": 0, "n": 0})]
        ],
        users=[
            PersonCostOut(user_id=user_id, name=names.get(user_id), spent_usd=usd(micro), count=n)
            for user_id, micro, n in users
        ],
        models=[
            ModelCostOut(
                kind=row["part"], model=row["name"], spent_usd=usd(row["micro"]), count=row["n"]
            )
            for row in models
        ],
    )


async def csv_lines(db: Db, part: SpendFilter, names_of: Names) -> AsyncIterator[str]:
    """The whole part as a table: a line a day, account, kind and model."""
    first, end = days_of(part)
    yield csv_text([COLUMNS])
    for day in await _shown(db, part, first, end):
        chosen = await day_sums.chosen(
            db, day, day + DAY, user_id=part.user_id, kind=part.kind, model=part.model
        )
        rows = await day_sums.rows(db, chosen)
        names = await names_of({row["user_id"] for row in rows})
        yield csv_text(_line(row, names) for row in rows)


def _line(row: Row, names: Mapping[str, str]) -> Sequence[str]:
    who = row["user_id"]
    return (
        row["day"].isoformat(),
        names.get(who, ""),
        who,
        row["kind"],
        row["model"],
        str(row["n"]),
        f"{usd(row['micro']):.6f}",
    )


def days_of(part: SpendFilter) -> tuple[date, date]:
    """The first day that is shown, and the one after the last. Raises `InvalidRequest`."""
    usual = DAYS_OF_ALL if part.user_id is None and part.model is None else DAYS_OF_ONE
    try:
        first, end = part.since or part.until - DAY * (usual - 1), part.until + DAY
    except OverflowError as error:
        raise InvalidRequest("days_unknown", field="until") from error
    first = max(min(first, part.until), day_sums.EARLIEST)
    if part.until < day_sums.EARLIEST or (end - first).days > DAYS_MOST:
        raise InvalidRequest("too_many_days", field="since", most=DAYS_MOST)
    return first, end


async def _shown(db: Db, part: SpendFilter, first: date, end: date) -> list[date]:
    """Each day; of a time that was chosen, those from the first one on which anything was spent."""
    if part.since is not None:
        first = min(max(first, await day_sums.first_day(db) or first), part.until)
    return [first + DAY * number for number in range((end - first).days)]


async def _rows(db: Db, part: DayTable) -> Sequence[Row]:
    """By what costs most; of the accounts only the first."""
    sums = "CAST(sum(amount_micro) AS BIGINT) AS micro, CAST(sum(requests) AS BIGINT) AS n"
    return await db.fetch(
        f"WITH {part.sql}, spenders AS MATERIALIZED (SELECT user_id, {sums} "
        f"FROM chosen GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {TOP}), "
        f"days AS MATERIALIZED (SELECT day, {sums} FROM chosen GROUP BY 1) "
        "SELECT 'day' AS part, CAST(day AS TEXT) AS name, micro, n FROM days UNION ALL "
        f"SELECT 'user', user_id, micro, n FROM spenders UNION ALL SELECT kind, model, {sums} "
        "FROM chosen GROUP BY 1, 2 ORDER BY 3 DESC, 2, 1",
        *part.values,
    )
