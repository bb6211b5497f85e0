"""Several processes of one Telegram bot: one takes updates, the others stand by or share them."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bots.core import texts
from bots.core.presence import Presence
from bots.core.process_slot import ProcessSlot
from bots.core.types import Inbound, Messenger, Reply
from bots.core.updates_at_api import UpdatesAtApi
from bots.settings import BotSettings
from bots.telegram.__main__ import UPDATES, work
from bots.telegram.adapter import TelegramBot, make_bot
from bots.telegram.kept_updates import KeptUpdates
from sandbox.faults import Fault
from tests.bots.bot_process import BotProcess, bot_process
from tests.bots.core.recording_chat import Place
from tests.bots.telegram.conftest import CHAT
from tests.bots.telegram.with_short_leases import TIMES
from tests.fakes.telegram import FakeTelegram, Scene, SeenMessage
from tests.plain_http import PLAIN
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

PERSON, GROUP = 77, -100200301
TAKEN_OVER_SECONDS = TIMES.lease + TIMES.look + 2.0
"""A slow machine gets two more."""


def running(
    fake: FakeTelegram, place: Place, folder: Path, **settings: str
) -> AbstractAsyncContextManager[BotProcess]:
    own = {"TELEGRAM_BOT_TOKEN": fake.token, "TELEGRAM_API_URL": fake.api_url}
    return bot_process("telegram", place, folder, own | settings)


def help_asked(update_id: int) -> dict[str, Any]:
    """Return an update as Telegram writes it."""
    return {
        "update_id": update_id,
        "message": {
            "message_id": 999,
            "date": 1,
            "chat": {"id": CHAT, "type": "private"},
            "from": {"id": CHAT, "is_bot": False, "first_name": "P"},
            "text": "/help",
        },
    }


def answers(scene: Scene, chat: int) -> list[str]:
    return [one.text for one in scene.by_bot(chat)]


async def test_a_killed_poller_s_messages_are_answered_once_by_the_one_that_stood_by(
    fake: FakeTelegram, place: Place, tmp_path: Path
) -> None:
    """On machines of their own: nothing of the first one's disk is left."""
    people = range(CHAT, CHAT + 12)
    async with (
        running(fake, place, tmp_path / "a") as first,
        AsyncExitStack() as later,
    ):
        await first.says("lease_taken")
        second = await later.enter_async_context(running(fake, place, tmp_path / "b"))
        await second.says("standing_by")
        await asyncio.sleep(TIMES.lease)  # it must have been there for so long to take over
        for number, person in enumerate(people):
            fake.user_says(person, person, "/help")
            if number == 5:
                first.process.kill()
                killed = time.monotonic()
        await first.process.wait()
        await second.says("lease_taken", TAKEN_OVER_SECONDS)
        for person in people:
            await fake.message(person, "/image")
        assert time.monotonic() - killed < TAKEN_OVER_SECONDS + 5
        fake.user_says(CHAT + 50, CHAT + 50, "/help")
        await fake.message(CHAT + 50, "/image")
        assert [len(answers(fake.scene(), person)) for person in people] == [1] * len(people)
        assert not list((tmp_path / "b").rglob("*.json"))


async def test_a_stop_hands_over_at_once_and_without_a_conflict(
    fake: FakeTelegram, place: Place, tmp_path: Path
) -> None:
    async with AsyncExitStack() as up:
        first = await up.enter_async_context(running(fake, place, tmp_path / "a"))
        await first.says("lease_taken")
        second = await up.enter_async_context(running(fake, place, tmp_path / "b"))
        await second.says("standing_by")
        for chat in range(CHAT, CHAT + 5):
            fake.user_says(chat, chat, "/help")
        await first.end(signal.SIGTERM)
        stopped = time.monotonic()
        await second.says("lease_taken")
        assert time.monotonic() - stopped < 4, "it looks every second"
        for chat in range(CHAT, CHAT + 5):
            await fake.message(chat, "/image")
            assert len(answers(fake.scene(), chat)) == 1
        assert first.process.returncode == 0
        assert not first.said("Traceback")
        assert not second.said("telegram_conflict")


