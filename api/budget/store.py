"""SQL of counters per scope and month, limits of groups, holds, and the ledger."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Literal

from api import ids
from api.db import Row, Sql, rows

REFUND = "refund:"
"""The prefix of the subject of entries that are between us and the user."""
SURPLUS, FAILED = f"{REFUND}surplus:", f"{REFUND}failed:"
"""Given back by itself: it was more than what was asked for, or it came to nothing."""


GLOBAL: Literal["global"] = "global"
"""The scope of everybody."""
Place = tuple[str, str]
"""The scope and the month of a counter."""


@dataclass(frozen=True, slots=True)
class Counter:
    """The amounts of a counter, or a change of them."""

    spent_micro: int = 0
    held_micro: int = 0

    def __add__(self, other: "Counter") -> "Counter":
        return Counter(self.spent_micro + other.spent_micro, self.held_micro + other.held_micro)

    @property
    def parts(self) -> tuple[int, int]:
        return self.spent_micro, self.held_micro

    @property
    def used_micro(self) -> int:
        return self.spent_micro + self.held_micro


def user_scope(user_id: str) -> str:
    return f"user:{user_id}"


PLACE, MEMBER = "place:", "member:"
"""The prefixes of the scope of a place, and of that of a person in a place on one day."""


def place_scope(place_id: str) -> str:
    return f"{PLACE}{place_id}"


def member_scope(place_id: str, user_id: str, day: str) -> str:
    return f"{MEMBER}{place_id}:{user_id}:{day}"


@dataclass(frozen=True, slots=True)
class Hold:
    """`group` is the scope of all accounts of its kind; `limit_micro` is what its person could
    spend in the month. None for holds that are older than these columns. `place_id`: the place in
    which it was asked for, and `day` its day there (UTC)."""

    id: str
    user_id: str
    month: str
    subject: str
    amount_micro: int
    group: str | None
    limit_micro: int | None
    process: str | None
    place_id: str | None = None
    day: str | None = None

    @property
    def places(self) -> list[Place]:
        """Return the counters in which it counts."""
        scopes = [user_scope(self.user_id), self.group, GLOBAL]
        if self.place_id is not None and self.day is not None:
            scopes.append(place_scope(self.place_id))
            scopes.append(member_scope(self.place_id, self.user_id, self.day))
        return [(scope, self.month) for scope in scopes if scope is not None]


@dataclass(frozen=True, slots=True)
class Difference:
    """A counter that is not the sum of what it counts."""

    scope: str
    month: str
    held_micro: int
    held_by_holds_micro: int
    spent_micro: int
    spent_by_ledger_micro: int


_HOLD_TYPES = {
    "id": "text",
    "user_id": "text",
    "month": "text",
    "subject": "text",
    "amount_micro": "bigint",
    "group_scope": "text",
    "limit_micro": "bigint",
    "process": "text",
    "place_id": "text",
    "day": "text",
}
_HOLD = ", ".join(_HOLD_TYPES)
_of_hold = attrgetter(*(each.name for each in fields(Hold)))
"""The values of a hold, in the order of its columns."""


def _hold(row: Row) -> Hold:
    return Hold(*(row[name] for name in _HOLD_TYPES))


_COUNTERS = """
    SELECT scope, month, spent_micro, held_micro FROM budgets
    WHERE scope = ANY($1::text[]) AND month = ANY($2::text[])"""
_LOCKED = f"""{_COUNTERS}
    ORDER BY month, scope = 'global', NOT starts_with(scope, 'user:'), scope FOR UPDATE"""
_PLACES = rows.listed({"scope": "text", "month": "text"})
_CHANGES = rows.listed({"scope": "text", "month": "text", "spent": "bigint", "held": "bigint"})


async def counters(
    sql: Sql, scopes: Collection[str], months: Collection[str], *, locked: bool = False
) -> dict[Place, Counter]:
    """Return the counters of these scopes in these months, without those that do not exist.
    `locked`: nobody else changes them before the end of the transaction. They are locked in one
    order (users, groups and places, everybody), so that PostgreSQL never sees a deadlock."""
    query = _LOCKED if locked else _COUNTERS
    return {
        (row["scope"], row["month"]): Counter(row["spent_micro"], row["held_micro"])
        for row in await sql.fetch(query, list(scopes), list(months))
    }


async def add_counters(sql: Sql, places: Collection[Place]) -> set[Place]:
    """Add those that do not exist, and return them: two requests may both find the month's row
    missing, and the second one's insert does nothing."""
    query = f"""
        INSERT INTO budgets (scope, month, held_micro, spent_micro)
        SELECT scope, month, 0, 0 FROM ({_PLACES}) AS missing ON CONFLICT DO NOTHING
        RETURNING scope, month"""
    added = await sql.fetch(query, *rows.lists(sorted(places)))
    return {(row["scope"], row["month"]) for row in added}


