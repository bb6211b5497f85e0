"""Who spent what on which model on which day: out of the ledger, of everybody, of one account or on one model."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from api.budget.schemas import BreakdownOut, DayOut, ModelCostOut, PersonCostOut
from api.db import Db, Row
from api.errors import InvalidRequest
from api.schemas import Kind, usd

Names = Callable[[Collection[str]], Awaitable[Mapping[str, str]]]
"""What accounts are called, by their ids; those that were deleted are left out."""
TOP = 20
DAYS_OF_ALL, DAYS_OF_ONE = 7, 31
"""All of a month is too much for one page; an account's or a model's is not."""
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Part:
    """Days in UTC, both of them shown; None = any. `since` None: as early as there is room for."""

    until: date
    since: date | None = None
    user_id: str | None = None
    kind: Kind | None = None
    model: str | None = None


async def broken_down(db: Db, part: Part, names_of: Names) -> BreakdownOut:
    first, end = _days(part)
    rows = await _rows(db, part, first, end)
    days = {row["name"]: row for row in rows if row["part"] == "day"}
    models = [row for row in rows if row["part"] not in {"day", "user"}]
    users = [row for row in rows if row["part"] == "user"]
    names = await names_of([row["name"] for row in users])
    shown = [first + DAY * number for number in range((end - first).days)]
    return BreakdownOut(
        since=first,
        until=part.until,
        spent_usd=usd(sum(row["micro"] for row in days.values())),
        count=sum(row["n"] for row in days.values()),
        days=[
            DayOut(day=day, spent_usd=usd(found["micro"] if found else 0), count=found["n"] if found else 0)
            for day in shown
            for found in [days.get(day.isoformat())]
        ],
        users=[
            PersonCostOut(user_id=row["name"], name=names.get(row["name"]), spent_usd=usd(row["micro"]), count=row["n"]) for row in users
        ],
        models=[ModelCostOut(kind=row["part"], model=row["name"], spent_usd=usd(row["micro"]), count=row["n"]) for row in models],
    )


def _days(part: Part) -> tuple[date, date]:
    """The first day that is shown, and the one after the last."""
    most = DAYS_OF_ALL if part.user_id is None and part.model is None else DAYS_OF_ONE
    try:
        earliest, end = part.until - DAY * (most - 1), part.until + DAY
    except OverflowError as error:
        raise InvalidRequest("There are no such days.", field="until") from error
    return max(min(part.since or earliest, part.until), earliest), end


async def _rows(db: Db, part: Part, first: date, end: date) -> Sequence[Row]:
    """By what costs most; of the accounts only the first."""
    asked = [("user_id = {}", part.user_id), ("kind = {}", part.kind), ("model = {}", part.model)]
    values = [value for _, value in asked if value is not None]
    texts = [text for text, value in asked if value is not None]
    where = "".join(f" AND {text.format(f'${number}')}" for number, text in enumerate(texts, 3))
    sums = "CAST(sum(amount_micro) AS BIGINT) AS micro, count(*) AS n"
    return await db.fetch(
        "WITH chosen AS MATERIALIZED (SELECT CAST(created_at AS DATE) AS day, user_id, kind, model, amount_micro "
        f"FROM ledger WHERE created_at >= $1 AND created_at < $2{where}), "
        f"spenders AS MATERIALIZED (SELECT user_id, {sums} FROM chosen GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {TOP}), "
        f"days AS MATERIALIZED (SELECT day, {sums} FROM chosen GROUP BY 1) "
        "SELECT 'day' AS part, CAST(day AS TEXT) AS name, micro, n FROM days "
        "UNION ALL SELECT 'user', user_id, micro, n FROM spenders "
        f"UNION ALL SELECT kind, model, {sums} FROM chosen GROUP BY 1, 2 ORDER BY 3 DESC, 2, 1",
        datetime.combine(first, time(), UTC),
        datetime.combine(end, time(), UTC),
        *values,
    )
