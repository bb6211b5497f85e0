"""Money before work: reserve, then settle with the real cost or release. All amounts are
micro-dollars.

A hold counts in three scopes: the user's, its group's and everybody's. It belongs to the month
(UTC) in which it was made, and is closed there even when the month is over.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, cast, get_args

import structlog

from api import ids
from api.budget import day_sums, schemas, store
from api.budget.reconciliation import Comparison, KeyReader
from api.budget.store import Booked, Difference, Hold, LedgerEntry
from api.db import Db, Row, Sql
from api.errors import BudgetExceeded
from api.reasons import BudgetExceededReason
from api.schemas import Kind, micro, usd
from api.users import audit

log = structlog.get_logger("budget")

Group = Literal["users", "admins", "guests"]
GLOBAL: schemas.SharedScope = "global"
AUDIT_SECONDS = 3600.0
AUDIT_SHOWN_FOR = timedelta(hours=1.5)
OVERRUNS_OF = timedelta(days=30)
OVERRUNS_SHOWN = 20
GIVEN_BACK_PART = 10
"""While less than a tenth of a person's month was given back for failures, the next one is too."""

_REASONS: dict[str, BudgetExceededReason] = {
    "admins": "budget_of_admins",
    "global": "budget_of_server",
    "guests": "budget_of_guests",
    "users": "budget_of_users",
}


@dataclass(frozen=True, slots=True)
class HeldBy:
    """An open hold, its subject, and the process that does the work."""

    hold_id: str
    subject: str
    process: str


def month_of(moment: datetime) -> str:
    return f"{moment:%Y-%m}"


