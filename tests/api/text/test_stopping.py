"""An answer that is stopped closes the provider's stream, settles the used amount, and holds
nothing any more."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
import time_machine
import uvicorn

from api import errors, ids
from api.callers import Caller
from api.schemas import micro
from api.text import service
from api.text.answer import Answer
from api.text.schemas import DeltaEvent, DoneEvent, StartEvent, StopIn, TextIn
from sandbox.faults import Fault
from tests.api.harness import Api
from tests.sandbox_server import Sandbox


@pytest.fixture
async def caller(ana: httpx.AsyncClient) -> Caller:
    return Caller((await ana.get("/users/me")).json()["id"], "user")


async def spent_and_held(api: Api, caller: Caller) -> tuple[int, int]:
    return await api.services.budget.of_user(caller.user_id)


async def first_words(api: Api, running: Answer) -> None:
    async for events in api.services.text.events(running):
        if isinstance(events[-1], DeltaEvent):
            return


async def ended(running: Answer) -> None:
    assert running.task is not None
    await running.task


async def test_stopping_settles_what_was_used(api: Api, caller: Caller, sandbox: Sandbox) -> None:
    sandbox.break_with(Fault(call="chat", kind="stall", after=3))
    running = await api.services.text.begin(caller, TextIn(prompt="Tell me a long story."))
    await first_words(api, running)
    assert (await spent_and_held(api, caller))[1] > 0
    running.stop()
    await ended(running)
    spent, held = await spent_and_held(api, caller)
    assert spent > 0
    assert held == 0
    kept = await api.services.conversations.detail(caller.user_id, running.conversation.id)
    assert [message.role for message in kept.messages] == ["user", "assistant"]
    assert kept.messages[1].text


async def test_stopping_before_anything_was_asked_costs_nothing(
    api: Api, caller: Caller, sandbox: Sandbox
) -> None:
    running = await api.services.text.begin(caller, TextIn(prompt="x"))
    running.stop()
    await ended(running)
    assert await spent_and_held(api, caller) == (0, 0)
    assert sandbox.calls("chat") == []


async def test_stopping_a_complete_answer_changes_nothing(api: Api, caller: Caller) -> None:
    running = await api.services.text.begin(caller, TextIn(prompt="x"))
    await ended(running)
    before = await spent_and_held(api, caller)
    running.stop()
    await asyncio.sleep(0)
    assert await spent_and_held(api, caller) == before
    assert before[0] > 0


async def test_closing_the_service_settles_what_runs(
    api: Api, caller: Caller, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="chat", kind="stall", after=3))
    running = [await api.services.text.begin(caller, TextIn(prompt="x")) for _ in range(3)]
    for each in running:
        await first_words(api, each)
    await api.services.text.close()
    spent, held = await spent_and_held(api, caller)
    assert spent > 0
    assert held == 0


async def test_a_conversation_deleted_meanwhile_stays_deleted(api: Api, caller: Caller) -> None:
    text = api.services.text
    first = await text.answer(caller, TextIn(prompt="x"))
    running = await text.begin(caller, TextIn(prompt="y", conversation_id=first.conversation_id))
    await api.services.conversations.delete(caller.user_id, first.conversation_id)
    await ended(running)
    assert await api.services.db.fetch("SELECT id FROM messages") == []
    assert (await spent_and_held(api, caller))[1] == 0


async def test_a_quiet_stream_says_that_it_lives(
    api: Api, caller: Caller, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PING_SECONDS", 0.01)
    sandbox.break_with(Fault(call="chat", kind="stall", after=0))
    running = await api.services.text.begin(caller, TextIn(prompt="x"))
    events = api.services.text.events(running)
    assert isinstance((await anext(events))[0], StartEvent)
    assert await anext(events) == []
    running.stop()
    await ended(running)


async def test_rings_that_are_lost_and_heard_again_stop_no_answer(
    api: Api, caller: Caller, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="chat", kind="stall", after=3))
    wake = api.services.wake
    wake.connect(lambda _: None)
    wake.hears(others=True)
    running = await api.services.text.begin(caller, TextIn(prompt="x"))
    await first_words(api, running)
    wake.hears(others=False)
    wake.hears(others=True)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not running.stopped
    running.stop()
    await ended(running)


async def test_a_clock_that_jumps_makes_no_answer_under_way_free(
    api: Api, caller: Caller, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="chat", kind="stall", after=3))
    running = await api.services.text.begin(caller, TextIn(prompt="x"))
    await first_words(api, running)
    held = (await spent_and_held(api, caller))[1]
    with time_machine.travel(ids.now() + timedelta(hours=5)):
        await api.services.text.sweep()
    # outside, because the jump may lead into another month, which has counters of its own
    assert (await spent_and_held(api, caller))[1] == held > 0
    running.stop()
    await ended(running)
    spent, held = await spent_and_held(api, caller)
    assert (spent > 0, held) == (True, 0)


async def test_money_held_by_a_process_that_died_is_released(api: Api, caller: Caller) -> None:
    with time_machine.travel(ids.now() - timedelta(hours=1)):
        async with api.services.db.transaction() as sql:
            await api.services.budget.reserve(
                sql,
                user_id=caller.user_id,
                monthly_micro=10,
                group="users",
                amount=5,
                subject="text:dead",
            )
    await api.services.text.sweep()
    assert await spent_and_held(api, caller) == (0, 0)


@pytest.fixture
async def address(api: Api) -> AsyncIterator[str]:
    """Run the api on a real port: the in-process transport never closes a stream."""
    server = uvicorn.Server(
        uvicorn.Config(api.app, lifespan="off", log_level="warning", timeout_graceful_shutdown=1)
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve([listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


async def test_a_client_that_goes_away_stops_its_answer(
    api: Api, ana: httpx.AsyncClient, address: str, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="chat", kind="stall", after=3))
    user_id = (await ana.get("/users/me")).json()["id"]
    body = {"prompt": "Tell me a long story.", "stream": True}
    client = httpx.AsyncClient(
        headers={"Authorization": ana.headers["Authorization"]}, trust_env=False
    )
    async with client, client.stream("POST", f"{address}/generate/text", json=body) as answer:
        async for line in answer.aiter_lines():
            if line == "event: delta":
                break
        running = [task for task in asyncio.all_tasks() if task.get_name().startswith("text 0")]
        assert len(running) == 1
    _, left = await asyncio.wait(running, timeout=20)
    assert not left
    spent, held = await api.services.budget.of_user(user_id)
    assert spent > 0
    assert held == 0


async def test_stopping_by_its_id_says_what_was_booked(
    api: Api, ana: httpx.AsyncClient, caller: Caller, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="chat", kind="stall", after=3))
    running = await api.services.text.begin(caller, TextIn(prompt="Tell me a long story."))
    await first_words(api, running)
    async with await api.user("eve") as eve:
        assert (await eve.post(f"/generate/text/{running.id}/stop")).status_code == 404
    assert running.streaming
    answer = await ana.post(f"/generate/text/{running.id}/stop")
    told = [event async for events in api.services.text.events(running) for event in events]
    spent, held = await spent_and_held(api, caller)
    assert micro(Decimal(answer.json()["charged_usd"])) == spent
    assert held == 0
    assert spent > 0
    assert answer.json()["stopped"]
    done = told[-1]
    assert isinstance(done, DoneEvent), "its reader gets the part written by then"
    assert (done.answer.finish_reason, micro(done.answer.cost_usd)) == ("stopped", spent)
    late = (await ana.post(f"/generate/text/{running.id}/stop")).json()
    assert late == {**answer.json(), "stopped": False}


async def test_a_stop_in_a_chat_names_a_message_or_means_the_newest_there(
    api: Api, caller: Caller, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="chat", kind="stall", after=3, times=9))
    there = replace(caller, platform="telegram", chat_id="7")
    text = api.services.text
    first, second, third, elsewhere = [
        await text.begin(there, TextIn(prompt="x", chat_thread=thread, chat_message=message))
        for thread, message in (("", "1"), ("", "2"), ("", "3"), ("5", "4"))
    ]
    for running in (first, second, third, elsewhere):
        await first_words(api, running)
    await text.stops.in_chat(there, StopIn(message="1"))
    assert [one.stopped for one in (first, second, third)] == [True, False, False]
    await text.stops.in_chat(there, StopIn())
    assert [one.stopped for one in (second, third)] == [False, True]
    await text.stops.in_chat(there, StopIn())
    assert (second.stopped, elsewhere.stopped) == (True, False)
    for other, wanted in (
        (there, StopIn()),
        (there, StopIn(message="1")),
        (replace(there, chat_id="8"), StopIn(thread="5")),
        (replace(there, user_id="another"), StopIn(thread="5")),
    ):
        with pytest.raises(errors.NotFound, match="no such answer"):
            await text.stops.in_chat(other, wanted)
    with pytest.raises(errors.InvalidRequest):
        await text.stops.in_chat(replace(there, platform=None), StopIn())
    elsewhere.stop()
    await ended(elsewhere)
    assert (await spent_and_held(api, there))[1] == 0
