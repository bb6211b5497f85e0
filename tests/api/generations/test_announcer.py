"""A result that was asked for in a chat gets one row in its outbox, in the transaction that
finishes it."""

from typing import Any

import httpx
import pytest

from sandbox.faults import Fault
from tests.api.generations.test_jobs import finished, until
from tests.api.harness import Api
from tests.sandbox_server import Sandbox

ADDRESS = {"platform": "telegram", "chat_id": "77", "message_id": "5", "private": True}


@pytest.fixture
def database(postgres_url: str) -> str:
    """Use one engine: `tests/api/deliveries` tries the outbox itself on both."""
    return postgres_url


async def claim(api: Api, wait: float = 10) -> list[dict[str, Any]]:
    answer = await api.bot().post(f"/bot/deliveries/claim?wait={wait}")
    assert answer.status_code == 200, answer.text
    # the notice of the link comes first
    return [delivery for delivery in answer.json() if delivery["event"]["type"] != "notice"]


async def linked(api: Api, user: httpx.AsyncClient) -> httpx.AsyncClient:
    acting = await api.acting(user)
    await claim(api, wait=5)
    return acting


async def test_a_finished_image_is_pushed_with_all_that_a_bot_needs(
    api: Api, user: httpx.AsyncClient
) -> None:
    acting = await linked(api, user)
    made = (
        await acting.post(
            "/generate/image",
            json={"prompt": "a fox", "address": ADDRESS},
            headers={"Prefer": "respond-async"},
        )
    ).json()
    assert made["source"] == "telegram"
    answer = await acting.put(f"/generations/{made['id']}/card", json={"message_id": "6"})
    assert (answer.status_code, answer.json()["id"]) == (200, made["id"])
    (delivery,) = await claim(api)
    assert delivery["event"]["type"] == "generation_completed"
    assert delivery["event"]["generation"]["id"] == made["id"]
    address = delivery["address"]
    seen = (address["chat_id"], address["message_id"], address["card_message_id"])
    assert seen == ("77", "5", "6")
    file = await api.client.get(delivery["event"]["generation"]["images"][0]["url"])
    assert file.status_code == 200
    ack = {"lease": delivery["lease"], "message_ids": ["9"]}
    answer = await api.bot().post(f"/bot/deliveries/{delivery['id']}/ack", json=ack)
    assert answer.status_code == 204
    assert await claim(api, wait=0) == []


async def test_a_failure_is_pushed_too(api: Api, user: httpx.AsyncClient, sandbox: Sandbox) -> None:
    acting = await linked(api, user)
    sandbox.break_with(Fault(call="videos.job", kind="ends_as", value="failed"))
    await acting.post("/generate/video", json={"prompt": "waves", "address": ADDRESS})
    (delivery,) = await claim(api, wait=25)
    assert delivery["event"]["type"] == "generation_failed"
    assert delivery["event"]["generation"]["error"]["message"]


async def test_a_cancelled_job_only_closes_its_card(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    acting = await linked(api, user)
    sandbox.break_with(video=1.0)
    made = (
        await acting.post("/generate/video", json={"prompt": "waves", "address": ADDRESS})
    ).json()
    await until(api, made["id"], phase="poll")
    found = (await acting.post(f"/generations/{made['short_id']}/cancel")).json()["status"]
    assert found == "cancelled"
    (delivery,) = await claim(api)
    seen = (delivery["event"]["type"], delivery["event"]["generation"]["status"])
    assert seen == ("generation_failed", "cancelled")
    await until(api, made["id"], phase="done")
    assert await claim(api, wait=0) == []


async def test_a_result_asked_for_on_the_web_goes_to_no_chat(
    api: Api, user: httpx.AsyncClient
) -> None:
    await linked(api, user)
    await finished(api, (await user.post("/generate/image", json={"prompt": "a fox"})).json())
    assert await claim(api, wait=0) == []


async def test_a_bot_cannot_send_results_to_another_chat(api: Api, user: httpx.AsyncClient) -> None:
    acting = await linked(api, user)
    for address in [{**ADDRESS, "chat_id": "78"}, {**ADDRESS, "platform": "discord"}]:
        answer = await acting.post("/generate/image", json={"prompt": "x", "address": address})
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    from_web = await user.post("/generate/image", json={"prompt": "x", "address": ADDRESS})
    assert from_web.status_code == 403


async def test_only_the_chat_that_asked_has_the_card(api: Api, user: httpx.AsyncClient) -> None:
    made = (await user.post("/generate/image", json={"prompt": "x"})).json()
    acting = await linked(api, user)
    answer = await acting.put(f"/generations/{made['id']}/card", json={"message_id": "6"})
    assert answer.status_code == 403
    answer = await user.put(f"/generations/{made['id']}/card", json={"message_id": "6"})
    assert answer.status_code == 403
