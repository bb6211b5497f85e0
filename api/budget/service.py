"""Money before work: reserve, then settle with the real cost or release. All amounts are
micro-dollars.

A hold counts in three scopes: the user's, its group's and everybody's; what was asked for in a
place also counts there, and for its person's day there. It belongs to the month
(UTC) in which it was made, and is closed there even when the month is over.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, cast, get_args

import structlog

from api import ids
from api.budget import day_sums, schemas, store
from api.budget.moves import Bill, Group, Movement, Moves, PlaceBudget, Want, month_of
from api.budget.promises import Promises
from api.budget.reconciliation import Comparison, KeyReader
from api.budget.store import (
    GLOBAL,
    Booked,
    Counter,
    Difference,
    Hold,
    LedgerEntry,
    place_scope,
    user_scope,
)
from api.db import Db, Row, Sql
from api.errors import BudgetExceeded
from api.schemas import Kind, micro, usd
from api.users import audit

log = structlog.get_logger("budget")

AUDIT_SECONDS = 3600.0
AUDIT_SHOWN_FOR = timedelta(hours=1.5)
OVERRUNS_OF = timedelta(days=30)
OVERRUNS_SHOWN = 20
GIVEN_BACK_PART = 10
"""While less than a tenth of a person's month was given back for failures, the next one is too."""


@dataclass(frozen=True, slots=True)
class HeldBy:
    """An open hold, its subject, and the process that does the work."""

    hold_id: str
    subject: str
    process: str


def group_of(role: Literal["user", "admin"], *, guest: bool) -> Group:
    """Return the one group in which an account counts."""
    if guest:
        return "guests"
    return "admins" if role == "admin" else "users"


