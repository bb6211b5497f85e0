"""Several processes of one Discord bot: each shard is one process's, and outlives it."""

import asyncio
import signal
import time
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import pytest

from bots.core import texts
from tests.bots.bot_process import BotProcess, bot_process
from tests.bots.core.recording_chat import Place
from tests.bots.discord.test_process import DM, PERSON
from tests.bots.discord.with_short_leases import TIMES
from tests.fakes.discord import GUILD_CHANNEL_ID, GUILD_ID, FakeDiscord
from tests.fakes.discord_rest import NONCE_SECONDS
from tests.fakes.line import line_to

pytestmark = pytest.mark.asyncio(loop_scope="module")

TURN = 0.6
ALL = [[0, 2], [1, 2]]
"""Direct messages come to the first of two shards, the fake's server to the second."""


def running(
    fake: FakeDiscord, place: Place, folder: Path, **settings: str
) -> AbstractAsyncContextManager[BotProcess]:
    own = {
        "DISCORD_BOT_TOKEN": fake.token,
        "DISCORD_API_URL": fake.api_url,
        "TURN_SECONDS": str(TURN),
    }
    return bot_process("discord", place, folder, own | settings)


async def both_answer(fake: FakeDiscord) -> None:
    """A person in a direct message, and one in the server."""
    private = fake.slash(PERSON, DM, "help")
    public = fake.slash(PERSON, GUILD_CHANNEL_ID, "help", guild=GUILD_ID)
    await fake.answer(private, "/image")
    await fake.answer(public, "/image")


async def test_two_processes_share_the_shards_and_one_takes_over_both(
    fake: FakeDiscord, place: Place, tmp_path: Path
) -> None:
    fake.portal(shards=2, identify_seconds=TURN / 2)
    async with (
        running(fake, place, tmp_path / "a", TURN_SECONDS="5.5") as first,
        running(fake, place, tmp_path / "b", TURN_SECONDS="5.5") as second,
    ):
        await fake.until(lambda scene: scene.shards_connected == ALL, 40)
        assert first.said("shard-") == second.said("shard-") is True, "each has one"
        await both_answer(fake)
        scene = fake.scene()
        assert (scene.identified, scene.too_fast, scene.commands_put) == (2, 0, 1)
        await asyncio.sleep(TIMES.lease)
        await first.end(signal.SIGKILL)
        killed = time.monotonic()
        await fake.until(lambda scene: scene.identified == 3 and scene.shards_connected == ALL, 20)
        assert time.monotonic() - killed < TIMES.lease + TIMES.beat + 4
        await both_answer(fake)
        assert fake.scene().too_fast == 0
        await second.end(signal.SIGTERM)
        assert second.process.returncode == 0
        assert not second.said("Traceback")


async def test_one_stands_by_for_a_single_shard_and_takes_over_at_once_after_a_stop(
    fake: FakeDiscord, place: Place, tmp_path: Path
) -> None:
    fake.portal(identify_seconds=TURN / 2)
    async with AsyncExitStack() as up:
        first = await up.enter_async_context(running(fake, place, tmp_path / "a"))
        await fake.connected(30)
        second = await up.enter_async_context(running(fake, place, tmp_path / "b"))
        await second.says("invite")
        await asyncio.sleep(2 * TIMES.look)
        assert fake.scene().identified == 1
        await first.end(signal.SIGTERM)
        stopped = time.monotonic()
        await fake.until(lambda scene: scene.identified == 2 and scene.connected == 1, 20)
        assert time.monotonic() - stopped < TURN + 4
        await fake.answer(fake.slash(PERSON, DM, "help"), "/image")