FEW = 4
"""Counters that are named in the statement: those of one hold. It takes half of the time of one
that reads them from lists."""


@lru_cache
def _change_few(number: int) -> str:
    at = range(2, 2 + 3 * number, 3)
    spent = " ".join(f"WHEN ${each} THEN ${each + 1}::bigint" for each in at)
    held = " ".join(f"WHEN ${each} THEN ${each + 2}::bigint" for each in at)
    scopes = ", ".join(f"${each}::text" for each in at)
    return f"""
        UPDATE budgets SET spent_micro = spent_micro + CASE scope {spent} END,
            held_micro = held_micro + CASE scope {held} END
        WHERE scope IN ({scopes}) AND month = $1::text"""


async def change_counters(sql: Sql, changes: Mapping[Place, Counter]) -> None:
    """Add these amounts."""
    if not changes:
        return
    if len(changes) <= FEW and len({month for _, month in changes}) == 1:
        values = [each for (scope, _), change in changes.items() for each in (scope, *change.parts)]
        ((_, month), *_) = changes
        await sql.later(_change_few(len(changes)), month, *values)
        return
    query = f"""
        UPDATE budgets SET spent_micro = budgets.spent_micro + change.spent,
            held_micro = budgets.held_micro + change.held
        FROM ({_CHANGES}) AS change
        WHERE budgets.scope = change.scope AND budgets.month = change.month"""
    changed = [(*place, each.spent_micro, each.held_micro) for place, each in changes.items()]
    await sql.later(query, *rows.lists(changed))


async def take_counters(sql: Sql, scope: str) -> dict[Place, Counter]:
    """Delete and return the counters of a scope."""
    query = "DELETE FROM budgets WHERE scope = $1 RETURNING scope, month, spent_micro, held_micro"
    return {
        (row["scope"], row["month"]): Counter(row["spent_micro"], row["held_micro"])
        for row in await sql.fetch(query, scope)
    }


async def rename_holds(sql: Sql, user_id: str, to: str) -> None:
    await sql.execute("UPDATE holds SET user_id = $2 WHERE user_id = $1", user_id, to)


async def counters_of(sql: Sql, scope: str) -> dict[Place, Counter]:
    """Return the counters of a scope in all months."""
    query = """
        SELECT scope, month, spent_micro, held_micro FROM budgets WHERE scope = $1
        ORDER BY month"""
    return {
        (row["scope"], row["month"]): Counter(row["spent_micro"], row["held_micro"])
        for row in await sql.fetch(query, scope)
    }


async def limits(sql: Sql) -> dict[str, int | None]:
    """Return the limits that admins set, by scope; None means no limit. A missing scope has the
    limit of the settings."""
    return {
        row["scope"]: row["limit_micro"]
        for row in await sql.fetch("SELECT scope, limit_micro FROM budget_limits")
    }


async def set_limit(sql: Sql, scope: str, limit: int | None) -> None:
    query = """
        INSERT INTO budget_limits (scope, limit_micro) VALUES ($1, $2)
        ON CONFLICT (scope) DO UPDATE SET limit_micro = excluded.limit_micro"""
    await sql.execute(query, scope, limit)


