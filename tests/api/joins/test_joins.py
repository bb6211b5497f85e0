"""Requests to be let in, over HTTP: once each, final for a time, and for one identity alone."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest_asyncio
import time_machine

from api import ids
from tests.api.harness import Api, running_api
from tests.sandbox_server import Sandbox

ASK = {"platform_user_id": "900", "name": "Zoe", "chat_id": "900", "language": "de"}


@pytest_asyncio.fixture
async def api(tmp_path: Any, sandbox: Sandbox) -> Any:
    async with running_api(tmp_path, sandbox) as running:
        yield running


async def ask(api: Api, **more: str) -> httpx.Response:
    return await api.bot().post("/bot/joins", json={**ASK, **more})


async def waiting(admin: httpx.AsyncClient) -> list[Any]:
    found: list[Any] = (await admin.get("/admin/joins")).json()["waiting"]
    return found


async def act(api: Api, person: str, chat: str) -> httpx.AsyncClient:
    body = {"platform_user_id": person, "chat_id": chat}
    answer = await api.bot().post("/bot/act", json=body)
    assert answer.status_code == 200, answer.text
    return api.signed(answer.json()["access_token"])


async def notices(api: Api, code: str) -> list[str]:
    rows = await api.services.db.fetch(
        "SELECT chat_id, notice_json FROM deliveries WHERE event = 'notice' ORDER BY id"
    )
    return [row["chat_id"] for row in rows if f'"{code}"' in row["notice_json"]]


async def test_an_approved_person_is_a_guest_and_the_admins_hear_of_it_once(api: Api) -> None:
    admin = await api.admin()
    await api.acting(admin, "5", "5")
    answers = await asyncio.gather(*(ask(api) for _ in range(16)))
    assert sorted(one.json()["new"] for one in answers) == [False] * 15 + [True]
    assert await notices(api, "join_asked") == ["5"]
    (join,) = await waiting(admin)
    assert (join["name"], join["state"]) == ("Zoe", "waiting")
    path = f"/admin/joins/{join['id']}"
    done = await asyncio.gather(*(admin.post(path, json={"approve": True}) for _ in range(8)))
    assert sorted(one.status_code for one in done) == [204] + [404] * 7
    assert await notices(api, "join_approved") == ["900"]
    me = (await (await act(api, "900", "900")).get("/users/me")).json()
    assert (me["guest"], me["role"], me["email"]) == (True, "user", None)
    assert (await ask(api)).json() == {"state": "approved", "new": False}
    log = (await admin.get("/admin/audit?action=join_approved")).json()["items"]
    assert [one["actor"] for one in log] == ["admin@example.org"]
    # erased with the account
    answer = await admin.delete(f"/users/{me['id']}")
    assert answer.status_code == 204, answer.text
    assert await api.services.db.fetch("SELECT id FROM joins") == []


async def test_a_decline_is_final_for_a_month(api: Api) -> None:
    admin = await api.admin()
    await ask(api)
    (join,) = await waiting(admin)
    await admin.post(f"/admin/joins/{join['id']}", json={"approve": False})
    assert await notices(api, "join_declined") == ["900"]
    assert (await ask(api)).json() == {"state": "declined", "new": False}
    assert (
        await api.bot().post("/bot/act", json={"platform_user_id": "900", "chat_id": "900"})
    ).status_code == 404
    with time_machine.travel(ids.now() + timedelta(days=31), tick=True):
        assert (await ask(api)).json() == {"state": "waiting", "new": True}


async def test_strangers_together_cannot_flood_the_admins(api: Api) -> None:
    answers = [await ask(api, platform_user_id=str(number)) for number in range(25)]
    codes = [one.status_code for one in answers]
    assert codes == sorted(codes)
    assert 15 <= codes.count(200) <= 21
    assert answers[-1].json()["reason"] == "joins_too_many"
    rows = await api.services.db.fetch("SELECT id FROM joins")
    assert len(rows) == codes.count(200)


async def test_an_approval_takes_over_nothing(api: Api) -> None:
    admin = await api.admin()
    await ask(api)
    (join,) = await waiting(admin)
    person = await api.user("ben")
    before = (await (await api.acting(person, "900", "900")).get("/users/me")).json()["id"]
    assert (
        await admin.post(f"/admin/joins/{join['id']}", json={"approve": True})
    ).status_code == 204
    after = (await (await act(api, "900", "900")).get("/users/me")).json()
    assert (after["id"], after["guest"]) == (before, False)


async def test_in_chats_only_admins_decide_and_only_in_their_own_chat(api: Api) -> None:
    admin, person = await api.admin(), await api.user("ben")
    await api.acting(admin, "5", "5")
    await api.acting(person, "6", "6")
    await ask(api)
    (join,) = await waiting(admin)
    path = f"/bot/joins/{join['id']}"
    for sender, chat in (("6", "6"), ("5", "-100"), ("5", "6")):
        acting = await act(api, sender, chat)
        refused = await acting.post(path, json={"approve": True})
        assert (refused.status_code, refused.json()["reason"]) == (403, "admins_only")
    assert (await (await act(api, "5", "5")).post(path, json={"approve": True})).status_code == 204
