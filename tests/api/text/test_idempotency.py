"""Idempotency-Key: the same request is answered and paid once."""

import asyncio
from datetime import timedelta

import httpx
import time_machine

from api import ids
from api.callers import Caller
from api.text.schemas import DeltaEvent, TextIn
from sandbox.faults import Fault
from tests.api.harness import Api
from tests.api.text.test_answers import NOTHING, money, streamed
from tests.sandbox_server import Sandbox

KEY = {"Idempotency-Key": "update-1"}


async def ask(
    client: httpx.AsyncClient, prompt: str = "Why?", key: str = "update-1", **more: object
) -> httpx.Response:
    return await client.post(
        "/generate/text", json={"prompt": prompt, **more}, headers={"Idempotency-Key": key}
    )


async def test_a_repetition_gets_the_same_answer_and_costs_nothing(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    first = await ask(ana)
    spent = await money(ana)
    assert (await ask(ana)).json() == first.json()
    again = await ana.post("/generate/text", json={"prompt": "Why?", "stream": True}, headers=KEY)
    found = [line for line in again.text.splitlines() if line.startswith("event")]
    assert found == ["event: start", "event: done"]
    assert first.json()["text"][:20] in again.text
    assert len(sandbox.calls("chat")) == 1
    assert await money(ana) == spent
    async with await api.user("eve") as eve:
        assert (await ask(eve, "Other")).json()["id"] != first.json()["id"]
    other = await ask(ana, "Other")
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    image = await ana.post("/generate/image", json={"prompt": "Why?"}, headers=KEY)
    assert (image.status_code, image.json()["code"]) == (409, "conflict")
    assert (await ask(ana, key="update-2")).json()["id"] != first.json()["id"]


async def test_many_at_the_same_moment_are_one(ana: httpx.AsyncClient, sandbox: Sandbox) -> None:
    answers = await asyncio.gather(*(ask(ana) for _ in range(8)))
    good = [answer for answer in answers if answer.status_code == 200]
    busy = [answer.json() for answer in answers if answer.status_code == 409]
    assert len({answer.json()["id"] for answer in good}) == 1
    assert len(good) + len(busy) == 8
    assert all(problem["code"] == "conflict" and problem["retry_after"] > 0 for problem in busy)
    assert len(sandbox.calls("chat")) == 1


async def test_a_failure_frees_the_key(ana: httpx.AsyncClient, sandbox: Sandbox) -> None:
    sandbox.break_with(Fault(call="chat", kind="status", status=503))
    assert (await ask(ana)).status_code == 502
    assert await money(ana) == NOTHING
    sandbox.reset()
    assert (await ask(ana)).status_code == 200


async def test_a_paid_answer_that_was_cut_off_is_given_again(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="chat", kind="cut", after=4))
    assert (await ask(ana)).status_code == 502
    spent = await money(ana)
    sandbox.reset()
    answer = await ask(ana)
    assert answer.status_code == 200
    assert answer.json()["text"]
    assert sandbox.calls("chat") == []
    assert await money(ana) == spent
    assert [name for name, _ in await streamed(ana)][-1] == "done"


async def test_a_key_whose_process_died_is_free_again(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    caller = Caller((await ana.get("/users/me")).json()["id"], "user")
    text = api.services.text
    sandbox.break_with(Fault(call="chat", kind="stall", after=3))
    running = await text.begin(caller, TextIn(prompt="Why?"), "update-1")
    async for events in text.events(running):
        if isinstance(events[-1], DeltaEvent):
            break
    busy = await ask(ana)
    seen = (busy.status_code, busy.json()["code"], busy.json()["retry_after"])
    assert seen == (409, "conflict", 2)
    await text.sweep()
    assert (await ask(ana)).status_code == 409
    with time_machine.travel(ids.now() + timedelta(hours=1)):
        await text.sweep()
    assert (await ask(ana)).status_code == 409, "it is being answered, whatever the clock says"
    text._running.clear()  # as if another process had answered the request
    with time_machine.travel(ids.now() + timedelta(hours=1)):
        await text.sweep()
    assert await api.services.db.fetch("SELECT key FROM idempotency") == []
    running.stop()
    assert running.task is not None
    await running.task


async def test_kept_answers_go_after_two_days_and_with_the_account(
    api: Api, ana: httpx.AsyncClient
) -> None:
    await ask(ana)
    await api.services.text.sweep()
    rows = await api.services.db.fetch("SELECT answer_json FROM idempotency")
    assert len(rows) == 1
    with time_machine.travel(ids.now() + timedelta(hours=49)):
        await api.services.text.sweep()
    assert await api.services.db.fetch("SELECT key FROM idempotency") == []
    await ask(ana)
    await api.services.text.erase_user((await ana.get("/users/me")).json()["id"])
    assert await api.services.db.fetch("SELECT key FROM idempotency") == []