async def add_holds(sql: Sql, holds: Sequence[Hold], now: datetime) -> None:
    """Raises `Duplicate` when a subject has a hold already."""
    columns = {**_HOLD_TYPES, "state": "text", "created_at": "timestamptz"}
    await rows.insert(sql, "holds", columns, [(*_of_hold(hold), "held", now) for hold in holds])


async def add_closed_holds(
    sql: Sql, holds: Sequence[tuple[Hold, int | None]], now: datetime
) -> None:
    """Add holds that were promises until now, each with its cost; None = it was released. They were
    created when their ids were made. Raises `Duplicate`."""
    columns = {
        **_HOLD_TYPES,
        "state": "text",
        "settled_micro": "bigint",
        "created_at": "timestamptz",
        "closed_at": "timestamptz",
    }
    closed = [
        (*_of_hold(hold), state_of(cost), cost, ids.moment(hold.id) or now, now)
        for hold, cost in holds
    ]
    await rows.insert(sql, "holds", columns, closed)


async def open_holds_of_processes(sql: Sql, subject_prefix: str) -> Sequence[Row]:
    """Return id, subject and process of open holds whose process is known."""
    query = """
        SELECT id, subject, process FROM holds
        WHERE state = 'held' AND process IS NOT NULL AND starts_with(subject, $1)
        """
    return await sql.fetch(query, subject_prefix)


async def has_open(sql: Sql, user_id: str, subject_prefix: str) -> bool:
    query = """
        SELECT 1 FROM holds
        WHERE state = 'held' AND user_id = $1 AND starts_with(subject, $2) LIMIT 1
        """
    return await sql.fetch_one(query, user_id, subject_prefix) is not None


def state_of(cost: int | None) -> str:
    return "released" if cost is None else "settled"


_CLOSED = rows.listed({"id": "text", "state": "text", "cost": "bigint"})
_OF_HOLDS = ", ".join(f"holds.{name}" for name in _HOLD_TYPES)


async def close_holds(
    sql: Sql, costs: Mapping[str, int | None], now: datetime, *, before: str = "held", alone: bool
) -> dict[str, Hold]:
    """Close holds with their costs, by id; None = it is released. Returns them, without those that
    are not in the state `before`, or never were. `alone`: the transaction has the engine alone."""
    closed = [(hold_id, state_of(cost), cost) for hold_id, cost in costs.items()]
    if alone:
        return await _close_alone(sql, closed, now, before)
    query = f"""
        UPDATE holds SET state = closed.state, settled_micro = closed.cost, closed_at = $5
        FROM ({_CLOSED}) AS closed
        WHERE holds.id = closed.id AND holds.state = $4 RETURNING {_OF_HOLDS}"""
    found = await sql.fetch(query, *rows.lists(closed), before, now)
    return {row["id"]: _hold(row) for row in found}


async def _close_alone(
    sql: Sql, closed: Sequence[tuple[str, str, int | None]], now: datetime, before: str
) -> dict[str, Hold]:
    """With a second condition beside the id DuckDB would read the whole table."""
    found = {}
    for hold_id, state, cost in closed:
        row = await sql.fetch_one(f"SELECT {_HOLD}, state FROM holds WHERE id = $1", hold_id)
        if row is not None and row["state"] == before:
            found[hold_id] = _hold(row)
            query = "UPDATE holds SET state = $2, settled_micro = $3, closed_at = $4 WHERE id = $1"
            await sql.later(query, hold_id, state, cost, now)
    return found


@dataclass(frozen=True, slots=True)
class Booked:
    """`paid_micro`: what its person pays, 0 while it is open."""

    is_open: bool
    paid_micro: int


async def booked(sql: Sql, user_id: str, subject: str) -> Booked | None:
    row = await sql.fetch_one(
        "SELECT id, user_id, state, created_at FROM holds WHERE subject = $1", subject
    )
    if row is None or row["user_id"] != user_id:
        return None
    # the ledger's index is by person and time: without these two it would read all entries
    query = """
        SELECT coalesce(CAST(sum(amount_micro) AS BIGINT), 0) AS paid FROM ledger
        WHERE user_id = $1 AND created_at >= $2 AND hold_id = $3"""
    found = await sql.fetch_one(query, user_id, row["created_at"], row["id"])
    return Booked(row["state"] == "held", 0 if found is None else found["paid"])