async def test_a_process_that_was_paused_does_not_answer_what_its_successor_has_answered(
    fake: FakeDiscord, place: Place, tmp_path: Path
) -> None:
    """Its connection was broken meanwhile: Discord brings it all that it has missed."""
    fake.portal(identify_seconds=TURN / 2)
    async with AsyncExitStack() as up:
        first = await up.enter_async_context(running(fake, place, tmp_path / "a"))
        await fake.connected(30)
        second = await up.enter_async_context(running(fake, place, tmp_path / "b"))
        await second.says("invite")
        await asyncio.sleep(TIMES.lease)
        first.process.send_signal(signal.SIGSTOP)
        fake.drop()
        await fake.until(lambda scene: scene.identified == 2 and scene.connected == 1, 20)
        fake.says(PERSON, DM, "/help")
        await fake.message(DM, "/image")
        fake.advance(NONCE_SECONDS + 1)
        first.process.send_signal(signal.SIGCONT)
        await first.says("lease_ended")
        fake.says(PERSON, DM, "/help")
        await fake.until(lambda scene: len(scene.by_bot(DM)) == 2)
        await asyncio.sleep(2 * TIMES.beat)
        assert len(fake.scene().by_bot(DM)) == 2
        assert first.process.returncode is None
        assert not first.said("Traceback")


async def test_an_answer_that_was_held_ends_when_another_process_has_answered(
    fake: FakeDiscord, place: Place, tmp_path: Path
) -> None:
    """The first process was cut off from the api, and from nothing else."""
    fake.portal(identify_seconds=TURN / 2)
    async with AsyncExitStack() as up:
        line = await up.enter_async_context(line_to(place.url))
        first = await up.enter_async_context(running(fake, place, tmp_path / "a", API_URL=line.url))
        await fake.connected(30)
        second = await up.enter_async_context(running(fake, place, tmp_path / "b"))
        await second.says("invite")
        await asyncio.sleep(TIMES.lease)
        line.cut()
        await fake.until(lambda scene: scene.identified == 2 and scene.connected == 2, 20)
        fake.says(PERSON, DM, "why is the sky blue?")
        await fake.message(DM, texts.still_waiting())
        await fake.until(lambda scene: len(scene.by_bot(DM)) == 2)
        fake.advance(NONCE_SECONDS + 1)
        line.mend()
        await first.says("answered_elsewhere")
        await fake.until(lambda scene: len(scene.by_bot(DM)) == 1)
        await fake.until(lambda scene: scene.connected == 1)
        assert texts.still_waiting() not in fake.scene().by_bot(DM)[0].content
        assert not first.said("Traceback")


async def test_more_shards_than_processes_are_all_kept_by_one(
    fake: FakeDiscord, place: Place, tmp_path: Path
) -> None:
    """And those that connect at the same time are as many as Discord allows."""
    fake.portal(max_concurrency=2, identify_seconds=TURN / 2)
    async with running(fake, place, tmp_path, DISCORD_SHARDS="4"):
        four = [[shard, 4] for shard in range(4)]
        await fake.until(lambda scene: scene.shards_connected == four, 40)
        assert fake.scene().too_fast == 0
        await both_answer(fake)


async def test_a_process_that_is_set_otherwise_has_as_many_shards_as_the_others(
    fake: FakeDiscord, place: Place, tmp_path: Path
) -> None:
    fake.portal(identify_seconds=TURN / 2)
    async with (
        running(fake, place, tmp_path / "a", DISCORD_SHARDS="2"),
        AsyncExitStack() as later,
    ):
        await fake.until(lambda scene: scene.shards_connected == ALL, 40)
        second = await later.enter_async_context(
            running(fake, place, tmp_path / "b", DISCORD_SHARDS="1")
        )
        await second.says("as_many_shards_as_the_others_have")
        assert fake.scene().shards_connected == ALL


async def test_too_few_shards_are_one_line(fake: FakeDiscord, place: Place, tmp_path: Path) -> None:
    fake.portal(shards_least=2)
    async with running(fake, place, tmp_path, DISCORD_SHARDS="1") as bot:
        assert await bot.ended() != 0
        await bot.reading
    assert "set DISCORD_SHARDS=auto" in bot.log[-1]
    assert not bot.said("Traceback")


async def test_when_no_connects_are_left_it_says_so_and_makes_none(
    fake: FakeDiscord, place: Place, tmp_path: Path
) -> None:
    """One too many, and Discord ends the token."""
    fake.portal(sessions_left=0)
    async with running(fake, place, tmp_path) as bot:
        await bot.says("no more connects until")
        await bot.says("announced")
        assert fake.scene().identified == 0
        assert bot.process.returncode is None
