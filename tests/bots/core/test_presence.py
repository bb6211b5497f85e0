"""A process's presence at an api that answers, is away, or refuses; and its slot on the machine."""

import asyncio
import shutil
from pathlib import Path

import pytest
from starlette.types import Message, Receive, Scope, Send

from bots.core.presence import Presence, PresenceTimes
from bots.core.process_slot import ProcessSlot, place_of, take_slot
from client.bot import BotApi
from tests.bots.core.recording_chat import Place, served, there_only

TIMES = PresenceTimes(lease=2.0, beat=0.1, look=0.05)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_lease_is_sure_while_the_api_is_heard_and_doubted_afterwards(place: Place) -> None:
    times = PresenceTimes(lease=1.0, beat=0.1)
    presence = Presence(place.bot, ProcessSlot(), times=times)
    presence.want("updates")
    there = asyncio.create_task(presence.run())
    await asyncio.wait_for(presence.until("updates"), 10)
    assert not presence.doubt("updates")
    there.cancel()
    await asyncio.wait({there})
    await asyncio.sleep(times.lease)
    assert "updates" in presence.held, "silence alone takes nothing away"
    assert presence.doubt("updates")
    assert "updates" not in presence.held


@pytest.mark.asyncio(loop_scope="module")
async def test_a_word_on_its_way_is_heard_before_the_goodbye(place: Place) -> None:
    """Otherwise it takes the leases back for a process that is gone."""
    held, go, over = asyncio.Event(), asyncio.Event(), asyncio.Event()
    hold = False

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if hold and scope["path"].endswith("/beat"):
            body = await receive()
            held.set()
            await go.wait()

            async def again() -> Message:
                return body

            await place.api.app(scope, again, send)
            over.set()
        else:
            await place.api.app(scope, receive, send)

    async with served(slow) as port, BotApi(f"http://127.0.0.1:{port}", place.bot.key) as api:
        presence = Presence(api, ProcessSlot(), times=TIMES)
        presence.want("updates")
        there = asyncio.create_task(presence.run())
        await asyncio.wait_for(presence.until("updates"), 10)
        hold = True
        await asyncio.wait_for(held.wait(), 10)
        there.cancel()
        await asyncio.wait({there})
        leaving = asyncio.create_task(presence.leave())
        await asyncio.sleep(0.1)
        go.set()
        await leaving
        await asyncio.wait_for(over.wait(), 10)
    assert await place.api.services.bot_processes.running() == []


async def test_an_api_that_refuses_leaves_the_process_to_itself() -> None:
    async with served(there_only) as port, BotApi(f"http://127.0.0.1:{port}", "key") as api:
        presence = Presence(api, ProcessSlot(), times=TIMES)
        presence.want("updates")
        there = asyncio.create_task(presence.run())
        await asyncio.wait_for(presence.until("updates"), 10)
        assert presence.doubt("updates"), "another one may have it all the same"
        there.cancel()
        await asyncio.wait({there})


def died(path: Path, process: str) -> None:
    with path.open("w") as file:
        file.write(f"{process} {place_of(file.fileno())}")


def test_a_copy_of_the_folder_is_no_proof_of_death(tmp_path: Path) -> None:
    """The process that it names may live where it was copied from."""
    living = take_slot(tmp_path / "own")
    shutil.copytree(tmp_path / "own", tmp_path / "copy")
    copy = take_slot(tmp_path / "copy")
    assert (living.number, copy.number, copy.replaces) == (0, 0, ())


def test_slots_tell_the_dead_from_the_living(tmp_path: Path) -> None:
    first, second = take_slot(tmp_path), take_slot(tmp_path)
    assert (first.number, second.number) == (0, 1)
    assert (first.replaces, second.replaces, list(second.free())) == ((), (), [])
    died(tmp_path / "process-2", "dead0000")
    third = take_slot(tmp_path)
    assert (third.number, third.replaces) == (2, ("dead0000",))
    died(tmp_path / "process-3", "dead1111")
    died(tmp_path / "process-4", "dead2222")
    fourth = take_slot(tmp_path)
    assert (fourth.number, list(fourth.free())) == (3, [4])
    assert fourth.replaces == ("dead1111", "dead2222")
    free = fourth.free()
    assert next(free) == 4
    fifth = take_slot(tmp_path)
    assert fifth.number == 5, "a free slot is not taken while its files are moved"
    free.close()
    assert list(first.free()) == [4], "and the slots of others are not free"
    sixth = take_slot(tmp_path)
    assert (sixth.number, list(first.free())) == (4, []), "nor one that was taken since the start"


def test_a_folder_that_can_not_be_written_has_no_slots(tmp_path: Path) -> None:
    (tmp_path / "telegram").write_text("in the way")
    slot = take_slot(tmp_path / "telegram")
    assert (slot.number, slot.replaces) == (0, ())
