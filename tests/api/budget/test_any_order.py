"""In any order of reserving, settling, releasing, months and limits, the books add up and no budget
is exceeded."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from api import ids
from api.budget.moves import Bill, Group, Movement, PlaceBudget, Want, month_of
from api.budget.schemas import BudgetIn
from api.budget.service import BudgetService
from api.budget.store import Hold
from api.db import Db
from api.db.open import open_db
from api.errors import BudgetExceeded
from api.schemas import usd

USERS: dict[str, Group] = {"ana": "users", "ben": "users", "root": "admins", "visitor": "guests"}
MONTHLY = 60
PLACES = {"club": PlaceBudget("club", 100, 45), "hall": PlaceBudget("hall", None, 30), "": None}
"""By their names; none is a private chat."""


class Books(RuleBasedStateMachine):
    """The budget under random operations; each run begins with empty tables."""

    loop: asyncio.AbstractEventLoop
    db: Db

    def __init__(self) -> None:
        super().__init__()
        self.clock = time_machine.travel(datetime(2028, 1, 30, 12, tzinfo=UTC), tick=False)
        self.coordinates = self.clock.start()
        self.loop.run_until_complete(self._empty())
        self.budget = BudgetService(self.db, global_limit_micro=150)
        self.limits: dict[str, int | None] = {"global": 150}
        self.open: dict[str, tuple[tuple[str, ...], str, int]] = {}
        self.spent: dict[tuple[str, str], int] = {}

    async def _empty(self) -> None:
        for table in ("budgets", "holds", "ledger", "budget_limits", "audit"):
            await self.db.execute(f"DELETE FROM {table}")

    def teardown(self) -> None:
        self.clock.stop()

    holds = Bundle("holds")
    paid = Bundle("paid")

    def scopes(self, user: str, place: str) -> tuple[str, ...]:
        """Return the scopes in which it counts, its person's first."""
        day = f"{ids.now():%Y-%m-%d}"
        there = (f"place:{place}", f"member:{place}:{user}:{day}") if place else ()
        return f"user:{user}", USERS[user], "global", *there

    def left(self, user: str, place: str) -> int:
        there = PLACES[place]
        limits = {f"user:{user}": MONTHLY, **self.limits}
        if there is not None:
            _, _, _, all_people, one_person = self.scopes(user, place)
            limits |= {all_people: there.monthly_micro, one_person: there.daily_micro}
        return min(
            limit - self.used(scope)
            for scope in self.scopes(user, place)
            if (limit := limits.get(scope)) is not None
        )

    def used(self, scope: str) -> int:
        """Return the sum for the present month by this test's own books."""
        month = month_of(ids.now())
        held = sum(
            amount
            for scopes, made, amount in self.open.values()
            if made == month and scope in scopes
        )
        return held + self.spent.get((scope, month), 0)

    async def _reserve(self, user: str, place: str, amount: int, process: str | None) -> str | None:
        # whatever outlives its process is held in transactions of others
        transaction = self.db.transaction if process is None else self.budget.transaction
        try:
            async with transaction() as sql:
                return await self.budget.reserve(
                    sql,
                    user_id=user,
                    monthly_micro=MONTHLY,
                    group=USERS[user],
                    amount=amount,
                    subject=ids.new_id(),
                    process=process,
                    place=PLACES[place],
                )
        except BudgetExceeded:
            return None

    @rule(
        target=holds,
        user=st.sampled_from(sorted(USERS)),
        place=st.sampled_from(sorted(PLACES)),
        amounts=st.lists(st.integers(0, 40), min_size=1, max_size=4),
        process=st.none() | st.just("api"),
    )
    def reserve(self, user: str, place: str, amounts: list[int], process: str | None) -> Any:
        """Reserve several amounts at the same moment, of work that ends with its process or
        outlives it. Accepted ones fit, and at least one is accepted if the smallest fits alone."""
        left = self.left(user, place)

        async def all_at_once() -> list[str | None]:
            return await asyncio.gather(
                *(self._reserve(user, place, amount, process) for amount in amounts)
            )

        made = self.loop.run_until_complete(all_at_once())
        month = month_of(ids.now())
        for hold, amount in zip(made, amounts, strict=True):
            if hold is not None:
                self.open[hold] = (self.scopes(user, place), month, amount)
        taken = sum(amount for hold, amount in zip(made, amounts, strict=True) if hold is not None)
        assert taken <= max(left, 0)
        assert not (min(amounts) <= left and not any(made))
        return multiple(*(hold for hold in made if hold is not None))

    @rule(
        target=paid,
        hold=consumes(holds),
        cost=st.integers(0, 60),
        ends=st.lists(st.sampled_from(["settle", "release"]), min_size=1, max_size=3),
    )
    def close(self, hold: str, cost: int, ends: list[str]) -> Any:
        """Close a hold several times at the same moment; only one of them counts."""

        async def end(how: str) -> str | None:
            async with self.budget.transaction() as sql:
                if how == "settle":
                    done = await self.budget.settle(
                        sql, hold, cost_micro=cost, kind="image", model="a/b"
                    )
                else:
                    done = await self.budget.release(sql, hold)
            return how if done else None

        async def all_at_once() -> list[str | None]:
            return await asyncio.gather(*map(end, ends))

        counted = [how for how in self.loop.run_until_complete(all_at_once()) if how is not None]
        assert len(counted) == 1
        scopes, month, _ = self.open.pop(hold)
        for scope in scopes if counted == ["settle"] else ():
            self.spent[scope, month] = self.spent.get((scope, month), 0) + cost
        return (hold, scopes[0], month, cost) if counted == ["settle"] else multiple()

    @rule(
        ended=st.lists(consumes(holds), max_size=4, unique=True),
        costs=st.lists(st.none() | st.integers(0, 60), min_size=4, max_size=4),
        wanted=st.lists(
            st.tuples(
                st.sampled_from(sorted(USERS)),
                st.sampled_from(sorted(PLACES)),
                st.integers(0, 40),
                st.none() | st.just("api"),
            ),
            max_size=4,
        ),
        broken=st.booleans(),
    )
    def move(
        self,
        ended: list[str],
        costs: list[int | None],
        wanted: list[tuple[str, str, int, str | None]],
        broken: bool,
    ) -> None:
        """Close and open several holds in one transaction, which may come to nothing. All that were
        opened are released."""
        bills = [Bill(hold, cost, "text", "a/b") for hold, cost in zip(ended, costs, strict=False)]
        wants = [
            Want(user, MONTHLY, USERS[user], amount, ids.new_id(), process, PLACES[place])
            for user, place, amount, process in wanted
        ]

        async def move(bills: list[Bill], wants: list[Want], *, broken: bool) -> Movement:
            async with self.budget.transaction() as sql:
                moved = await self.budget.move(sql, bills, wants)
                if broken:
                    raise ZeroDivisionError
            return moved

        if broken:
            with pytest.raises(ZeroDivisionError):
                self.loop.run_until_complete(move(bills, wants, broken=True))
            self.the_books_add_up()
        moved = self.loop.run_until_complete(move(bills, wants, broken=False))
        assert set(moved.closed) == set(ended)
        for bill in bills:
            scopes, month, _ = self.open.pop(bill.hold_id)
            for scope in scopes:
                self.spent[scope, month] = self.spent.get((scope, month), 0) + (
                    bill.cost_micro or 0
                )
        for want, hold in zip(wants, moved.opened, strict=True):
            place = want.place_id or ""
            left = self.left(want.user_id, place)
            assert isinstance(hold, Hold) == (want.amount <= left)
            if isinstance(hold, Hold):
                scopes = self.scopes(want.user_id, place)
                self.open[hold.id] = (scopes, month_of(ids.now()), want.amount)
        opened = [hold.id for hold in moved.opened if isinstance(hold, Hold)]
        released = [Bill(hold, None) for hold in opened]
        self.loop.run_until_complete(move(released, [], broken=False))
        for hold_id in opened:
            del self.open[hold_id]

    @rule(entry=consumes(paid))
    def refund(self, entry: tuple[str, str, str, int]) -> None:
        """Give the amount back to the user; shared budgets keep it."""
        hold, scope, month, cost = entry

        async def give_back() -> int:
            async with self.db.transaction() as sql:
                return await self.budget.refund(sql, hold)

        assert self.loop.run_until_complete(give_back()) == cost
        self.spent[scope, month] -= cost

    @rule(days=st.integers(1, 20))
    def time_goes_by(self, days: int) -> None:
        self.coordinates.shift(timedelta(days=days))

    @rule(
        scope=st.sampled_from(["users", "guests", "global"]), limit=st.none() | st.integers(0, 120)
    )
    def decide(self, scope: Any, limit: int | None) -> None:
        body = BudgetIn(scope=scope, monthly_usd=None if limit is None else usd(limit))
        self.loop.run_until_complete(self.budget.set_limit(body, actor_id="root"))
        self.limits[scope] = limit

    @invariant()
    def the_books_add_up(self) -> None:
        assert self.loop.run_until_complete(self.budget.audit()) == []
        for user in USERS:
            spent, held = self.loop.run_until_complete(self.budget.of_user(user))
            assert spent + held == self.used(f"user:{user}")


def _try(source: str | Path, examples: int) -> None:
    """Run the machine in an event loop of its own, because hypothesis is no coroutine."""
    loop = asyncio.new_event_loop()
    db = loop.run_until_complete(open_db(source))
    try:

        class Run(Books):
            pass

        Run.loop, Run.db = loop, db
        run_state_machine_as_test(
            Run,
            settings=settings(
                max_examples=examples,
                stateful_step_count=20,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        loop.run_until_complete(db.close())
        loop.close()


def test_the_books_on_duckdb(duckdb_path: Path) -> None:
    _try(duckdb_path, 2)


def test_the_books_on_postgresql(postgres_url: str) -> None:
    _try(postgres_url, 11)
