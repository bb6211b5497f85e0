"""Rings: none is lost between look and wait, and none hides that the task is to end."""

import asyncio

import pytest

from api.wake import Wake


async def test_a_ring_before_the_wait_counts_once() -> None:
    wake = Wake()
    with wake.listen("work") as listener:
        wake.ring("work")
        assert await listener.wait(0)
        assert not await listener.wait(0)


async def test_a_ring_for_others_is_not_heard() -> None:
    wake = Wake()
    with wake.listen("work") as listener:
        wake.ring("play")
        assert not await listener.wait(0)


async def test_work_is_called_for_its_own_topic_alone_until_it_is_taken_back() -> None:
    wake, heard = Wake(), list[str]()
    wake.call("stop:1", lambda: heard.append("stop"))
    wake.ring("stop:2")
    wake.hears(others=False)
    wake.close()
    assert heard == []
    wake.ring("stop:1")
    wake.call("stop:1", None)
    wake.ring("stop:1")
    assert heard == ["stop"]


@pytest.mark.parametrize("steps", range(4))
async def test_a_ring_at_the_moment_of_a_cancel_does_not_hide_it(steps: int) -> None:
    """`steps` of the loop lie between the two. A worker that went on would keep the process from
    ending."""
    wake = Wake()
    listening = asyncio.Event()

    async def work() -> None:
        with wake.listen("work") as listener:
            while True:
                listening.set()
                await listener.wait(60)

    task = asyncio.create_task(work())
    await listening.wait()
    await asyncio.sleep(0)
    wake.ring("work")
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    ended, _ = await asyncio.wait([task], timeout=5)
    assert ended
    assert task.cancelled()
