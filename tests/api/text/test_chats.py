"""One conversation per chat and thread, remembered by the api and not by the bots; titles and
search."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from api.callers import Caller
from api.text.schemas import TextIn
from sandbox.faults import Fault
from tests.api.harness import Api
from tests.api.text.test_stopping import ended, first_words
from tests.sandbox_server import Sandbox


@pytest.fixture
async def acting(api: Api, ana: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    async with await api.acting(ana) as client:
        yield client


async def conversation(
    client: httpx.AsyncClient, prompt: str = "And?", thread: str | None = ""
) -> str:
    body: dict[str, Any] = {"prompt": prompt, **({} if thread is None else {"chat_thread": thread})}
    answer = await client.post("/generate/text", json=body)
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["conversation_id"]
    return found


async def test_a_chat_goes_on_until_it_begins_a_new_one(
    acting: httpx.AsyncClient, ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    first = await conversation(acting, "My name is Ana.")
    assert await conversation(acting, "Who am I?") == first
    seen = [message["role"] for message in sandbox.calls("chat")[1]["body"]["messages"]]
    assert seen == ["user", "assistant", "user"]
    thread = await conversation(acting, thread="t1")
    assert thread != first
    assert await conversation(acting, thread=None) not in {first, thread}
    assert (await acting.post("/conversations/new", json={})).status_code == 204
    fresh = await conversation(acting)
    assert fresh not in {first, thread}
    assert await conversation(acting) == fresh
    assert await conversation(acting, thread="t1") == thread
    listed = [item["id"] for item in (await ana.get("/conversations")).json()["items"]]
    assert {first, thread, fresh} < set(listed)


async def test_an_answer_that_is_still_written_does_not_bring_the_old_conversation_back(
    api: Api, acting: httpx.AsyncClient, ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="chat", kind="stall", after=3, times=1))
    caller = Caller(
        (await ana.get("/users/me")).json()["id"], "user", platform="telegram", chat_id="77"
    )
    running = await api.services.text.begin(
        caller, TextIn(prompt="Tell me a long story.", chat_thread="")
    )
    await first_words(api, running)
    assert (await acting.post("/conversations/new", json={})).status_code == 204
    running.stop()
    await ended(running)
    fresh = await conversation(acting)
    assert fresh != running.conversation.id
    assert await conversation(acting) == fresh
    assert {running.conversation.id, fresh} <= {
        item["id"] for item in (await ana.get("/conversations")).json()["items"]
    }


async def test_another_chat_and_another_person_have_their_own(
    api: Api, ana: httpx.AsyncClient, acting: httpx.AsyncClient
) -> None:
    mine = await conversation(acting)
    async with (
        await api.acting(ana, platform_user_id="88", chat_id="elsewhere") as there,
        await api.user("eve") as eve,
    ):
        assert await conversation(there) != mine
        async with await api.acting(eve, platform_user_id="99", chat_id="77") as beside:
            other = await conversation(beside)
            assert other != mine
            assert (await beside.post("/conversations/new", json={})).status_code == 204
    assert await conversation(acting) == mine


async def test_a_deleted_conversation_is_not_gone_on_with(
    acting: httpx.AsyncClient, ana: httpx.AsyncClient
) -> None:
    first = await conversation(acting)
    assert (await ana.delete(f"/conversations/{first}")).status_code == 204
    assert await conversation(acting) != first


async def test_only_chats_have_chats(ana: httpx.AsyncClient) -> None:
    answer = await ana.post("/generate/text", json={"prompt": "x", "chat_thread": ""})
    assert answer.status_code == 422
    assert (await ana.post("/conversations/new", json={})).status_code == 422


async def test_renaming_and_finding(api: Api, ana: httpx.AsyncClient) -> None:
    sky = await conversation(ana, "Why is the SKY blue?", None)
    sea = await conversation(ana, "Why is the sea salty?", None)

    async def found(words: str) -> list[str]:
        return [
            item["id"]
            for item in (await ana.get("/conversations", params={"q": words})).json()["items"]
        ]

    assert await found("sky BLUE") == [sky]
    assert await found("why") == [sea, sky]
    assert await found("100%_") == []
    renamed = await ana.put(f"/conversations/{sky}", json={"title": "Weather"})
    assert (renamed.status_code, renamed.json()["title"]) == (200, "Weather")
    assert await found("weather") == [sky]
    assert await found("SKY") == [sky]
    assert (await ana.put(f"/conversations/{sky}", json={"title": " "})).status_code == 422
    async with await api.user("eve") as eve:
        assert (await eve.put(f"/conversations/{sky}", json={"title": "Mine"})).status_code == 404
        assert (await eve.get("/conversations", params={"q": "sky"})).json()["items"] == []
