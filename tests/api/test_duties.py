"""Duties: one of several processes does them, and another one when that is gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from api import duties as module
from api.background import Background
from api.db import Db
from api.duties import Duties
from api.leases import Leases
from api.metrics import Metrics
from api.wake import Wake


@dataclass
class Replica:
    """A process with one duty: `turns` are its turns, `turned` is set by each."""

    duties: Duties
    background: Background
    turns: int = 0
    turned: asyncio.Event = field(default_factory=asyncio.Event)

    async def turn(self) -> float:
        self.turns += 1
        self.turned.set()
        return 0.01

    async def seen_at_work(self) -> None:
        self.turned.clear()
        async with asyncio.timeout(10):
            await self.turned.wait()


@asynccontextmanager
async def replica(db: Db, wake: Wake, *, alone: bool = False) -> AsyncIterator[Replica]:
    background = Background(Metrics())
    duties = Duties("duties", background, None if alone else Leases(db), wake)
    made = Replica(duties, background)
    duties.add("count", made.turn)
    duties.start()
    try:
        yield made
    finally:
        await background.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEASE", 0.4)
    monkeypatch.setattr(module, "RENEWED", 0.1)
    monkeypatch.setattr(module, "WITHOUT", 0.1)


async def test_one_replica_does_the_duties_and_hands_them_on(
    db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEASE", 60.0)
    wake = Wake()
    async with replica(db, wake) as first:
        await first.seen_at_work()
        async with replica(db, wake) as second:
            for _ in range(5):
                await first.seen_at_work()
            assert second.turns == 0
            assert not second.background.failing
            await first.background.close()
            await first.duties.close()
            await second.seen_at_work()
            assert second.duties.held
            assert not first.duties.held


async def test_the_duties_of_a_killed_replica_go_on_when_its_lease_is_over(db: Db) -> None:
    wake = Wake()
    async with replica(db, wake) as first:
        await first.seen_at_work()
        async with replica(db, wake) as second:
            await first.background.close()  # and it says nothing
            await second.seen_at_work()
        assert not first.duties.held


async def test_the_duties_of_a_lone_process_need_no_lease(db: Db) -> None:
    async with replica(db, Wake(), alone=True) as only:
        await only.seen_at_work()
        assert only.duties.held
    assert await db.fetch("SELECT name FROM leases") == []
