"""Rings between processes on PostgreSQL: heard at once, and after an outage everybody looks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from api.background import Background
from api.db import rings as module
from api.db.rings import WAITING_MOST, Rings
from api.metrics import Metrics
from api.wake import Wake
from tests.api.db.test_postgres import Server, reset, server

__all__ = ["reset", "server"]

SOON = 10.0


@dataclass
class Process:
    wake: Wake
    rings: Rings
    background: Background


@asynccontextmanager
async def process(url: str) -> AsyncIterator[Process]:
    """Run what each process has of it."""
    wake, background = Wake(), Background(Metrics())
    rings = Rings(url, wake)
    wake.connect(rings.relay)
    with wake.listen("any") as connected:
        background.add("rings", rings.turn, least=0.05, most=0.05)
        assert await connected.wait(SOON)
    try:
        yield Process(wake, rings, background)
    finally:
        await background.close()
        await rings.close()


async def wait_until_heard(one: Process, *, others: bool) -> None:
    async with asyncio.timeout(SOON):
        while one.wake.hears_all != others:
            with one.wake.listen("any") as changed:
                await changed.wait(0.2)


async def test_a_ring_reaches_the_other_processes_and_comes_back_to_nobody(
    postgres_url: str,
) -> None:
    async with process(postgres_url) as one, process(postgres_url) as other:
        with one.wake.listen("work") as here, other.wake.listen("work") as there:
            one.wake.ring("work")
            assert await here.wait(0)
            assert await there.wait(SOON)
            other.wake.ring("work")
            assert await here.wait(SOON)
            assert await there.wait(0)
            one.wake.ring_here("work")
            one.wake.ring("elsewhere, and heard after it")
            assert await here.wait(0)
            with other.wake.listen("last") as last:
                one.wake.ring("last")
                assert await last.wait(SOON)
            assert not await there.wait(0)


async def test_after_an_outage_everybody_looks_once(
    server: Server, reset: None, postgres_url: str
) -> None:
    """A ring of that time is lost for those who could not hear it, and sent later by those who
    could not send it."""
    async with AsyncExitStack() as opened:
        one = await opened.enter_async_context(process(postgres_url))
        other = await opened.enter_async_context(process(postgres_url))
        assert (one.wake.limit(15, 1), other.wake.limit(15, 1)) == (15, 15)
        with one.wake.listen("work") as here:
            await server.do("ALTER DATABASE {database} ALLOW_CONNECTIONS false")
            await server.drop_connections()
            assert await here.wait(SOON), "the time of its wait is another one now"
            assert one.wake.limit(15, 1) == 1
            await wait_until_heard(other, others=False)
            assert "rings" in other.background.failing
            other.wake.ring("late")
            await server.do("ALTER DATABASE {database} ALLOW_CONNECTIONS true")
            await wait_until_heard(one, others=True)
            await wait_until_heard(other, others=True)
            assert await here.wait(0)
            assert await rings_through(one, other)
        assert not one.background.failing


async def rings_through(one: Process, other: Process) -> bool:
    with other.wake.listen("through") as listener:
        one.wake.ring("through")
        return await listener.wait(SOON)


async def test_a_server_that_says_nothing_any_more_is_noticed(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection stays open: only a question shows it."""
    monkeypatch.setattr(module, "CHECKED_EVERY", 0.1)
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.2)
    async with process(postgres_url) as one:
        connection = one.rings._connection
        assert connection is not None
        with one.wake.listen("any") as changed:
            connection._transport.pause_reading()
            assert await changed.wait(SOON)
            await wait_until_heard(one, others=True)
        assert one.rings._connection is not connection


async def test_rings_that_cannot_be_sent_are_few(postgres_url: str) -> None:
    rings = Rings(postgres_url, Wake())
    for number in range(WAITING_MOST + 10):
        rings.relay(f"generation:{number}")
    async with process(postgres_url) as other:
        with (
            other.wake.listen("generation:9") as dropped,
            other.wake.listen(f"generation:{WAITING_MOST + 9}") as newest,
        ):
            await rings.turn()
            await rings.close()
            assert await newest.wait(SOON)
            assert not await dropped.wait(0)


async def test_the_last_rings_of_a_process_are_sent(postgres_url: str) -> None:
    async with process(postgres_url) as other:
        with other.wake.listen("duties") as listener:
            async with process(postgres_url) as one:
                await one.background.close()
                one.wake.ring("duties")
            assert await listener.wait(SOON)
