"""Several apis and workers on one PostgreSQL database: what happens at one counts at the others at
once. No look at the database helps them, because the next one is a minute away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from api.callers import Caller
from api.catalog import service as catalog
from api.catalog.schemas import ModelChangeIn
from api.deliveries import service as deliveries
from api.errors import NotFound
from api.generations.accepting import service as accepting
from api.generations.making.worker import WorkerTimes
from api.text.schemas import DeltaEvent, StopIn, TextIn
from sandbox.faults import Fault
from tests.api.harness import Api, running_api
from tests.sandbox_server import Sandbox

NEVER = 60.0
SOON = 10.0


@pytest.fixture(autouse=True)
def no_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "REREAD_SECONDS", NEVER)
    monkeypatch.setattr(deliveries, "LOOK_EVERY", NEVER)
    monkeypatch.setattr(accepting, "LOOK_EVERY", NEVER)


@asynccontextmanager
async def replicas(
    postgres_url: str, sandbox: Sandbox, folder: Path
) -> AsyncIterator[tuple[Api, Api]]:
    """Yield an api without a worker, and one with it, once they hear each other."""
    url, times = postgres_url, WorkerTimes(look=NEVER)
    async with (
        running_api(folder, sandbox, times=times, database_url=url, worker="off") as front,
        running_api(folder, sandbox, times=times, database_url=url) as maker,
    ):
        async with asyncio.timeout(SOON):
            for api in (front, maker):
                while not api.services.wake.hears_others:  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.01)
        yield front, maker


async def test_a_picture_asked_for_at_one_api_is_made_and_waited_for_across_processes(
    postgres_url: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with replicas(postgres_url, sandbox, tmp_path) as (front, _), await front.user() as user:
        async with asyncio.timeout(SOON):
            for _ in range(3):
                made = await user.post("/generate/image", json={"prompt": "a fox"})
                assert made.status_code == 200, made.text


async def test_a_change_of_a_model_counts_at_all_apis(
    postgres_url: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with replicas(postgres_url, sandbox, tmp_path) as (front, maker):
        model = maker.services.catalog.list_models("image")[-1]
        change = ModelChangeIn(enabled=False)
        await front.services.catalog.change(model.id, "image", change, "admin")
        async with asyncio.timeout(SOON):
            while model.id in {each.id for each in maker.services.catalog.list_models("image")}:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_an_answer_is_stopped_at_whichever_api_it_is_written(
    postgres_url: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with (
        replicas(postgres_url, sandbox, tmp_path) as (front, maker),
        await front.user() as user,
    ):
        sandbox.break_with(Fault(call="chat", kind="stall", after=3))
        caller = Caller((await user.get("/users/me")).json()["id"], "user")
        running = await front.services.text.begin(caller, TextIn(prompt="Tell me a long story."))
        async for events in front.services.text.events(running):
            if isinstance(events[-1], DeltaEvent):
                break
        async with asyncio.timeout(SOON):
            charge = await maker.services.text.stops.by_id(caller.user_id, running.id)
            assert running.task is not None
            await running.task
        assert charge.charged_usd
        assert charge.stopped
        late = await maker.services.text.stops.by_id(caller.user_id, running.id)
        assert (late.charged_usd, late.stopped) == (charge.charged_usd, False)
        there = replace(caller, platform="telegram", chat_id="7")
        ask = TextIn(prompt="x", chat_thread="", chat_message="1")
        running = await front.services.text.begin(there, ask)
        async with asyncio.timeout(SOON):
            await maker.services.text.stops.in_chat(there, StopIn(message="1"))
            assert running.task is not None
            await running.task
            with pytest.raises(NotFound, match="no such answer"):
                await maker.services.text.stops.in_chat(there, StopIn(message="1"))
        assert (await maker.services.budget.of_user(caller.user_id))[1] == 0