async def test_a_restart_on_the_same_machine_waits_for_nobody(
    fake: FakeTelegram, place: Place, tmp_path: Path
) -> None:
    async with running(fake, place, tmp_path) as first:
        await first.says("lease_taken")
        await first.end(signal.SIGKILL)
    async with running(fake, place, tmp_path) as second:
        await second.says("announced")
        assert not second.said("standing_by")
        fake.user_says(CHAT, CHAT, "/help")
        await fake.message(CHAT, "/image", seconds=5)


async def test_an_update_in_a_file_is_not_begun_when_another_process_has_answered_it(
    place: Place, tmp_path: Path
) -> None:
    """Its file was written while the api was away from this machine only."""
    before = KeptUpdates(tmp_path)
    for kept in await before.keep([{"update_id": 1}, {"update_id": 2}]):
        await kept.note([["7"]])
    there = Presence(place.bot, ProcessSlot(), "42")
    other = UpdatesAtApi(place.bot, Presence(place.bot, ProcessSlot(), "42"))
    await other.keep([{"update_id": 1}])
    await other.done(1)
    left = await KeptUpdates(tmp_path, api=UpdatesAtApi(place.bot, there)).left()
    assert [(one.update_id, one.shown) for one in left] == [(2, [["7"]])]
    assert not list(tmp_path.glob("*.json")), "the api keeps it now"
    (at_api,) = await UpdatesAtApi(place.bot, there).claim()
    assert (at_api.id, at_api.shown) == (2, [["7"]])


async def test_one_that_stands_by_answers_what_its_files_hold(
    fake: FakeTelegram, place: Place, tmp_path: Path
) -> None:
    """It was killed after the api had been away, and another process took its turn meanwhile."""
    fake.user_says(CHAT, CHAT, "hello")  # only whoever has said something can be written to
    await KeptUpdates(tmp_path).keep([help_asked(70_900)])
    bot_id = fake.token.partition(":")[0]
    first, second = (Presence(place.bot, ProcessSlot(), bot_id, TIMES) for _ in range(2))
    first.want(UPDATES)
    there, stop = asyncio.create_task(first.run()), asyncio.Event()
    await asyncio.wait_for(first.until(UPDATES), 20)

    async def answered(chat: Messenger, inbound: Inbound) -> None:
        await chat.show(inbound.address, Reply("there"))

    begun: list[bool] = []

    def left() -> tuple[Path, ...]:
        begun.append(second.begun.is_set())
        return ()

    kept = KeptUpdates(tmp_path, api=UpdatesAtApi(place.bot, second), left=left)
    bot = TelegramBot(make_bot(fake.token, fake.api_url), answered, kept)
    await bot.connect()
    settings = BotSettings(_env_file=None)
    working = asyncio.create_task(work(bot, second, place.bot, stop, settings))
    await fake.message(CHAT, "there")
    assert begun == [True], "the api knows of the process before it keeps updates for it"
    assert not second.held
    stop.set()
    await asyncio.wait_for(working, 20)
    await bot.close()
    there.cancel()
    await asyncio.wait({there})
    await first.leave()
    assert not list(tmp_path.glob("*.json"))


async def test_one_that_lost_its_turn_ends_its_answers_before_it_says_goodbye(
    fake: FakeTelegram, place: Place, tmp_path: Path
) -> None:
    """Otherwise another process takes answered updates over."""
    bot_id = fake.token.partition(":")[0]
    presence = Presence(place.bot, ProcessSlot(), bot_id, TIMES)
    begun, stop = asyncio.Event(), asyncio.Event()

    async def slow(chat: Messenger, inbound: Inbound) -> None:
        begun.set()
        await stop.wait()
        await asyncio.sleep(0.3)
        await chat.show(inbound.address, Reply("there"))

    kept = KeptUpdates(tmp_path, api=UpdatesAtApi(place.bot, presence))
    bot = TelegramBot(make_bot(fake.token, fake.api_url), slow, kept)
    await bot.connect()
    settings = BotSettings(_env_file=None)
    working = asyncio.create_task(work(bot, presence, place.bot, stop, settings))
    fake.user_says(CHAT, CHAT, "why?")
    await asyncio.wait_for(begun.wait(), 10)
    await place.api.services.db.execute(
        "UPDATE leases SET holder = 'telegram:other', held_until = now() + INTERVAL '1 hour'"
    )
    await asyncio.wait_for(presence.until(UPDATES, held=False), 20)
    stop.set()
    await asyncio.wait_for(working, 20)
    await bot.close()
    assert answers(fake.scene(), CHAT) == ["there"]
    assert await place.api.services.db.fetch("SELECT * FROM bot_updates") == []


