"""Moves of money: it is held before the work, and booked or given back at its end.

Any number of holds is closed and opened in one transaction and the same few statements. A hold
counts in three counters: its user's, its group's and everybody's; in a place also in the place's
and in its person's of the day there. Whoever moves money locks in one
order: rows of the holds that end, then counters. What is free is decided on locked counters, in the
order of arrival, so that no race passes a limit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import structlog

from api import ids
from api.budget import store
from api.budget.known_counters import KnownCounters
from api.budget.promises import Promises
from api.budget.store import GLOBAL, Counter, Hold, LedgerEntry, Place
from api.db import Db, Lost, Sql
from api.errors import BudgetExceeded
from api.reasons import BudgetExceededReason
from api.schemas import Kind, usd

log = structlog.get_logger("budget")

Group = Literal["users", "admins", "guests"]

EXISTING_MOST = 10_000
"""Counters that are known to exist."""
_REASONS: dict[str, BudgetExceededReason] = {
    "admins": "budget_of_admins",
    "global": "budget_of_server",
    "guests": "budget_of_guests",
    "users": "budget_of_users",
}


@dataclass(frozen=True, slots=True)
class PlaceBudget:
    """The limits of the place in which something is asked for: of all people in a month, and of one
    person on a day (UTC). None: no limit."""

    id: str
    monthly_micro: int | None = None
    daily_micro: int | None = None


@dataclass(frozen=True, slots=True)
class Want:
    """An amount to hold for `subject`. `process`: the one with which the work ends, if it is bound
    to one. `place`: the one in which it was asked for."""

    user_id: str
    monthly_micro: int
    group: Group
    amount: int
    subject: str
    process: str | None = None
    place: PlaceBudget | None = None

    @property
    def place_id(self) -> str | None:
        return None if self.place is None else self.place.id


@dataclass(frozen=True, slots=True)
class Bill:
    """The end of a hold: its real cost, also one above the hold; None gives the amount back.
    `late`: the hold was released before the cost was known. `at_any_time`: it is open, or was
    released meanwhile."""

    hold_id: str
    cost_micro: int | None
    kind: Kind = "text"
    model: str = ""
    late: bool = False
    at_any_time: bool = False


@dataclass(slots=True)
class Movement:
    """Results of one transaction: closed holds, without those that were closed before, and what
    was booked for them; then an answer to each want."""

    closed: dict[str, Hold] = field(default_factory=dict)
    entries: dict[str, LedgerEntry] = field(default_factory=dict)
    opened: list[Hold | BudgetExceeded] = field(default_factory=list)


class Moves:
    """`global_limit`: what all users together may spend in a month, until an admin decides; None =
    no such limit."""

    def __init__(self, db: Db, promises: Promises, global_limit: int | None) -> None:
        self._db = db
        self._promises = promises
        self._global_limit = global_limit
        self._existing: set[Place] = set()
        self.counters = KnownCounters()

    def limit(self, decided: Mapping[str, int | None], scope: str) -> int | None:
        return decided.get(scope, self._global_limit if scope == GLOBAL else None)

    async def move(
        self, sql: Sql, bills: Sequence[Bill] = (), wants: Sequence[Want] = ()
    ) -> Movement:
        """Close the holds of the bills, then open those that are wanted and fit. Raises `Duplicate`
        when a subject has a hold already."""
        now, moved = ids.now(), Movement()
        changes: dict[Place, Counter] = {}
        await self._close(sql, bills, now, moved, changes)
        fresh = [_asked(want, now) for want in wants]
        places = {place for hold in fresh for place in hold.places}
        if wants or (changes and self._db.locks_rows):
            counters = await self._counters(sql, places, changes)
            decided = await store.limits(sql) if wants else {}
            moved.opened = [
                self._decide(hold, want.place, decided, counters, changes)
                for hold, want in zip(fresh, wants, strict=True)
            ]
        opened = [hold for hold in moved.opened if isinstance(hold, Hold)]
        await self._change(
            sql, {place: each for place, each in changes.items() if each != Counter()}
        )
        await store.add_holds(sql, [each for each in opened if not self._promised(each)], now)
        entries = [(ids.new_id(), entry) for entry in moved.entries.values()]
        await store.add_entries(sql, entries, now)
        return moved

    async def book(self, sql: Sql, entry: LedgerEntry, places: Sequence[Place]) -> None:
        """Book an entry beside the one of a hold, in these counters: a correction, or what is given
        back."""
        changes = {place: Counter(entry.amount_micro) for place in places}
        if self._db.locks_rows:
            await self._counters(sql, set(), changes)
        await self._change(sql, changes)
        await store.add_entries(sql, [(ids.new_id(), entry)], ids.now())

    async def _change(self, sql: Sql, changes: Mapping[Place, Counter]) -> None:
        await store.change_counters(sql, changes)
        self.counters.change(changes)

    def _promised(self, hold: Hold) -> bool:
        """Tell whether a hold is only kept in memory: a crash of its process frees it, and there is
        no other process to see it."""
        return hold.process is not None and self._db.engine == "duckdb"

    async def _close(
        self,
        sql: Sql,
        bills: Sequence[Bill],
        now: datetime,
        moved: Movement,
        changes: dict[Place, Counter],
    ) -> None:
        by_hold = {bill.hold_id: bill for bill in bills}
        kept = [hold for each in by_hold if (hold := self._promises.take(each)) is not None]
        kept_ids = {hold.id for hold in kept}
        costs = [(hold, by_hold[hold.id].cost_micro) for hold in kept]
        await store.add_closed_holds(sql, costs, now)
        rows = await self._close_rows(
            sql, [bill for bill in bills if not bill.late and bill.hold_id not in kept_ids], now
        )
        closed = kept_ids | set(rows)
        late = await self._close_rows(
            sql,
            [
                bill
                for bill in bills
                if (bill.late or bill.at_any_time) and bill.hold_id not in closed
            ],
            now,
            before="released",
        )
        for hold in (*kept, *rows.values(), *late.values()):
            bill = by_hold[hold.id]
            freed = hold.amount_micro if hold.id in rows else 0
            for place in hold.places:
                _add(changes, place, Counter(bill.cost_micro or 0, -freed))
            moved.closed[hold.id] = hold
            if bill.cost_micro is not None:
                moved.entries[hold.id] = _booked(hold, bill, late=hold.id in late)

    async def _close_rows(
        self, sql: Sql, bills: Sequence[Bill], now: datetime, before: str = "held"
    ) -> dict[str, Hold]:
        costs = {bill.hold_id: bill.cost_micro for bill in bills}
        if not costs:
            return {}
        return await store.close_holds(
            sql, costs, now, before=before, alone=not self._db.locks_rows
        )

    async def _counters(
        self, sql: Sql, places: set[Place], changes: Mapping[Place, Counter]
    ) -> dict[Place, Counter]:
        """Return the counters of these places, locked with those of the changes."""
        if unknown := places - self._existing:
            # before counters are locked, because it waits for others who add the same
            added = await store.add_counters(sql, unknown)
            if len(self._existing) > EXISTING_MOST:
                self._existing.clear()
            self._existing |= unknown - added  # those were there, whatever becomes of this
        if self._db.locks_rows:
            found = await _read(sql, places | set(changes), locked=True)
        else:
            found = {each: known for each in places if (known := self.counters.get(each))}
            if unread := places - set(found):
                read = await _read(sql, unread)
                self.counters.read(read)
                found |= read
        if gone := places - set(found):
            self._existing -= gone
            raise Lost(f"counters are gone: {sorted(gone)}")
        return found

    def _decide(
        self,
        hold: Hold,
        asked_in: PlaceBudget | None,
        decided: Mapping[str, int | None],
        counters: Mapping[Place, Counter],
        changes: dict[Place, Counter],
    ) -> Hold | BudgetExceeded:
        """Open a hold that fits into all its budgets."""
        for place in hold.places:
            scope, _ = place
            reason, limit = self._limit_of(hold, asked_in, decided, scope)
            used = (counters[place] + changes.get(place, Counter())).used_micro
            used += self._promises.amount(place)
            if limit is not None and used + hold.amount_micro > limit:
                return BudgetExceeded(
                    reason,
                    cost_usd=usd(hold.amount_micro),
                    left_usd=usd(max(0, limit - used)),
                    limit_usd=usd(limit),
                )
        if self._promised(hold):
            self._promises.add(hold)
        else:
            for place in hold.places:
                _add(changes, place, Counter(0, hold.amount_micro))
        return hold

    def _limit_of(
        self,
        hold: Hold,
        asked_in: PlaceBudget | None,
        decided: Mapping[str, int | None],
        scope: str,
    ) -> tuple[BudgetExceededReason, int | None]:
        """Return the limit of a scope, with the reason of a refusal by it."""
        if scope in _REASONS:
            return _REASONS[scope], self.limit(decided, scope)
        if asked_in is not None and scope.startswith(store.PLACE):
            return "budget_of_place", asked_in.monthly_micro
        if asked_in is not None and scope.startswith(store.MEMBER):
            return "budget_in_place_today", asked_in.daily_micro
        return "budget_own", hold.limit_micro


async def _read(sql: Sql, places: set[Place], *, locked: bool = False) -> dict[Place, Counter]:
    scopes, months = {scope for scope, _ in places}, {month for _, month in places}
    return await store.counters(sql, scopes, months, locked=locked)


def month_of(moment: datetime) -> str:
    return f"{moment:%Y-%m}"


def _asked(want: Want, now: datetime) -> Hold:
    return Hold(
        id=ids.new_id(),
        user_id=want.user_id,
        month=month_of(now),
        subject=want.subject,
        amount_micro=want.amount,
        group=want.group,
        limit_micro=want.monthly_micro,
        process=want.process,
        place_id=want.place_id,
        day=None if want.place is None else f"{now:%Y-%m-%d}",
    )


def _booked(hold: Hold, bill: Bill, *, late: bool) -> LedgerEntry:
    cost = bill.cost_micro or 0
    if cost > hold.amount_micro and not late:
        held, subject = hold.amount_micro, hold.subject
        log.warning("cost_above_hold", subject=subject, model=bill.model, held=held, cost=cost)
    return LedgerEntry(hold.user_id, hold.month, hold.id, hold.subject, bill.kind, bill.model, cost)


def _add(changes: dict[Place, Counter], place: Place, change: Counter) -> None:
    changes[place] = changes.get(place, Counter()) + change
