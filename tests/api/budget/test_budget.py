"""Reserve, settle, release: no race may spend more than the limit, and nothing is booked twice."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from api import ids
from api.budget.moves import Bill, Group, PlaceBudget, Want
from api.budget.service import BudgetService
from api.budget.store import Booked, Hold
from api.db import Db, Duplicate, Row
from api.errors import BudgetExceeded, ConfirmCost
from api.schemas import MICRO, usd


async def reserve(
    db: Db,
    budget: BudgetService,
    user_id: str,
    amount: int,
    monthly: int = 10 * MICRO,
    group: Group = "users",
    place: PlaceBudget | None = None,
) -> str:
    async with db.transaction() as sql:
        return await budget.reserve(
            sql,
            user_id=user_id,
            monthly_micro=monthly,
            group=group,
            amount=amount,
            subject=ids.new_id(),
            place=place,
        )


async def settle(db: Db, budget: BudgetService, hold_id: str, cost: int) -> bool:
    async with db.transaction() as sql:
        return await budget.settle(sql, hold_id, cost_micro=cost, kind="image", model="a/b")


async def release(db: Db, budget: BudgetService, hold_id: str) -> bool:
    async with db.transaction() as sql:
        return await budget.release(sql, hold_id)


async def test_counters_in_memory_follow_every_transaction(db: Db) -> None:
    """One of other work, and one that comes to nothing, change what text may still spend."""
    budget = BudgetService(db)

    async def ask(amount: int, *, fails: bool = False) -> Hold | BudgetExceeded:
        async with budget.transaction() as sql:
            want = Want("ana", 20, "users", amount, ids.new_id(), "process:api:1")
            opened = (await budget.move(sql, [], [want])).opened[0]
            if fails:
                raise ZeroDivisionError
        return opened

    first = await ask(5)
    assert isinstance(first, Hold)
    async with budget.transaction() as sql:
        await budget.move(sql, [Bill(first.id, 5, "text", "a/b")], [])
    image = await reserve(db, budget, "ana", 10, monthly=20)
    assert isinstance(await ask(6), BudgetExceeded)
    with pytest.raises(ZeroDivisionError):
        await ask(5, fails=True)
    last = await ask(5)
    assert isinstance(last, Hold)
    assert isinstance(await ask(1), BudgetExceeded)
    assert await settle(db, budget, image, 9)
    assert isinstance(await ask(1), Hold)
    assert await budget.of_user("ana") == (14, 6)
    assert await budget.audit() == []


async def assert_adds_up(db: Db) -> None:
    """Check that every counter is the sum of its open holds and its ledger entries."""
    counters = await db.fetch("SELECT scope, month, held_micro, spent_micro FROM budgets")
    holds = await db.fetch(
        "SELECT user_id, group_scope, month, amount_micro FROM holds WHERE state = 'held'"
    )
    entries = await db.fetch(
        "SELECT ledger.user_id, holds.group_scope, ledger.month, ledger.amount_micro "
        "FROM ledger JOIN holds ON holds.id = ledger.hold_id"
    )
    for counter in counters:

        def mine(row: Row, counter: Row = counter) -> bool:
            scopes = ("global", row["group_scope"], f"user:{row['user_id']}")
            return row["month"] == counter["month"] and counter["scope"] in scopes

        assert counter["held_micro"] == sum(row["amount_micro"] for row in holds if mine(row))
        assert counter["spent_micro"] == sum(row["amount_micro"] for row in entries if mine(row))
    assert await BudgetService(db).audit() == []


async def test_128_requests_at_once_against_a_budget_for_ten(db: Db) -> None:
    budget = BudgetService(db)
    results = await asyncio.gather(
        *(reserve(db, budget, "u", 1, monthly=10) for _ in range(128)), return_exceptions=True
    )
    assert len([result for result in results if isinstance(result, str)]) == 10
    assert len([result for result in results if isinstance(result, BudgetExceeded)]) == 118
    assert await budget.of_user("u") == (0, 10)
    await assert_adds_up(db)


@pytest.mark.parametrize(
    ("place", "people", "limit"),
    [
        (PlaceBudget("p", 10, 1_000), 32, "this chat"),
        (PlaceBudget("p", 1_000, 10), 1, "each person"),
    ],
)
async def test_128_requests_at_once_in_a_place_with_a_budget_for_ten(
    db: Db, place: PlaceBudget, people: int, limit: str
) -> None:
    budget = BudgetService(db)
    results = await asyncio.gather(
        *(reserve(db, budget, f"u{number % people}", 1, place=place) for number in range(128)),
        return_exceptions=True,
    )
    held = [result for result in results if isinstance(result, str)]
    refused = [result for result in results if isinstance(result, BudgetExceeded)]
    assert (len(held), len(refused)) == (10, 118)
    assert all(limit in str(one) for one in refused)
    assert (await budget.of_places(["p"]))["p"].held_micro == 10
    assert await budget.audit() == []
    # the same people are free elsewhere
    await reserve(db, budget, "u0", 1, place=PlaceBudget("other", 1, 1))
    for each in held[:5]:
        assert await settle(db, budget, each, 2)
    await asyncio.gather(*(release(db, budget, each) for each in held[5:]))
    assert (await budget.of_places(["p"]))["p"].spent_micro == 10
    assert await budget.audit() == []


async def test_days_in_places_are_forgotten_after_a_month_and_money_stays(db: Db) -> None:
    place = PlaceBudget("p", None, 10)
    with time_machine.travel(datetime(2028, 1, 30, 12, tzinfo=UTC), tick=False) as clock:
        budget = BudgetService(db)
        await settle(db, budget, await reserve(db, budget, "u", 10, place=place), 10)
        late = await reserve(db, budget, "v", 5, place=place)
        clock.shift(timedelta(days=1))
        await reserve(db, budget, "u", 10, place=place)
        clock.shift(timedelta(days=35))
        await budget.keep_compared()
        assert await budget.audit() == []
        assert await settle(db, budget, late, 5)
        assert await budget.audit() == []
        left = await db.fetch("SELECT scope FROM budgets WHERE starts_with(scope, 'member:')")
        assert left == []


async def test_the_global_limit_holds_over_users_and_gives_back_what_the_user_part_held(
    db: Db,
) -> None:
    budget = BudgetService(db, global_limit_micro=10)
    users = [f"u{number}" for number in range(40)]
    results = await asyncio.gather(
        *(reserve(db, budget, user, 1) for user in users), return_exceptions=True
    )
    assert len([result for result in results if isinstance(result, str)]) == 10
    assert "this server's budget" in str(
        next(result for result in results if isinstance(result, BudgetExceeded))
    )
    assert sum([(await budget.of_user(user))[1] for user in users]) == 10
    await assert_adds_up(db)


async def test_a_refusal_says_what_is_left(db: Db) -> None:
    budget = BudgetService(db)
    await reserve(db, budget, "u", 9_500_000)
    with pytest.raises(BudgetExceeded) as refused:
        await reserve(db, budget, "u", 600_000)
    assert (
        refused.value.detail
        == "This can cost up to $0.60, and your budget for this month has $0.50 of $10.00 left."
    )
    assert await budget.balance("u", 10 * MICRO, "users") == 500_000


@pytest.mark.parametrize("cost", [0, 30, 70, 250])
async def test_a_price_that_is_known_late_takes_the_place_of_the_estimate(
    db: Db, cost: int
) -> None:
    budget = BudgetService(db)
    hold = await reserve(db, budget, "u", 100)
    async with db.transaction() as sql:
        assert await budget.correct(sql, hold, cost, kind="text", model="a/b") == 0, (
            "nothing was booked yet"
        )
    await settle(db, budget, hold, 70)
    for change in (cost - 70, 0):
        async with db.transaction() as sql:
            assert await budget.correct(sql, hold, cost, kind="text", model="a/b") == change
    assert await budget.of_user("u") == (cost, 0)
    row = await db.fetch_one("SELECT subject FROM holds WHERE id = $1", hold)
    assert row is not None
    booked = await budget.booked("u", row["subject"])
    assert booked is not None
    assert (booked.is_open, booked.paid_micro) == (False, cost)
    assert await budget.booked("somebody else", row["subject"]) is None
    await assert_adds_up(db)


async def test_settling_books_the_real_cost_once(db: Db) -> None:
    budget = BudgetService(db)
    hold = await reserve(db, budget, "u", 100)
    done = await asyncio.gather(
        *(settle(db, budget, hold, 70) for _ in range(8)),
        *(release(db, budget, hold) for _ in range(8)),
    )
    assert sum(done) == 1
    await assert_adds_up(db)
    assert await settle(db, budget, hold, 70) is False
    assert len(await db.fetch("SELECT id FROM ledger")) <= 1


async def test_holds_that_are_closed_together_are_closed_once(db: Db) -> None:
    budget = BudgetService(db)
    bills = [Bill(await reserve(db, budget, "u", 100), 70) for _ in range(2)]
    closed = []
    for _ in range(2):
        async with budget.transaction() as sql:
            closed.append(len((await budget.move(sql, bills, [])).closed))
    assert closed == [2, 0]
    assert await budget.of_user("u") == (140, 0)
    await assert_adds_up(db)


async def test_a_cost_above_the_hold_is_booked_in_full_and_blocks_the_next(db: Db) -> None:
    budget = BudgetService(db)
    assert await settle(db, budget, await reserve(db, budget, "u", 5, monthly=10), 12)
    assert await settle(db, budget, await reserve(db, budget, "other", 5, monthly=10), 5)
    (overrun,) = (await budget.overview()).overruns
    assert (overrun.held_usd, overrun.cost_usd) == (usd(5), usd(12)), "the operator sees it"
    assert await budget.of_user("u") == (12, 0)
    assert await budget.balance("u", 10, "users") == 0
    with pytest.raises(BudgetExceeded):
        await reserve(db, budget, "u", 0, monthly=10)


@pytest.mark.parametrize("process", [None, "own"])
async def test_a_transaction_that_comes_to_nothing_leaves_holds_as_they_were(
    db: Db, process: str | None
) -> None:
    budget = BudgetService(db)
    first, second = (Want("u", 10, "users", amount, f"text:{amount}", process) for amount in (5, 4))
    async with budget.transaction() as sql:
        (hold,) = (await budget.move(sql, [], [first])).opened
    assert isinstance(hold, Hold)

    async def broken() -> None:
        async with budget.transaction() as sql:
            await budget.move(sql, [Bill(hold.id, 3, "text", "a/b")], [second])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await broken()
    assert await budget.of_user("u") == (0, 5)
    async with budget.transaction() as sql:
        moved = await budget.move(sql, [Bill(hold.id, 3, "text", "a/b")], [second])
    assert list(moved.closed) == [hold.id]
    assert await budget.of_user("u") == (3, 4)
    assert await budget.audit() == []
    booked = [await budget.booked("u", each.subject) for each in (first, second)]
    assert booked == [Booked(is_open=False, paid_micro=3), Booked(is_open=True, paid_micro=0)]


@pytest.mark.parametrize("process", [None, "own"])
async def test_a_hold_is_seen_until_the_commit_that_closes_it(db: Db, process: str | None) -> None:
    budget, want = BudgetService(db), Want("u", 10, "users", 5, "text:1", process)
    async with budget.transaction() as sql:
        (hold,) = (await budget.move(sql, [], [want])).opened
    assert isinstance(hold, Hold)
    async with budget.transaction() as sql:
        await budget.move(sql, [Bill(hold.id, 3, "text", "a/b")], [])
        assert await budget.of_user("u") == (0, 5)
        assert [each["held_micro"] for each in await budget.of_months("u")] == [5]
        assert await budget.balance("u", 10, "users") == 5
        assert await budget.booked("u", "text:1") == Booked(is_open=True, paid_micro=0)
    assert await budget.of_user("u") == (3, 0)
    row = await db.fetch_one("SELECT id, created_at, closed_at FROM holds")
    assert row is not None
    made = ids.moment(row["id"])
    assert made is not None
    assert abs((row["created_at"] - made).total_seconds()) < 0.1


async def test_a_released_hold_costs_nothing_and_cannot_be_settled(db: Db) -> None:
    budget = BudgetService(db)
    hold = await reserve(db, budget, "u", 5, monthly=5)
    assert await release(db, budget, hold)
    assert not await release(db, budget, hold)
    assert not await settle(db, budget, hold, 5)
    assert await budget.of_user("u") == (0, 0)
    await reserve(db, budget, "u", 5, monthly=5)


async def test_a_subject_has_one_hold(db: Db) -> None:
    budget = BudgetService(db)
    for attempt in range(2):
        try:
            async with db.transaction() as sql:
                await budget.reserve(
                    sql, user_id="u", monthly_micro=10, group="users", amount=1, subject="same"
                )
        except Duplicate:
            assert attempt == 1
    assert await budget.of_user("u") == (0, 1)


async def test_a_hold_is_closed_in_the_month_it_was_made(db: Db) -> None:
    budget = BudgetService(db)
    with time_machine.travel(datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC), tick=False) as clock:
        hold = await reserve(db, budget, "u", 5)
        clock.shift(2)
        assert await budget.of_user("u") == (0, 0)
        assert await settle(db, budget, hold, 4)
        assert await budget.of_user("u") == (0, 0)
    row = await db.fetch_one(
        "SELECT spent_micro, held_micro FROM budgets WHERE scope = 'user:u' AND month = '2028-02'"
    )
    assert row is not None
    assert (row["spent_micro"], row["held_micro"]) == (4, 0)


async def test_holds_of_dead_work_are_found_by_prefix_and_age(db: Db) -> None:
    budget = BudgetService(db)
    with time_machine.travel(ids.now() - timedelta(hours=1)):
        async with db.transaction() as sql:
            await budget.reserve(
                sql, user_id="u", monthly_micro=10, group="users", amount=1, subject="text:old"
            )
            await budget.reserve(
                sql,
                user_id="u",
                monthly_micro=10,
                group="users",
                amount=1,
                subject="generation:old",
            )
    async with db.transaction() as sql:
        await budget.reserve(
            sql, user_id="u", monthly_micro=10, group="users", amount=1, subject="text:new"
        )
    assert await budget.release_stale("text:", timedelta(minutes=30), but_not=()) == 1
    found = sum(
        row["amount_micro"]
        for row in await db.fetch("SELECT amount_micro FROM holds WHERE state = 'held'")
    )
    assert found == 2
    await assert_adds_up(db)


@pytest.mark.parametrize("seed", range(3))
async def test_counters_always_add_up(db: Db, seed: int) -> None:
    """Several users do random work at once before the sums are checked."""
    budget = BudgetService(db, global_limit_micro=300)
    dice = random.Random(seed)
    plans = [
        (
            f"u{dice.randrange(4)}",
            dice.randrange(20),
            dice.choice(["settle", "release", "leave", "both"]),
        )
        for _ in range(40)
    ]

    async def live(user_id: str, amount: int, end: str) -> None:
        try:
            hold = await reserve(db, budget, user_id, amount, monthly=100)
        except BudgetExceeded:
            return
        if end in {"settle", "both"}:
            await settle(db, budget, hold, amount // 2)
        if end in {"release", "both"}:
            await release(db, budget, hold)

    await asyncio.gather(*(live(*plan) for plan in plans))
    await assert_adds_up(db)


def test_dollars_are_readable() -> None:
    amounts = (0, 3_100, 10_000, 12_345_678)
    said = [str(ConfirmCost(estimate_micro=micro)).split()[5].rstrip(",") for micro in amounts]
    assert said == ["$0.00", "$0.0031", "$0.01", "$12.35"]
