"""A stop waits a while for paid work; a second signal ends the wait."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from api.__main__ import STOP_SECONDS
from api.generations import store
from api.shutdown import Stop
from sandbox.faults import Fault
from tests.api.auth.account_services import one_engine
from tests.api.generations.conftest import QUICK, settings_of
from tests.api.generations.test_jobs import SEEDREAM, until
from tests.api.harness import Api, running_api
from tests.e2e.people import Account
from tests.plain_http import PLAIN
from tests.sandbox_server import Sandbox
from tests.stack import Stack, get, running_stack

LATER = {"Prefer": "respond-async"}
ASKED = {"prompt": "x", "model": SEEDREAM}


async def test_it_waits_for_work_that_ends() -> None:
    stop, over = Stop(30), asyncio.Event()
    work = asyncio.create_task(over.wait())
    draining = asyncio.create_task(stop.drained("work", [work]))
    await asyncio.sleep(0)
    assert not draining.done()
    over.set()
    await asyncio.wait_for(draining, 5)
    assert (work.done(), stop.asked) == (True, False)


@pytest.mark.parametrize("seconds", [0, 0.05])
async def test_it_waits_no_longer_than_it_may_all_together(seconds: float) -> None:
    stop = Stop(seconds)
    work = asyncio.create_task(asyncio.Event().wait())
    await asyncio.wait_for(stop.drained("one", [work]), 5)
    begun = time.monotonic()
    await stop.drained("another", [work])
    assert time.monotonic() - begun < 0.05
    assert not work.done()
    work.cancel()


async def test_asked_twice_nobody_waits() -> None:
    stop = Stop(30)
    work = asyncio.create_task(asyncio.Event().wait())
    stop.ask()
    await asyncio.wait_for(stop.wait(), 5)
    draining = asyncio.create_task(stop.drained("work", [work]))
    await asyncio.sleep(0)
    assert not draining.done()
    stop.ask()
    await asyncio.wait_for(draining, 5)
    assert (stop.at_once, work.done()) == (True, False)
    await stop.drained("work", [work])
    work.cancel()


async def ended_as(api: Api, generation_id: str) -> tuple[str, str]:
    row = await store.get(api.services.db, generation_id)
    assert row is not None
    return row.status, row.phase


@one_engine
async def test_a_stop_keeps_what_is_being_made_and_takes_no_job(
    tmp_path: Path, sandbox: Sandbox, database: str
) -> None:
    sandbox.break_with(image=1.0)
    async with running_api(
        tmp_path, sandbox, times=QUICK, drain_seconds=60, **settings_of(database)
    ) as api:
        user = await api.user()
        made = (await user.post("/generate/image", json=ASKED, headers=LATER)).json()
        await until(api, made["id"], phase="submitting")
        api.services.stop.ask()
        waits = (await user.post("/generate/image", json=ASKED, headers=LATER)).json()
        row = await store.get(api.services.db, waits["id"])
        assert row is not None
        assert (await api.services.generations.wait(row, 0.4)).phase == "submit", (
            "there is a place for it"
        )
    calls = len(sandbox.calls("images"))
    async with running_api(tmp_path, sandbox, worker="off", **settings_of(database)) as api:
        assert await ended_as(api, made["id"]) == ("completed", "done")
        assert await ended_as(api, waits["id"]) == ("queued", "submit")
    assert calls == 1


def stalls(stack: Stack, seconds: float) -> None:
    """Have the next answer stall for so many seconds after three words."""
    fault = Fault(call="chat", kind="stall", after=3, seconds=seconds, times=1)
    httpx.put(
        f"{stack.sandbox_url}/_sandbox/faults", json={"faults": [fault.model_dump()]}, verify=PLAIN
    ).raise_for_status()


@contextmanager
def answering(account: Account) -> Iterator[Iterator[str]]:
    """Start an answer and yield its remaining lines."""
    with account.http.stream(
        "POST", "/generate/text", json={"prompt": "A story, please.", "stream": True}
    ) as answer:
        lines = answer.iter_lines()
        assert any(line == "event: delta" for line in lines)
        yield lines


def test_a_signal_lets_pictures_and_answers_end_and_a_second_one_does_not() -> None:
    with running_stack(
        extra_env={"DRAIN_SECONDS": "60", "SANDBOX_IMAGE_SECONDS": "2"}, without=frozenset({"web"})
    ) as stack:
        account = Account(stack)
        picture = (
            account.http.post("/generate/image", json=ASKED, headers=LATER)
            .raise_for_status()
            .json()
        )
        stalls(stack, STOP_SECONDS + 1)
        with answering(account) as lines:
            stack.ask("api")
            assert "event: done" in list(lines)
        stack.ended("api")
        stack.start("api")
        assert account.get(f"/generations/{picture['id']}")["status"] == "completed"

        stalls(stack, 60)
        with answering(account) as lines:
            stack.ask("api")
            while get(f"{stack.api_url}/healthz") is not None:
                pass  # it has not seen the signal yet
            stack.ask("api")
            assert "event: error" in list(lines), "it is said to be cut"
        stack.ended("api")
        account.close()
