"""A message to every linked chat: its recipients, its pace (a few at a time, behind results that
members asked for), and its progress."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.admin import broadcasts as module
from api.ids import new_id, now
from tests.api.auth.account_services import one_engine
from tests.api.generations.conftest import settings_of
from tests.api.harness import Api, running_api
from tests.sandbox_server import Sandbox


@pytest.fixture
async def api(sandbox: Sandbox, database: str, tmp_path: Path) -> AsyncIterator[Api]:
    """Run an api whose broadcasts are fed by the test alone."""
    async with running_api(tmp_path, sandbox, **settings_of(database)) as running:
        for task in asyncio.all_tasks():
            if task.get_name() == "broadcasts":
                task.cancel()
        yield running


async def linked(api: Api, platform: str, count: int, *, status: str = "active") -> None:
    """Make accounts with a linked chat each."""
    for _ in range(count):
        user_id = new_id()
        await api.services.db.execute(
            "INSERT INTO users (id, display_name, role, status, language, monthly_micro, guest, "
            "created_at, updated_at) VALUES ($1, 'x', 'user', $2, 'en', 0, true, $3, $3)",
            user_id,
            status,
            now(),
        )
        await api.services.db.execute(
            "INSERT INTO links (platform, platform_user_id, user_id, display_name, chat_id, "
            "created_at) VALUES ($1, $2, $2, 'x', $3, $4)",
            platform,
            user_id,
            f"chat-{user_id}",
            now(),
        )


async def progress(admin: httpx.AsyncClient) -> dict[str, Any]:
    (found,) = (await admin.get("/admin/broadcasts")).json()["items"]
    return {name: found[name] for name in ("chats", "waiting", "pending", "done", "inbox", "dead")}


async def told(api: Api, platform: str) -> list[dict[str, Any]]:
    claimed = (await api.bot(platform).post("/bot/deliveries/claim?wait=0&limit=50")).json()
    for each in claimed:
        body = {"lease": each["lease"], "message_ids": ["1"]}
        answer = await api.bot(platform).post(f"/bot/deliveries/{each['id']}/ack", json=body)
        assert answer.status_code == 204
    found: list[dict[str, Any]] = claimed
    return found


async def test_it_reaches_every_linked_chat_a_few_at_a_time_and_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 2)
    admin = await api.admin()
    await linked(api, "telegram", 5)
    await linked(api, "discord", 1)
    await linked(api, "telegram", 1, status="disabled")
    body = {"text": "We are down at noon."}
    tried = (await admin.post("/admin/broadcast", json={**body, "dry_run": True})).json()
    assert (tried["id"], tried["chats"]) == (None, 6)
    assert tried["reach"] == [
        {"platform": name, "chats": chats}
        for name, chats in (("telegram", 5), ("discord", 1), ("terminal", 0))
    ]
    assert (await admin.get("/admin/broadcasts")).json()["items"] == []

    sent = await admin.post("/admin/broadcast", json=body, headers={"Idempotency-Key": "k"})
    again = await admin.post("/admin/broadcast", json=body, headers={"Idempotency-Key": "k"})
    seen = (sent.status_code, again.status_code, again.json()["id"])
    assert seen == (202, 202, sent.json()["id"])
    other = await admin.post(
        "/admin/broadcast", json={"text": "Another"}, headers={"Idempotency-Key": "k"}
    )
    assert other.status_code == 409
    await api.services.broadcasts.feed()
    found = await progress(admin)
    assert found == {"chats": 6, "waiting": 3, "pending": 3, "done": 0, "inbox": 0, "dead": 0}
    await api.services.broadcasts.feed()
    assert (await progress(admin))["pending"] == 3  # no more until the bot has shown these
    chats = []
    while (await progress(admin))["done"] < 5:
        shown = await told(api, "telegram")
        assert {each["event"]["code"] for each in shown} <= {"broadcast"}
        assert all(each["event"]["facts"] == {"text": "We are down at noon."} for each in shown)
        chats += [each["address"]["chat_id"] for each in shown]
        await api.services.broadcasts.feed()
    assert len(chats) == len(set(chats)) == 5
    assert len(await told(api, "discord")) == 1
    assert await progress(admin) == {
        "chats": 6,
        "waiting": 0,
        "pending": 0,
        "done": 6,
        "inbox": 0,
        "dead": 0,
    }
    assert not await api.services.broadcasts.feed()
    (entry,) = (await admin.get("/admin/audit?action=broadcast")).json()["items"]
    assert entry["after"]["chats"] == 6


async def test_only_the_platforms_that_are_meant_and_nobody_who_unlinked_since(api: Api) -> None:
    admin = await api.admin()
    await linked(api, "telegram", 2)
    await linked(api, "discord", 2)
    sent = (
        await admin.post("/admin/broadcast", json={"text": "Hello", "platforms": ["discord"]})
    ).json()
    assert (sent["chats"], sent["reach"]) == (2, [{"platform": "discord", "chats": 2}])
    await api.services.db.execute(
        "DELETE FROM links WHERE platform_user_id = (SELECT min(platform_user_id) FROM links "
        "WHERE platform = 'discord')"
    )
    await api.services.broadcasts.feed()
    assert await told(api, "telegram") == []
    assert len(await told(api, "discord")) == 1
    assert await api.services.db.fetch("SELECT broadcast_id FROM broadcast_chats") == []


async def test_stopped_what_was_sent_stays_and_the_rest_is_not_sent(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 3)
    admin = await api.admin()
    await linked(api, "telegram", 6)
    sent = (await admin.post("/admin/broadcast", json={"text": "Hello"})).json()
    path = f"/admin/broadcasts/{sent['id']}/stop"
    await api.services.broadcasts.feed()
    (shown,) = (await api.bot("telegram").post("/bot/deliveries/claim?wait=0&limit=1")).json()
    (sending,) = (await api.bot("telegram").post("/bot/deliveries/claim?wait=0&limit=1")).json()

    async def ack(delivery: dict[str, Any]) -> None:
        body = {"lease": delivery["lease"], "message_ids": ["1"]}
        answer = await api.bot("telegram").post(f"/bot/deliveries/{delivery['id']}/ack", json=body)
        assert answer.status_code == 204

    await ack(shown)
    stopped = (await admin.post(path)).json()
    assert stopped["stopped_at"] is not None
    found = {name: stopped[name] for name in ("waiting", "pending", "done", "unsent")}
    assert found == {"waiting": 0, "pending": 1, "done": 1, "unsent": 4}
    await ack(sending)
    assert await told(api, "telegram") == []
    assert not await api.services.broadcasts.feed()
    assert (await progress(admin))["done"] == 2
    assert (await admin.post(path)).status_code == 409
    assert (await admin.post("/admin/broadcasts/nothing/stop")).status_code == 404
    await admin.post("/admin/broadcast", json={"text": "Again"})
    for sort, texts in (("newest", ["Again", "Hello"]), ("oldest", ["Hello", "Again"])):
        first = (await admin.get(f"/admin/broadcasts?sort={sort}&limit=1")).json()
        second = (
            await admin.get(f"/admin/broadcasts?sort={sort}&limit=1&cursor={first['next_cursor']}")
        ).json()
        assert [each["text"] for each in first["items"] + second["items"]] == texts
        assert second["next_cursor"] is None
    (entry,) = (await admin.get("/admin/audit?action=broadcast_stop")).json()["items"]
    assert entry["after"] == {"chats": 6, "waiting": 5}


@one_engine
@pytest.mark.parametrize(
    "body",
    [
        {"text": ""},
        {"text": "x" * 1501},
        {"text": "x", "platforms": []},
        {"text": "x", "platforms": ["pigeon"]},
    ],
)
async def test_a_broadcast_without_text_or_platform_or_too_long_is_refused(
    api: Api, body: dict[str, Any]
) -> None:
    assert (await (await api.admin()).post("/admin/broadcast", json=body)).status_code == 422