def user_scope(user_id: str) -> str:
    return f"user:{user_id}"


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
        self._global_limit = global_limit_micro
        self._compared: tuple[datetime, list[Difference]] | None = None

    async def keep_compared(self) -> float:
        await self.audit()
        await day_sums.keep(self._db, ids.now())
        if self._comparison is not None:
            await self._comparison.record()
        return AUDIT_SECONDS

    async def audit(self) -> list[Difference]:
        """Return the counters that are not the sum of their open holds and ledger entries. They are
        logged as errors and never corrected by themselves."""
        found = await store.differences(self._db, GLOBAL)
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
        counters = await store.counters(self._db, scopes, month_of(ids.now()))
        items = []
        for scope in scopes:
            limit, found = self._limit(decided, scope), counters.get(scope)
            items.append(
                schemas.BudgetOut(
                    scope=scope,
                    monthly_usd=None if limit is None else usd(limit),
                    decided=scope in decided,
                    spent_usd=usd(found.spent_micro if found else 0),
                    held_usd=usd(found.held_micro if found else 0),
                )
            )
        return items

    async def set_limit(self, body: schemas.BudgetIn, *, actor_id: str) -> None:
        limit = None if body.monthly_usd is None else micro(body.monthly_usd)
        async with self._db.transaction() as sql:
            before = self._limit(await store.limits(sql), body.scope)
            await store.set_limit(sql, body.scope, limit)
            facts = {"before": {"monthly_micro": before}, "after": {"monthly_micro": limit}}
            await audit.record(
                sql, "budget_limit_set", actor_id=actor_id, subject=body.scope, **facts
            )

    def _limit(self, decided: dict[str, int | None], scope: str) -> int | None:
        return decided.get(scope, self._global_limit if scope == GLOBAL else None)

    async def of_user(self, user_id: str) -> tuple[int, int]:
        """Return the amounts spent and held by a user this month."""
        found = await store.counter(self._db, user_scope(user_id), month_of(ids.now()))
        return (found.spent_micro, found.held_micro) if found else (0, 0)

    async def is_over(self, user_id: str, monthly_micro: int, moment: datetime) -> bool:
        """Tell whether the user is over the limit in the month of that moment, holds included."""
        found = await store.counter(self._db, user_scope(user_id), month_of(moment))
        return found is not None and found.spent_micro + found.held_micro > monthly_micro

    async def of_users(self, user_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return the same for several users, without those that have no counter this month."""
        found = await store.counters(
            self._db, [user_scope(user_id) for user_id in user_ids], month_of(ids.now())
        )
        return {
            scope.removeprefix("user:"): (each.spent_micro, each.held_micro)
            for scope, each in found.items()
        }

    async def balance(self, user_id: str, monthly_micro: int, group: Group) -> int:
        """Return the amount that the user can still spend this month, by the tightest of all
        budgets."""
        month, decided = month_of(ids.now()), await store.limits(self._db)
        limits = {
            user_scope(user_id): monthly_micro,
            group: self._limit(decided, group),
            GLOBAL: self._limit(decided, GLOBAL),
        }
        left = []
        for scope, limit in limits.items():
            if limit is not None:
                found = await store.counter(self._db, scope, month)
                left.append(limit - (found.spent_micro + found.held_micro if found else 0))
        return max(0, min(left))

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
    ) -> str:
        """Hold `amount` for `subject` and return the hold's id. `process`: the one with which the
        work ends, if it is bound to one.

        `sql` has to be a transaction that ends when this raises `BudgetExceeded`: the user's part
        may be held by then. `Duplicate` when the subject has a hold already.
        """
        now = ids.now()
        month = month_of(now)
        decided = await store.limits(sql)
        # always user, group, global, here and in closing: one order of locks, so that PostgreSQL
        # never sees a deadlock
        await self._hold(sql, user_scope(user_id), month, amount, monthly_micro)
        for scope in (group, GLOBAL):
            await self._hold(sql, scope, month, amount, self._limit(decided, scope))
        hold = Hold(ids.new_id(), user_id, month, subject, amount, group, monthly_micro)
        await store.add_hold(sql, hold, now, process)
        return hold.id

    async def _hold(self, sql: Sql, scope: str, month: str, amount: int, limit: int | None) -> None:
        if await store.hold_within(sql, scope, month, amount, limit):
            return
        await store.add_counter(sql, scope, month)
        if await store.hold_within(sql, scope, month, amount, limit):
            return
        found = await store.counter(sql, scope, month)
        used = found.spent_micro + found.held_micro if found else 0
        raise BudgetExceeded(
            _REASONS.get(scope, "budget_own"),
            cost_usd=usd(amount),
            left_usd=usd(max(0, (limit or 0) - used)),
            limit_usd=usd(limit or 0),
        )

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
        hold = await store.close_hold(sql, hold_id, "settled", cost_micro, ids.now())
        if hold is None:
            return False
        if cost_micro > hold.amount_micro:
            held, subject = hold.amount_micro, hold.subject
            log.warning("cost_above_hold", subject=subject, model=model, held=held, cost=cost_micro)
        entry = await self._book(sql, hold, hold.amount_micro, cost_micro, kind, model)
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
        hold = await store.close_hold(
            sql, hold_id, "settled", cost_micro, ids.now(), before="released" if late else "held"
        )
        if hold is None:
            return 0
        # the counter first: failures of one person at the same moment wait for each other, and see
        # the part given back
        entry = await self._book(
            sql, hold, 0 if late else hold.amount_micro, cost_micro, kind, model
        )
        given = await store.given_back(sql, hold.user_id, hold.month)
        if hold.limit_micro is not None and given * GIVEN_BACK_PART >= max(hold.limit_micro, 1):
            return cost_micro
        await self._give_back(sql, entry, cost_micro, store.FAILED)
        return 0

    async def book_late(
        self, sql: Sql, hold_id: str, *, cost_micro: int, kind: Kind, model: str
    ) -> None:
        """Book the cost of something that its person stopped, which came after the hold had been
        released."""
        hold = await store.close_hold(
            sql, hold_id, "settled", cost_micro, ids.now(), before="released"
        )
        if hold is not None:
            await self._book(sql, hold, 0, cost_micro, kind, model)

    async def _book(
        self, sql: Sql, hold: Hold, held: int, cost: int, kind: Kind, model: str
    ) -> LedgerEntry:
        """`held`: the part of the counters' holds that is freed by it."""
        await self._close(sql, hold, held, cost)
        entry = LedgerEntry(hold.user_id, hold.month, hold.id, hold.subject, kind, model, cost)
        await store.add_entry(sql, ids.new_id(), entry, ids.now())
        return entry

    async def _give_back(self, sql: Sql, entry: LedgerEntry, amount: int, why: str) -> None:
        """Give it back to the person, in the month in which it was held. Shared budgets keep it:
        the provider was paid."""
        refund = replace(entry, subject=why + entry.subject, amount_micro=-amount)
        await store.add_entry(sql, ids.new_id(), refund, ids.now())
        await store.close_counter(sql, user_scope(entry.user_id), entry.month, 0, -amount)

    async def release(self, sql: Sql, hold_id: str) -> bool:
        """Give the held amount back. False when the hold is closed already."""
        hold = await store.close_hold(sql, hold_id, "released", None, ids.now())
        if hold is None:
            return False
        await self._close(sql, hold, hold.amount_micro, 0)
        return True

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
            corrected = replace(hold, subject=f"corrected:{hold.subject}")
            await self._book(sql, corrected, 0, change, kind, model)
        return change

    async def booked(self, user_id: str, subject: str) -> Booked | None:
        """Return the amount booked for the subject of one hold; None when the user has no such
        hold."""
        return await store.booked(self._db, user_id, subject)

    async def refund(self, sql: Sql, hold_id: str) -> int:
        """Give the amount booked for a hold back to its user; the caller sees to it that this
        happens once. Returns the amount."""
        entry = await store.entry_of(sql, hold_id)
        if entry is None or entry.amount_micro <= 0:
            return 0
        await self._give_back(sql, entry, entry.amount_micro, store.REFUND)
        return entry.amount_micro

    async def _close(self, sql: Sql, hold: Hold, held: int, cost: int) -> None:
        for scope in (user_scope(hold.user_id), hold.group, GLOBAL):
            if scope is not None:
                await store.close_counter(sql, scope, hold.month, held, cost)

    async def held_by(self, subject_prefix: str) -> list[HeldBy]:
        """Return the open holds of work that is bound to a process."""
        rows = await store.open_holds_of_processes(self._db, subject_prefix)
        return [HeldBy(row["id"], row["subject"], row["process"]) for row in rows]

    async def release_stale(
        self, subject_prefix: str, older_than: timedelta, *, but_not: Collection[str]
    ) -> int:
        """Release the holds of work that died with its process, and return their number."""
        released = 0
        for hold_id in await store.open_hold_ids(self._db, subject_prefix, ids.now() - older_than):
            if hold_id in but_not:
                continue
            async with self._db.transaction() as sql:
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