async def correct_hold(sql: Sql, hold_id: str, settled_micro: int) -> tuple[Hold, int] | None:
    """Return the hold with the amount booked before; None for one that was never settled."""
    query = f"SELECT {_HOLD}, settled_micro FROM holds WHERE id = $1 AND state = 'settled'"
    row = await sql.fetch_one(query, hold_id)
    if row is None:
        return None
    await sql.execute("UPDATE holds SET settled_micro = $2 WHERE id = $1", hold_id, settled_micro)
    return _hold(row), row["settled_micro"]


async def open_holds_of(sql: Sql, subjects: Collection[str]) -> list[str]:
    """Return the ids of open holds by their subjects."""
    query = "SELECT id FROM holds WHERE state = 'held' AND subject = ANY($1::text[])"
    return [row["id"] for row in await sql.fetch(query, list(subjects))]


async def open_hold_ids(sql: Sql, subject_prefix: str, before: datetime) -> list[str]:
    query = (
        "SELECT id FROM holds WHERE state = 'held' AND starts_with(subject, $1) AND created_at < $2"
    )
    return [row["id"] for row in await sql.fetch(query, subject_prefix, before)]


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """The entry booked for a hold; `amount_micro` is the part that was not given back."""

    user_id: str
    month: str
    hold_id: str
    subject: str
    kind: str
    model: str
    amount_micro: int


_of_entry = attrgetter(*(each.name for each in fields(LedgerEntry)))
"""The values of an entry, in the order of its columns."""


async def add_entries(sql: Sql, entries: Sequence[tuple[str, LedgerEntry]], now: datetime) -> None:
    """Add entries, each with its id."""
    columns = {
        "id": "text",
        "user_id": "text",
        "month": "text",
        "hold_id": "text",
        "subject": "text",
        "kind": "text",
        "model": "text",
        "amount_micro": "bigint",
        "created_at": "timestamptz",
    }
    added = [(entry_id, *_of_entry(entry), now) for entry_id, entry in entries]
    await rows.insert(sql, "ledger", columns, added)


async def entry_of(sql: Sql, hold_id: str) -> LedgerEntry | None:
    query = """
        SELECT user_id, month, hold_id, subject, kind, model,
            (SELECT CAST(sum(amount_micro) AS BIGINT) FROM ledger WHERE hold_id = $1)
                AS amount_micro
        FROM ledger WHERE hold_id = $1 AND amount_micro > 0 ORDER BY id LIMIT 1"""
    row = await sql.fetch_one(query, hold_id)
    return None if row is None else LedgerEntry(**row)


async def given_back(sql: Sql, user_id: str, month: str) -> int:
    """Return the amount that a person was given back for failures."""
    query = """
        SELECT coalesce(CAST(sum(-amount_micro) AS BIGINT), 0) AS micro FROM ledger
        WHERE user_id = $1 AND month = $2 AND starts_with(subject, $3)"""
    row = await sql.fetch_one(query, user_id, month, FAILED)
    return 0 if row is None else int(row["micro"])


async def overruns(sql: Sql, since: datetime, limit: int) -> list[Row]:
    query = """
        SELECT ledger.created_at AS at, ledger.subject, ledger.kind, ledger.model,
            ledger.amount_micro AS cost, holds.amount_micro AS held
        FROM ledger JOIN holds ON holds.id = ledger.hold_id
        WHERE ledger.created_at >= $1 AND ledger.amount_micro > holds.amount_micro
        ORDER BY ledger.id DESC LIMIT $2"""
    return list(await sql.fetch(query, since, limit))


