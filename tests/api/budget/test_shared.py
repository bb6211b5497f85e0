"""Budgets of groups and of everybody: limits set by admins, and the audit of the books."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from api.budget.moves import Group
from api.budget.schemas import BudgetIn
from api.budget.service import BudgetService, group_of
from api.db import Db
from api.errors import BudgetExceeded
from api.schemas import usd
from tests.api.budget.test_budget import assert_adds_up, release, reserve, settle
from tests.api.harness import Api, running_api
from tests.sandbox_server import Sandbox


def test_an_account_is_in_one_group() -> None:
    assert [
        group_of("user", guest=False),
        group_of("admin", guest=False),
        group_of("user", guest=True),
    ] == ["users", "admins", "guests"]


async def limit(budget: BudgetService, group: Group, micro: int | None) -> None:
    await budget.set_limit(
        BudgetIn(scope=group, monthly_usd=None if micro is None else usd(micro)), actor_id="admin"
    )


async def test_a_group_spends_no_more_than_its_limit_and_the_others_go_on(db: Db) -> None:
    budget = BudgetService(db)
    await limit(budget, "guests", 10)
    users = [f"g{number}" for number in range(30)]
    results = await asyncio.gather(
        *(reserve(db, budget, user, 1, group="guests") for user in users), return_exceptions=True
    )
    held = [result for result in results if isinstance(result, str)]
    assert len(held) == 10
    refused = next(result for result in results if isinstance(result, BudgetExceeded))
    assert "the budget of all guests together for this month has $0.00 left" in refused.detail
    assert await budget.balance("g99", 100, "guests") == 0
    assert await budget.balance("u", 100, "users") == 100
    await reserve(db, budget, "u", 50, group="users")
    await settle(db, budget, held[0], 3)
    await release(db, budget, held[1])
    assert await budget.balance("g99", 100, "guests") == 0
    await limit(budget, "guests", 30)
    assert await budget.balance("g99", 100, "guests") == 19
    await limit(budget, "guests", None)
    assert await budget.balance("g99", 100, "guests") == 100
    await assert_adds_up(db)


async def test_a_hold_is_closed_in_the_group_in_which_it_was_made(db: Db) -> None:
    """The account may be in another group by then."""
    budget = BudgetService(db)
    hold = await reserve(db, budget, "u", 5, group="users")
    await reserve(db, budget, "u", 7, group="admins")
    await settle(db, budget, hold, 4)
    overview = {
        item.scope: (item.spent_usd, item.held_usd) for item in (await budget.overview()).items
    }
    assert overview["users"] == (usd(4), usd(0))
    assert overview["admins"] == (usd(0), usd(7))
    assert overview["global"] == (usd(4), usd(7))


async def test_holds_from_before_groups_are_closed_and_compared(db: Db) -> None:
    budget = BudgetService(db)
    hold = await reserve(db, budget, "u", 5)
    await db.execute("UPDATE holds SET group_scope = NULL")
    await db.execute("DELETE FROM budgets WHERE scope = 'users'")
    assert await settle(db, budget, hold, 4)
    assert await budget.audit() == []


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE budgets SET spent_micro = spent_micro + 1 WHERE scope = 'global'",
        "UPDATE budgets SET held_micro = held_micro + 1 WHERE scope = 'user:u'",
        "DELETE FROM budgets WHERE scope = 'users'",
        "DELETE FROM ledger",
        "UPDATE holds SET state = 'released' WHERE state = 'held'",
    ],
)
async def test_books_that_do_not_add_up_are_told(db: Db, harm: str) -> None:
    budget = BudgetService(db)
    await settle(db, budget, await reserve(db, budget, "u", 5), 4)
    await reserve(db, budget, "u", 2)
    assert await budget.audit() == []
    await db.execute(harm)
    found = await budget.audit()
    assert found
    assert (await budget.overview()).audit.differences[0].scope == found[0].scope


@pytest.fixture
async def api(tmp_path: Path, sandbox: Sandbox, duckdb_path: Path) -> AsyncIterator[Api]:
    async with running_api(
        tmp_path, sandbox, database_url=f"duckdb://{duckdb_path}", global_monthly_usd=50
    ) as running:
        yield running


async def answered(client: httpx.AsyncClient) -> int:
    return (await client.post("/generate/text", json={"prompt": "x"})).status_code


async def test_admins_set_limits_that_hold_at_once(api: Api) -> None:
    async with await api.admin() as admin, await api.user() as ana:
        items = {
            item["scope"]: item for item in (await admin.get("/admin/budgets")).json()["items"]
        }
        found = {scope: item["monthly_usd"] for scope, item in items.items()}
        assert found == {"users": None, "admins": None, "guests": None, "global": "50.000000"}
        changed = await admin.put(
            "/admin/budgets", json={"scope": "users", "monthly_usd": "0.000001"}
        )
        assert (
            next(item for item in changed.json()["items"] if item["scope"] == "users")["decided"]
            is True
        )
        assert (await answered(ana), await answered(admin)) == (402, 200)
        seen = (await ana.post("/generate/estimate", json={"kind": "text"})).json()["balance_usd"]
        assert seen == "0.000001"
        await admin.put("/admin/budgets", json={"scope": "users", "monthly_usd": None})
        assert await answered(ana) == 200
        await admin.put("/admin/budgets", json={"scope": "global", "monthly_usd": "0"})
        assert (await answered(ana), await answered(admin)) == (402, 402)
        for wrong in (
            {"scope": "user:x", "monthly_usd": "1"},
            {"scope": "users", "monthly_usd": "-1"},
            {"scope": "users"},
        ):
            assert (await admin.put("/admin/budgets", json=wrong)).status_code == 422
    rows = await api.services.db.fetch(
        "SELECT subject FROM audit WHERE action = 'budget_limit_set' ORDER BY id"
    )
    assert [row["subject"] for row in rows] == ["users", "users", "global"]
