"""Warnings about budgets and the digest of admins: each is said once."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest_asyncio
import time_machine

from api import ids
from api.budget.moves import PlaceBudget
from tests.api.harness import Api, running_api
from tests.sandbox_server import Sandbox


@pytest_asyncio.fixture
async def api(tmp_path: Any, sandbox: Sandbox) -> Any:
    async with running_api(tmp_path, sandbox) as running:
        yield running


async def spend(api: Api, user_id: str, micro: int, place: PlaceBudget | None = None) -> None:
    budget = api.services.budget
    async with api.services.db.transaction() as sql:
        hold = await budget.reserve(
            sql,
            user_id=user_id,
            monthly_micro=10_000_000,
            group="users",
            amount=micro,
            subject=ids.new_id(),
            place=place,
        )
        await budget.settle(sql, hold, cost_micro=micro, kind="image", model="a/b")


async def said(api: Api) -> list[tuple[str, str, dict[str, str]]]:
    """Return chat, code and facts of each notice."""
    rows = await api.services.db.fetch(
        "SELECT chat_id, notice_json FROM deliveries WHERE event = 'notice' ORDER BY id"
    )
    told = [(row["chat_id"], json.loads(row["notice_json"])) for row in rows]
    return [
        (chat, notice["code"], json.loads(notice["facts"]))
        for chat, notice in told
        if notice["code"].startswith(("budget_", "digest"))
    ]


async def test_a_budget_warns_once_a_month_at_each_threshold(api: Api) -> None:
    turn = api.services.notices.turn
    user = await api.user()
    user_id = (await user.get("/users/me")).json()["id"]
    await user.put("/users/me", json={"language": "en"})
    await api.services.db.execute("UPDATE users SET monthly_micro = 10000000")
    await api.acting(user, "5", "5")
    seen = {"platform_place_id": "-9", "name": "Foxes", "chat_id": "-9"}
    place = (await api.bot().post("/bot/places", json=seen)).json()["id"]
    await api.services.db.execute("UPDATE places SET monthly_micro = 8000000")
    await spend(api, user_id, 7_900_000, PlaceBudget(place, 8_000_000))
    await asyncio.gather(*(turn() for _ in range(6)))
    assert [(chat, code) for chat, code, _ in await said(api)] == [("-9", "budget_place_80")]
    await spend(api, user_id, 100_000, PlaceBudget(place, 8_000_000))
    await asyncio.gather(*(turn() for _ in range(6)))
    assert [(chat, code) for chat, code, _ in (await said(api))[1:]] == [
        ("5", "budget_own_80"),
        ("-9", "budget_place_100"),
    ] or [code for _, code, _ in (await said(api))[1:]] == ["budget_place_100", "budget_own_80"]
    await spend(api, user_id, 2_000_000)
    await asyncio.gather(*(turn() for _ in range(6)))
    chat, code, facts = (await said(api))[-1]
    assert (chat, code, facts) == (
        "5",
        "budget_own_100",
        {"spent_usd": "10.000000", "limit_usd": "10.000000"},
    )
    assert len(await said(api)) == 4
    with time_machine.travel(ids.now() + timedelta(days=40), tick=True):
        await turn()
    assert len(await said(api)) == 4


async def test_an_admin_gets_a_digest_as_wished(api: Api) -> None:
    turn = api.services.notices.turn
    admin = await api.admin()
    await api.acting(admin, "5", "5")
    monday = datetime(2028, 1, 10, 12, tzinfo=UTC)
    with time_machine.travel(monday, tick=True) as clock:
        await turn()
        assert await said(api) == []
        await api.services.preferences.change(
            (await api.services.users.admins())[0],
            "admin",
            _wish("weekly"),
        )
        await asyncio.gather(*(turn() for _ in range(6)))
        ((chat, code, facts),) = await said(api)
        assert (chat, code, facts) == (
            "5",
            "digest",
            {
                "days": "7",
                "spent_usd": "0.000000",
                "failed": "0",
                "waiting": "0",
                "undelivered": "0",
            },
        )
        clock.shift(timedelta(days=1))
        await turn()
        assert len(await said(api)) == 1
        clock.shift(timedelta(days=6))
        await turn()
        assert len(await said(api)) == 2


def _wish(often: str) -> Any:
    from api.users.schemas import PreferencesIn

    return PreferencesIn.model_validate({"digest": often})
