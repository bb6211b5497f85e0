"""Rounds: what waits is done together, and none pays for another one."""

import asyncio
import contextvars
from collections.abc import Sequence

import pytest

from api.db import TRIES, DbUnavailable, Lost, OutOfMemory
from api.db.rounds import MOST, Rounds


class Work:
    """Doubles numbers, and notes its rounds. `gate` lets a round end; `fails` raises for an
    item."""

    def __init__(self) -> None:
        self.rounds: list[list[int]] = []
        self.taken_back: list[tuple[int, int]] = []
        self.gate = asyncio.Event()
        self.fails: dict[int, list[Exception]] = {}
        self.desk = Rounds(self.double, self.take_back)

    async def double(self, items: Sequence[int]) -> Sequence[int]:
        self.rounds.append(list(items))
        await self.gate.wait()
        for item in items:
            if self.fails.get(item):
                raise self.fails[item].pop()
        return [item * 2 for item in items]

    async def take_back(self, item: int, result: int) -> None:
        self.taken_back.append((item, result))

    async def begun(self, *items: int) -> list[asyncio.Task[int]]:
        """Start items, and let them reach the desk."""
        tasks = [asyncio.create_task(self.desk.do(item)) for item in items]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return tasks


async def test_those_who_come_while_a_round_runs_are_done_together() -> None:
    work = Work()
    tasks = await work.begun(1)
    tasks += await work.begun(*range(2, MOST + 4))
    work.gate.set()
    assert await asyncio.gather(*tasks) == [item * 2 for item in range(1, MOST + 4)]
    assert [len(each) for each in work.rounds] == [1, MOST, 2]


async def test_the_failure_of_one_is_its_own() -> None:
    work = Work()
    work.gate.set()
    work.fails[2] = [ValueError("two")] * 3
    found = await asyncio.gather(
        *(work.desk.do(item) for item in (1, 2, 3)), return_exceptions=True
    )
    assert [found[0], str(found[1]), found[2]] == [2, "two", 6]
    assert work.rounds == [[1, 2, 3], [1], [2, 3], [2], [3]]


async def test_a_wrong_one_of_many_is_found_by_halves() -> None:
    work = Work()
    work.gate.set()
    work.fails[77] = [ValueError("wrong")] * MOST
    found = await asyncio.gather(
        *(work.desk.do(item) for item in range(MOST)), return_exceptions=True
    )
    assert [each for each in found if not isinstance(each, int)] == [found[77]]
    assert len(work.rounds) == 1 + 2 * 7, "and 128 are seven times two"


async def test_a_round_that_is_too_large_for_the_memory_is_split() -> None:
    async def double(items: Sequence[int]) -> Sequence[int]:
        if len(items) > 2:
            raise OutOfMemory("too many")
        return [item * 2 for item in items]

    desk = Rounds(double, Work().take_back)
    assert await asyncio.gather(*(desk.do(item) for item in range(8))) == [*range(0, 16, 2)]


async def test_a_round_runs_in_the_context_of_no_caller() -> None:
    asked = contextvars.ContextVar("asked", default="nobody")
    seen = []

    async def note(items: Sequence[int]) -> Sequence[int]:
        seen.append(asked.get())
        return items

    asked.set("the first caller")
    await Rounds(note, Work().take_back).do(1)
    assert seen == ["nobody"]


async def test_a_database_that_is_away_is_asked_once_for_all() -> None:
    work = Work()
    work.gate.set()
    work.fails[2] = [DbUnavailable("away")]
    found = await asyncio.gather(
        *(work.desk.do(item) for item in (1, 2, 3)), return_exceptions=True
    )
    assert [str(each) for each in found] == ["away"] * 3
    assert await work.desk.do(2) == 4


async def test_a_round_that_lost_is_done_again() -> None:
    work = Work()
    work.gate.set()
    work.fails[1] = [Lost("deadlock")] * (TRIES - 1)
    assert list(await asyncio.gather(work.desk.do(1), work.desk.do(2))) == [2, 4]
    assert work.rounds == [[1, 2]] * TRIES


@pytest.mark.parametrize("stage", ["waiting", "running"])
async def test_one_that_was_cancelled_leaves_nothing(stage: str) -> None:
    work = Work()
    (first,) = await work.begun(1)
    (second,) = await work.begun(2)
    cancelled, other = (second, first) if stage == "waiting" else (first, second)
    cancelled.cancel()
    await asyncio.sleep(0)
    work.gate.set()
    await other
    assert await work.desk.do(3) == 6
    assert cancelled.cancelled()
    assert work.rounds == ([[1], [3]] if stage == "waiting" else [[1], [2], [3]])
    assert work.taken_back == ([] if stage == "waiting" else [(1, 2)])