class BudgetService:
    """`global_limit_micro`: what all users together may spend in a month, until an admin decides;
    None = no such limit."""

    def __init__(
        self, db: Db, global_limit_micro: int | None = None, provider: KeyReader | None = None
    ) -> None:
        self._db = db
        self._comparison = None if provider is None else Comparison(db, provider)
        self._promises = Promises()
        self._moves = Moves(db, self._promises, global_limit_micro)
        self._compared: tuple[datetime, list[Difference]] | None = None

    async def keep_compared(self) -> float:
        await store.forget_days(self._db, store.first_month_of_days(ids.now()))
        await self.audit()
        await day_sums.keep(self._db, ids.now())
        if self._comparison is not None:
            await self._comparison.record()
        return AUDIT_SECONDS

    async def audit(self) -> list[Difference]:
        """Return the counters that are not the sum of their open holds and ledger entries. They are
        logged as errors and never corrected by themselves."""
        found = await store.differences(self._db, ids.now())
        self._compared = (ids.now(), found)
        for each in found:
            log.error(
                "budget_does_not_add_up",
                scope=each.scope,
                month=each.month,
                held=each.held_micro,
                held_by_holds=each.held_by_holds_micro,
                spent=each.spent_micro,
                spent_by_ledger=each.spent_by_ledger_micro,
            )
        return found

    async def compared(self) -> tuple[datetime, list[Difference]]:
        """Return the last comparison of the books and its time. Doing it anew takes long where much
        was booked, so that is done when it is older than a comparison may get: another process
        may be the one that does it every hour."""
        if self._compared is None or ids.now() - self._compared[0] > AUDIT_SHOWN_FOR:
            await self.audit()
        assert self._compared is not None
        return self._compared

    async def overview(self) -> schemas.BudgetsOut:
        """Return the budgets and the last comparison of the books."""
        at, differences = await self.compared()
        audited = schemas.AuditedOut(
            at=at, differences=[_difference_out(each) for each in differences]
        )
        overruns = [
            _overrun_out(row)
            for row in await store.overruns(self._db, ids.now() - OVERRUNS_OF, OVERRUNS_SHOWN)
        ]
        compared = [] if self._comparison is None else await self._comparison.days()
        items, month = await self.shared(), month_of(ids.now())
        return schemas.BudgetsOut(
            month=month, items=items, audit=audited, overruns=overruns, provider_usage=compared
        )

    async def shared(self) -> list[schemas.BudgetOut]:
        """Return this month's budgets of groups of accounts, and of all."""
        scopes = cast(tuple[schemas.SharedScope, ...], get_args(schemas.SharedScope))
        decided = await store.limits(self._db)
        counters = await self._counters(scopes, ids.now())
        items = []
        for scope in scopes:
            limit, found = self._moves.limit(decided, scope), counters[scope]
            items.append(
                schemas.BudgetOut(
                    scope=scope,
                    monthly_usd=None if limit is None else usd(limit),
                    decided=scope in decided,
                    spent_usd=usd(found.spent_micro),
                    held_usd=usd(found.held_micro),
                )
            )
        return items

    async def set_limit(self, body: schemas.BudgetIn, *, actor_id: str) -> None:
        limit = None if body.monthly_usd is None else micro(body.monthly_usd)
        async with self._db.transaction() as sql:
            before = self._moves.limit(await store.limits(sql), body.scope)
            await store.set_limit(sql, body.scope, limit)
            facts = {"before": {"monthly_micro": before}, "after": {"monthly_micro": limit}}
            await audit.record(
                sql, "budget_limit_set", actor_id=actor_id, subject=body.scope, **facts
            )

    async def of_user(self, user_id: str) -> tuple[int, int]:
        """Return the amounts spent and held by a user this month."""
        found = (await self._counters([user_scope(user_id)], ids.now()))[user_scope(user_id)]
        return found.spent_micro, found.held_micro

    async def of_places(self, place_ids: Sequence[str]) -> dict[str, Counter]:
        """Return the amounts of places in this month."""
        found = await self._counters([place_scope(each) for each in place_ids], ids.now())
        return {scope.removeprefix(store.PLACE): each for scope, each in found.items()}

    async def of_months(self, user_id: str) -> list[dict[str, object]]:
        """Return the amounts held and spent by a user, of each month."""
        before = self._promises.shown()
        found = await store.counters_of(self._db, user_scope(user_id))
        promised = before | self._promises.shown()
        return [
            {
                "month": place[1],
                "held_micro": each.held_micro + promised[place],
                "spent_micro": each.spent_micro,
            }
            for place, each in found.items()
        ]

    async def is_over(self, user_id: str, monthly_micro: int, moment: datetime) -> bool:
        """Tell whether the user is over the limit in the month of that moment, holds included."""
        found = await self._counters([user_scope(user_id)], moment)
        return found[user_scope(user_id)].used_micro > monthly_micro

    async def of_users(self, user_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return the same for several users, without those that spent and hold nothing."""
        found = await self._counters([user_scope(user_id) for user_id in user_ids], ids.now())
        return {
            scope.removeprefix("user:"): (each.spent_micro, each.held_micro)
            for scope, each in found.items()
            if each != Counter()
        }

    async def balance(self, user_id: str, monthly_micro: int, group: Group) -> int:
        """Return the amount that the user can still spend this month, by the tightest of all
        budgets."""
        decided = await store.limits(self._db)
        limits = {
            user_scope(user_id): monthly_micro,
            group: self._moves.limit(decided, group),
            GLOBAL: self._moves.limit(decided, GLOBAL),
        }
        found = await self._counters(list(limits), ids.now())
        left = [
            limit - found[scope].used_micro for scope, limit in limits.items() if limit is not None
        ]
        return max(0, min(left))

    async def _counters(self, scopes: Sequence[str], moment: datetime) -> dict[str, Counter]:
        """Return the counters of a month, with what is promised out of them.

        A transaction may end while they are read. Then the larger promise counts, so that an amount
        is rather seen twice for a moment than not at all."""
        month = month_of(moment)
        before = self._promises.shown()
        found = await store.counters(self._db, scopes, [month])
        promised = before | self._promises.shown()
        return {
            scope: found.get((scope, month), Counter()) + Counter(0, promised[scope, month])
            for scope in scopes
        }

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Sql]:
        """Give a transaction for `move`: when it is not committed, promises are as before, too."""
        before: list[Hold] | None = None
        try:
            async with self._db.transaction() as sql:
                before = self._promises.all()
                self._moves.counters.begin()
                yield sql
        except BaseException:
            if before is not None:
                self._promises.restore(before)
                self._moves.counters.end(committed=False)
            raise
        else:
            self._moves.counters.end(committed=True)
        finally:
            if before is not None:
                self._promises.end()

    async def move(self, sql: Sql, bills: Sequence[Bill], wants: Sequence[Want]) -> Movement:
        """Close the holds of the bills, then open those that are wanted and fit: of as many
        requests as there are, in a few statements. `sql` is one of `transaction`. Raises
        `Duplicate` when a subject has a hold already."""
        return await self._moves.move(sql, bills, wants)

    async def reserve(
        self,
        sql: Sql,
        *,
        user_id: str,
        monthly_micro: int,
        group: Group,
        amount: int,
        subject: str,
        process: str | None = None,
        place: PlaceBudget | None = None,
    ) -> str:
        """Hold `amount` for `subject` and return the hold's id. `process`: the one with which the
        work ends, if it is bound to one. Raises `BudgetExceeded`, and `Duplicate` when the subject
        has a hold already."""
        want = Want(user_id, monthly_micro, group, amount, subject, process, place)
        (opened,) = (await self._moves.move(sql, wants=[want])).opened
        if isinstance(opened, BudgetExceeded):
            raise opened
        return opened.id

    async def settle(
        self,
        sql: Sql,
        hold_id: str,
        *,
        cost_micro: int,
        kind: Kind,
        model: str,
        surplus_micro: int = 0,
    ) -> bool:
        """Book the real cost, also one above the hold. `surplus_micro` of it is for more than what
        was asked for: it is given back at once. Does nothing, and says so with False, when the hold
        is closed already."""
        moved = await self._moves.move(sql, [Bill(hold_id, cost_micro, kind, model)])
        entry = moved.entries.get(hold_id)
        if entry is None:
            return False
        if surplus_micro:
            await self._give_back(sql, entry, surplus_micro, store.SURPLUS)
        return True

    async def fail(
        self,
        sql: Sql,
        hold_id: str,
        *,
        cost_micro: int | None,
        kind: Kind,
        model: str,
        late: bool = False,
    ) -> int:
        """Close the hold of something that came to nothing: what it was billed is booked, and given
        back to the person as docs/decisions/0026-who-pays-for-a-failure.md says. `late`: the hold
        was released before that was known. Returns the amount that the person pays."""
        if not cost_micro:
            await self.release(sql, hold_id)
            return 0
        moved = await self._moves.move(sql, [Bill(hold_id, cost_micro, kind, model, late)])
        return await self.give_back_failed(sql, moved, hold_id)

    async def give_back_failed(self, sql: Sql, moved: Movement, hold_id: str) -> int:
        """Give back what was booked for something that came to nothing, as `fail` does. Returns the
        amount that the person pays."""
        entry = moved.entries.get(hold_id)
        if entry is None or not entry.amount_micro:
            return 0
        # the counter was locked first: failures of one person at the same moment wait for each
        # other, and see the part given back
        given = await store.given_back(sql, entry.user_id, entry.month)
        limit = moved.closed[hold_id].limit_micro
        if limit is not None and given * GIVEN_BACK_PART >= max(limit, 1):
            return entry.amount_micro
        await self._give_back(sql, entry, entry.amount_micro, store.FAILED)
        return 0

    async def book_late(
        self, sql: Sql, hold_id: str, *, cost_micro: int, kind: Kind, model: str
    ) -> None:
        """Book the cost of something that its person stopped, which came after the hold had been
        released."""
        await self._moves.move(sql, [Bill(hold_id, cost_micro, kind, model, late=True)])

    async def _give_back(self, sql: Sql, entry: LedgerEntry, amount: int, why: str) -> None:
        """Give it back to the person, in the month in which it was held. Shared budgets keep it:
        the provider was paid."""
        refund = replace(entry, subject=why + entry.subject, amount_micro=-amount)
        await self._moves.book(sql, refund, [(user_scope(entry.user_id), entry.month)])

    async def release(self, sql: Sql, hold_id: str) -> bool:
        """Give the held amount back. False when the hold is closed already."""
        return bool((await self._moves.move(sql, [Bill(hold_id, None)])).closed)

    async def release_subjects(self, sql: Sql, subjects: Collection[str]) -> None:
        """Give back what is held for these subjects, if anything is."""
        promises = [self._promises.of_subject(each) for each in subjects]
        held = await store.open_holds_of(sql, subjects)
        held += [each.id for each in promises if each is not None]
        await self._moves.move(sql, [Bill(hold_id, None) for hold_id in held])

    async def correct(
        self, sql: Sql, hold_id: str, cost_micro: int, *, kind: Kind, model: str
    ) -> int:
        """Book the real cost of something, once it is known, beside the estimate that was booked
        for it. Returns the difference."""
        found = await store.correct_hold(sql, hold_id, cost_micro)
        if found is None:
            return 0
        hold, before = found
        change = cost_micro - before
        if change:
            subject = f"corrected:{hold.subject}"
            entry = LedgerEntry(hold.user_id, hold.month, hold.id, subject, kind, model, change)
            await self._moves.book(sql, entry, hold.places)
        return change

    async def booked(self, user_id: str, subject: str) -> Booked | None:
        """Return the amount booked for the subject of one hold; None when the user has no such
        hold."""
        promise = self._promises.of_subject(subject)
        if promise is not None:
            return Booked(is_open=True, paid_micro=0) if promise.user_id == user_id else None
        return await store.booked(self._db, user_id, subject)

    async def paid(self, sql: Sql, user_id: str, subject: str) -> int:
        """Return the amount that a user pays for a subject whose hold is closed."""
        found = await store.booked(sql, user_id, subject)
        return 0 if found is None else found.paid_micro

    async def refund(self, sql: Sql, hold_id: str) -> int:
        """Give the amount booked for a hold back to its user; the caller sees to it that this
        happens once. Returns the amount."""
        entry = await store.entry_of(sql, hold_id)
        if entry is None or entry.amount_micro <= 0:
            return 0
        await self._give_back(sql, entry, entry.amount_micro, store.REFUND)
        return entry.amount_micro

    def hand_over(self, user_id: str, to: str) -> None:
        """Count the promises of one account for another one from now on. For a transaction of
        `transaction`."""
        self._promises.hand_over(user_id, to)
        self._moves.counters.forget()

    async def has_open(self, user_id: str, subject_prefix: str) -> bool:
        """Tell whether there is an open hold of a user's for such work, of any process."""
        return await store.has_open(self._db, user_id, subject_prefix)

    async def held_by(self, subject_prefix: str) -> list[HeldBy]:
        """Return the open holds of work that is bound to a process."""
        rows = await store.open_holds_of_processes(self._db, subject_prefix)
        return [HeldBy(row["id"], row["subject"], row["process"]) for row in rows]

    async def release_stale(
        self, subject_prefix: str, older_than: timedelta, *, but_not: Collection[str]
    ) -> int:
        """Release the holds of work that died with its process, and return their number."""
        released, before = 0, ids.now() - older_than
        found = await store.open_hold_ids(self._db, subject_prefix, before)
        for hold_id in [*found, *self._promises.older(subject_prefix, before)]:
            if hold_id in but_not:
                continue
            async with self.transaction() as sql:
                released += await self.release(sql, hold_id)
        return released


def _overrun_out(row: Row) -> schemas.OverrunOut:
    amounts = {"held_usd": usd(row["held"]), "cost_usd": usd(row["cost"])}
    return schemas.OverrunOut(
        at=row["at"], subject=row["subject"], kind=row["kind"], model=row["model"], **amounts
    )


def _difference_out(each: Difference) -> schemas.DifferenceOut:
    return schemas.DifferenceOut(
        scope=each.scope,
        month=each.month,
        held_usd=usd(each.held_micro),
        held_by_holds_usd=usd(each.held_by_holds_micro),
        spent_usd=usd(each.spent_micro),
        spent_by_ledger_usd=usd(each.spent_by_ledger_micro),
    )