DIFFERENCES = """
        WITH amounts AS (
            SELECT user_id, month, group_scope, place_id, day,
                amount_micro AS held, 0 AS spent, true AS shared
            FROM holds WHERE state = 'held'
            UNION ALL
            SELECT ledger.user_id, ledger.month, holds.group_scope, holds.place_id, holds.day,
                0 AS held, ledger.amount_micro AS spent,
                -- a refund is between us and the person: the provider was paid all the same
                NOT starts_with(ledger.subject, $2) AS shared
            FROM ledger LEFT JOIN holds ON holds.id = ledger.hold_id
        ), scoped AS ( -- each amount counts for its person, a group, a place, and everybody
            SELECT 'user:' || user_id AS scope, month, held, spent FROM amounts
            UNION ALL
            SELECT group_scope AS scope, month, held, spent FROM amounts
            WHERE group_scope IS NOT NULL AND shared
            UNION ALL
            SELECT 'place:' || place_id AS scope, month, held, spent FROM amounts
            WHERE place_id IS NOT NULL AND shared
            UNION ALL
            SELECT 'member:' || place_id || ':' || user_id || ':' || day AS scope,
                month, held, spent FROM amounts
            WHERE place_id IS NOT NULL AND shared AND user_id <> 'deleted' AND month >= $3
            UNION ALL
            SELECT $1::text AS scope, month, held, spent FROM amounts WHERE shared
        ), sums AS (
            SELECT scope, month,
                CAST(sum(held) AS BIGINT) AS held, CAST(sum(spent) AS BIGINT) AS spent
            FROM scoped GROUP BY scope, month
        )
        SELECT
            coalesce(budgets.scope, sums.scope) AS scope,
            coalesce(budgets.month, sums.month) AS month,
            coalesce(budgets.held_micro, 0) AS held_micro,
            coalesce(sums.held, 0) AS held_by_holds_micro,
            coalesce(budgets.spent_micro, 0) AS spent_micro,
            coalesce(sums.spent, 0) AS spent_by_ledger_micro
        FROM (
            SELECT * FROM budgets WHERE NOT starts_with(scope, 'member:') OR month >= $3
        ) AS budgets FULL JOIN sums ON sums.scope = budgets.scope AND sums.month = budgets.month
        WHERE coalesce(budgets.held_micro, 0) <> coalesce(sums.held, 0)
            OR coalesce(budgets.spent_micro, 0) <> coalesce(sums.spent, 0)"""
"""Counters that are not the sums of what they count; `$1`: the scope of everybody, `$2`: `REFUND`,
`$3`: the first month whose counters of days are kept. One statement, so that it sees one moment
also while others write."""


def first_month_of_days(now: datetime) -> str:
    """Return the month before: counters of days are kept for it and for the present one."""
    return f"{now.replace(day=1) - timedelta(days=1):%Y-%m}"


async def differences(sql: Sql, now: datetime) -> list[Difference]:
    params = (GLOBAL, REFUND, first_month_of_days(now))
    return [Difference(**row) for row in await sql.fetch(f"{DIFFERENCES} ORDER BY 2, 1", *params)]


async def forget_days(sql: Sql, before: str) -> None:
    """Delete the counters of days in months before this one."""
    query = "DELETE FROM budgets WHERE starts_with(scope, $1) AND month < $2"
    await sql.execute(query, MEMBER, before)


async def forget_member(sql: Sql, user_id: str) -> None:
    """Delete the counters of a person's days in places."""
    query = "DELETE FROM budgets WHERE starts_with(scope, $1) AND split_part(scope, ':', 3) = $2"
    await sql.execute(query, MEMBER, user_id)


async def sums(sql: Sql) -> dict[str, int]:
    """Return the sums of money of everybody and of all months, by name."""
    row = await sql.fetch_one("""
        SELECT (SELECT sum(amount_micro) FROM ledger)::bigint AS booked,
            (SELECT sum(amount_micro) FROM holds WHERE state = 'held')::bigint AS held,
            (SELECT sum(spent_micro) FROM budgets)::bigint AS counted_as_spent,
            (SELECT sum(held_micro) FROM budgets)::bigint AS counted_as_held,
            (SELECT sum(monthly_micro) FROM users)::bigint AS limits_of_people,
            (SELECT sum(limit_micro) FROM budget_limits)::bigint AS limits_of_groups""")
    assert row is not None
    return {name: value or 0 for name, value in row.items()}