@asynccontextmanager
async def two_hooks(
    fake: FakeTelegram, place: Place, folder: Path, ports: list[int]
) -> AsyncIterator[None]:
    """Two replicas behind one address. What the fake has brings goes to the first one."""
    fake.settings(webhook_to=f"http://127.0.0.1:{ports[0]}")
    hook = {"TELEGRAM_UPDATES": "webhook", "PUBLIC_URL": "https://ai.example.org"}
    async with AsyncExitStack() as up:
        both = [
            await up.enter_async_context(
                running(fake, place, folder / str(port), TELEGRAM_WEBHOOK_PORT=str(port), **hook)
            )
            for port in ports
        ]
        for bot in both:
            await bot.says("announced")
        yield


async def test_an_answer_is_stopped_through_another_replica_than_the_one_that_writes_it(
    fake: FakeTelegram,
    joined: Place,
    sandbox: Sandbox,
    tmp_path: Path,
    unused_tcp_port_factory: Callable[[], int],
) -> None:
    """By the stop sign of a draft, by the button in a group, and by the command."""
    ports = [unused_tcp_port_factory() for _ in range(2)]
    sandbox.break_with(Fault(call="chat", kind="stall", after=3, times=9))

    def brought_to(number: int) -> None:
        fake.settings(webhook_to=f"http://127.0.0.1:{ports[number]}")

    async def shown(asked: int, words: str) -> SeenMessage:
        def found(scene: Scene) -> SeenMessage | None:
            mine = [one for one in scene.by_bot() if one.reply_to == asked and words in one.text]
            return mine[-1] if mine else None

        return await fake.until(found)

    async with two_hooks(fake, joined, tmp_path, ports):
        for way in ("sign", "command"):
            brought_to(0)
            before = len(fake.scene().drafts)
            asked = fake.user_says(PERSON, PERSON, f"/ask why, by {way}?")
            await fake.until(lambda scene: len(scene.drafts) > before or None)  # noqa: B023
            brought_to(1)
            if way == "sign":
                fake.stop_draft(PERSON)
            else:
                fake.user_says(PERSON, PERSON, "/stop")
            await shown(asked, "[Stopped. It cost")
        brought_to(0)
        asked = fake.user_says(GROUP, PERSON, "/ask why?", private=False)
        growing = await shown(asked, texts.WRITING)
        brought_to(1)
        stranger = fake.press(GROUP, growing.message_id, "⏹ Stop", PERSON + 1)
        said = await fake.until(lambda scene: scene.presses[stranger].answered)
        assert said == texts.not_yours()
        fake.press(GROUP, growing.message_id, "⏹ Stop", PERSON)
        stopped = await shown(asked, "[Stopped. It cost")
        assert stopped.message_id == growing.message_id
        assert not stopped.buttons


async def test_a_webhook_s_repeat_at_another_replica_is_not_answered_again(
    fake: FakeTelegram, place: Place, tmp_path: Path, unused_tcp_port_factory: Callable[[], int]
) -> None:
    ports = [unused_tcp_port_factory() for _ in range(2)]
    async with two_hooks(fake, place, tmp_path, ports):
        fake.user_says(CHAT, CHAT, "/help")
        await fake.message(CHAT, "/image")
        (call,) = [one for one in fake.scene().calls_of("setWebhook") if one.status == 200]
        secret = call.params["secret_token"]
        update = help_asked(70_001)
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
        async with httpx.AsyncClient(trust_env=False, verify=PLAIN, headers=headers) as http:
            for port in ports:
                url = f"http://127.0.0.1:{port}/telegram/updates"
                again = await http.post(url, content=json.dumps(update))
                assert again.status_code == 200
            other = json.dumps({**update, "update_id": 70_500})
            sent = [
                await http.post(f"http://127.0.0.1:{port}/telegram/updates", content=other)
                for port in ports
            ]
            assert [one.status_code for one in sent] == [200, 200]
        await fake.until(lambda scene: len(answers(scene, CHAT)) == 2)
        fake.user_says(CHAT + 1, CHAT + 1, "/help")
        await fake.message(CHAT + 1, "/image")
        assert len(answers(fake.scene(), CHAT)) == 2
