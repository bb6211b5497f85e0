"""Pauses of the provider over several processes: what one has found out holds for all, and one of
them tries."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from api.background import Background
from api.db import Db
from api.db.open import open_db
from api.db.rings import Rings
from api.ids import now
from api.leases import Leases
from api.metrics import Metrics
from api.provider.breaker import FAILURES, Breaker
from api.provider.busy_models import BusyModels
from api.provider.openrouter import OpenRouter
from api.provider.shared_pauses import SharedPauses
from api.provider.types import ImageAsk, ProviderError
from api.wake import Wake
from sandbox.faults import Fault
from tests.sandbox_server import Sandbox

SOON = 30.0
ASK = ImageAsk("openai/gpt-image-2", "images", "a fox")


@dataclass
class Process:
    db: Db
    pauses: SharedPauses
    breaker: Breaker
    busy: BusyModels

    async def admitted(self) -> bool:
        try:
            await self.breaker.admit()
        except ProviderError:
            return False
        return True

    async def is_busy(self, model: str) -> bool:
        try:
            self.busy.check(model)
        except ProviderError:
            return True
        return False

    async def outage(self) -> None:
        for _ in range(FAILURES):
            await self.breaker.admit()
            self.breaker.failed()


@asynccontextmanager
async def process(url: str) -> AsyncIterator[Process]:
    db, wake, background = await open_db(url), Wake(), Background(Metrics())
    rings = Rings(url, wake)
    wake.connect(rings.relay)
    pauses = SharedPauses(db, Leases(db), wake)
    made = Process(db, pauses, Breaker(pauses=pauses), BusyModels(pauses))
    background.add("rings", rings.turn, least=0.05)
    background.add("pauses", pauses.turn, least=0.05)
    try:
        yield made
    finally:
        await background.close()
        await rings.close()
        await db.close()


async def until(process: Process, *, paused: bool) -> None:
    async with asyncio.timeout(SOON):
        while (process.breaker._open_until is not None) != paused:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)


async def pause_is_over(*processes: Process) -> None:
    """Let the time pass that each waits."""
    query = "UPDATE provider_pauses SET paused_until = now() - INTERVAL '1 second'"
    await processes[0].db.execute(query)
    for each in processes:
        each.breaker._open_until = now() - timedelta(seconds=0.1)


async def test_an_outage_that_one_process_has_seen_holds_for_all_and_one_tries(
    postgres_url: str,
) -> None:
    async with process(postgres_url) as one, process(postgres_url) as other:
        await one.outage()
        await until(other, paused=True)
        assert not await one.admitted()
        assert not await other.admitted()
        await pause_is_over(one, other)
        assert await other.admitted()
        assert not await one.admitted(), "another process tries"
        other.breaker.succeeded()
        await until(one, paused=False)
        assert [await one.admitted(), await other.admitted()] == [True, True]
        assert await one.db.fetch("SELECT scope FROM provider_pauses") == []


async def test_a_try_that_fails_pauses_all_for_longer(postgres_url: str) -> None:
    async with process(postgres_url) as one, process(postgres_url) as other:
        await one.outage()
        await until(other, paused=True)
        await pause_is_over(one, other)
        assert await one.admitted()
        one.breaker.failed()
        async with asyncio.timeout(SOON):
            while await other.admitted():
                other.breaker.unsure()
                await asyncio.sleep(0.01)
        await pause_is_over(one, other)
        async with asyncio.timeout(SOON):  # the try of before has been given back
            while not await other.admitted():  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)


async def test_a_process_that_starts_during_an_outage_knows_of_it(postgres_url: str) -> None:
    async with process(postgres_url) as one:
        await one.outage()
        async with asyncio.timeout(SOON):
            while not await one.db.fetch("SELECT scope FROM provider_pauses"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        async with process(postgres_url) as late:
            await until(late, paused=True)
            assert not await late.admitted()


async def test_a_model_that_is_too_busy_is_so_for_all(postgres_url: str) -> None:
    async with process(postgres_url) as one, process(postgres_url) as other:
        with pytest.raises(ProviderError), one.busy.learning("a/model"):
            raise ProviderError("rate_limited", "busy", outcome="refused", retry_after=20.0)
        async with asyncio.timeout(SOON):
            while not await other.is_busy("a/model"):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
        assert not await other.is_busy("another/model")


async def test_ten_processes_ask_a_busy_provider_once(postgres_url: str, sandbox: Sandbox) -> None:
    """They ask one after the other, as their queue would have it."""
    sandbox.break_with(Fault(call="images", kind="status", status=429, retry_after=30))
    db, wake = await open_db(postgres_url), Wake()
    shared = [SharedPauses(db, Leases(db), wake) for _ in range(10)]
    providers = [OpenRouter(sandbox.url, "sk-or-tests", pauses=each) for each in shared]
    background = Background(Metrics())
    for number, each in enumerate(shared):
        background.add(f"pauses {number}", each.turn)
    try:
        for provider in providers:
            with pytest.raises(ProviderError) as raised:
                await provider.image(ASK)
            assert raised.value.code == "rate_limited"
            async with asyncio.timeout(SOON):
                while not await db.fetch("SELECT scope FROM provider_pauses"):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                while any(not each._known for each in shared):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        assert len(sandbox.calls("images")) == 1
    finally:
        for provider in providers:
            await provider.close()
        await background.close()
        await db.close()
