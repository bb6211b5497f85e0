"""Money before work: reserve, then settle with the real cost or release. All amounts are micro-dollars.

A hold belongs to the month (UTC) in which it was made, and is closed there even when the month is over.
"""

from datetime import datetime, timedelta

from api import ids
from api.budget import store
from api.budget.store import Hold
from api.db import Db, Sql
from api.errors import BudgetExceeded
from api.schemas import MICRO, Kind

GLOBAL = "global"


def month_of(moment: datetime) -> str:
    return f"{moment:%Y-%m}"


def user_scope(user_id: str) -> str:
    return f"user:{user_id}"


def dollars(micro: int) -> str:
    """For sentences: `$0.40`, and `$0.0031` below a cent."""
    value = micro / MICRO
    return f"${value:.2f}" if value >= 0.01 or micro == 0 else f"${value:.4f}"


class BudgetService:
    """`global_limit_micro`: what all users together may spend in a month; None = no such limit."""

    def __init__(self, db: Db, global_limit_micro: int | None = None) -> None:
        self._db = db
        self._global_limit = global_limit_micro

    async def of_user(self, user_id: str) -> tuple[int, int]:
        """This month's (spent, held)."""
        found = await store.counter(self._db, user_scope(user_id), month_of(ids.now()))
        return (found.spent_micro, found.held_micro) if found else (0, 0)

    async def balance(self, user_id: str, monthly_micro: int) -> int:
        """What the user can still ask for this month."""
        spent, held = await self.of_user(user_id)
        return max(0, monthly_micro - spent - held)

    async def reserve(self, sql: Sql, *, user_id: str, monthly_micro: int, amount: int, subject: str) -> str:
        """Hold `amount` for `subject` and return the hold's id.

        `sql` has to be a transaction that ends when this raises `BudgetExceeded`: the user's part may be held by then.
        `Duplicate` when the subject has a hold already.
        """
        now = ids.now()
        month = month_of(now)
        # always user before global, here and in closing: one order of locks, so that PostgreSQL never sees a deadlock
        await self._hold(sql, user_scope(user_id), month, amount, monthly_micro, "your")
        await self._hold(sql, GLOBAL, month, amount, self._global_limit, "this server's")
        hold = Hold(ids.new_id(), user_id, month, subject, amount)
        await store.add_hold(sql, hold, now)
        return hold.id

    async def _hold(self, sql: Sql, scope: str, month: str, amount: int, limit: int | None, whose: str) -> None:
        if await store.hold_within(sql, scope, month, amount, limit):
            return
        await store.add_counter(sql, scope, month)
        if await store.hold_within(sql, scope, month, amount, limit):
            return
        found = await store.counter(sql, scope, month)
        used = found.spent_micro + found.held_micro if found else 0
        left = max(0, (limit or 0) - used)
        of = f" of {dollars(limit or 0)}" if scope != GLOBAL else ""
        raise BudgetExceeded(f"This can cost up to {dollars(amount)}, and {whose} budget for this month has {dollars(left)}{of} left.")

    async def settle(self, sql: Sql, hold_id: str, *, cost_micro: int, kind: Kind, model: str) -> bool:
        """Book the real cost, also one above the hold. Does nothing, and says so with False, when the hold is closed already."""
        now = ids.now()
        hold = await store.close_hold(sql, hold_id, "settled", cost_micro, now)
        if hold is None:
            return False
        await store.add_entry(sql, ids.new_id(), hold, cost=cost_micro, kind=kind, model=model, created_at=now)
        await self._close(sql, hold, cost_micro)
        return True

    async def release(self, sql: Sql, hold_id: str) -> bool:
        """Give the held amount back. False when the hold is closed already."""
        hold = await store.close_hold(sql, hold_id, "released", None, ids.now())
        if hold is None:
            return False
        await self._close(sql, hold, 0)
        return True

    async def _close(self, sql: Sql, hold: Hold, cost: int) -> None:
        for scope in (user_scope(hold.user_id), GLOBAL):
            await store.close_counter(sql, scope, hold.month, hold.amount_micro, cost)

    async def release_stale(self, subject_prefix: str, older_than: timedelta) -> int:
        """Release the holds of work that died with its process. Returns how many."""
        released = 0
        for hold_id in await store.open_hold_ids(self._db, subject_prefix, ids.now() - older_than):
            async with self._db.transaction() as sql:
                released += await self.release(sql, hold_id)
        return released
