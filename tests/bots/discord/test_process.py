"""The process as the supervisor runs it, and its connection on bad days."""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from bots.core.types import Inbound, Messenger, Reply
from bots.discord.__main__ import log_in, run
from bots.discord.adapter import DiscordBot
from bots.settings import BotSettings
from client.bot import BotApi
from tests.bots.core.recording_chat import served, there_only
from tests.bots.discord.conftest import Connect, Script, no_models
from tests.fakes.discord import GUILD_CHANNEL_ID, GUILD_ID, TOKEN, FakeDiscord

PERSON, DM = "500000000000000007", "600000000000000007"
ROOT = Path(__file__).resolve().parents[3]


@asynccontextmanager
async def process(
    fake: FakeDiscord, port: int, token: str = TOKEN, **more: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The bot; its api is at this port, or not."""
    env = {
        "PATH": os.environ["PATH"],
        "API_URL": f"http://127.0.0.1:{port}",
        "BOT_KEY": "key",
        "DISCORD_BOT_TOKEN": token,
        "DISCORD_API_URL": fake.api_url,
        **more,
    }
    made = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bots.discord",
        cwd=ROOT,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield made
    finally:
        if made.returncode is None:
            made.kill()
        await made.communicate()


async def test_the_core_answers_even_while_the_api_is_away(fake: FakeDiscord) -> None:
    async with (
        AsyncExitStack() as up,
        process(fake, await up.enter_async_context(served(there_only))),
    ):
        await fake.connected(30)
        await up.aclose()
        helped = await fake.answer(fake.slash(PERSON, DM, "help"), "/image")
        assert not helped.ephemeral, "nobody else reads along"
        asked = await fake.answer(
            fake.slash(PERSON, GUILD_CHANNEL_ID, "ask", {"question": "why"}, guild=GUILD_ID),
            "server",
        )
        assert not asked.ephemeral
        fake.says(PERSON, DM, "/nonsense")
        await fake.message(DM, "nonsense")


async def test_no_gateway_before_the_api_is_there(fake: FakeDiscord, unused_tcp_port: int) -> None:
    async with process(fake, unused_tcp_port) as bot:
        assert bot.stdout is not None
        while b"api_away" not in await asyncio.wait_for(bot.stdout.readline(), 30):
            pass
        assert (fake.scene().identified, fake.scene().connected) == (0, 0)
        async with served(there_only, unused_tcp_port):
            await fake.connected(30)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_at_once(fake: FakeDiscord, sent: signal.Signals) -> None:
    async with served(there_only) as port, process(fake, port) as bot:
        await fake.connected(30)
        before = time.monotonic()
        bot.send_signal(sent)
        assert await asyncio.wait_for(bot.wait(), 20) == 0
        # Three seconds are promised; a slow machine gets more, the waits that a stop must cut short
        # are longer still.
        assert time.monotonic() - before < 8
        await fake.until(lambda scene: scene.connected == 0)
        assert bot.stdout is not None
        said = (await bot.stdout.read()).decode()
    assert "Traceback" not in said
    assert TOKEN not in said


async def test_a_wrong_token_is_one_line(fake: FakeDiscord, unused_tcp_port: int) -> None:
    async with process(fake, unused_tcp_port, token="another") as bot:
        assert await asyncio.wait_for(bot.wait(), 30) != 0
        assert bot.stdout is not None
        said = (await bot.stdout.read()).decode()
    assert "Traceback" not in said
    assert "DISCORD_BOT_TOKEN is refused by Discord" in said.splitlines()[-1]


async def test_a_missing_token_is_one_line(fake: FakeDiscord, unused_tcp_port: int) -> None:
    async with process(fake, unused_tcp_port, token="") as bot:
        assert await asyncio.wait_for(bot.wait(), 30) != 0
        assert bot.stdout is not None
        assert (await bot.stdout.read()).decode().startswith("DISCORD_BOT_TOKEN is not set")


async def play(chat: Messenger, inbound: Inbound) -> None:
    await chat.show(inbound.address, Reply(f"heard {inbound.text}"))


@pytest.mark.parametrize("code", [None, 4000, 1000])
async def test_a_lost_connection_is_resumed_and_misses_nothing(
    fake: FakeDiscord, connect: Connect, code: int | None
) -> None:
    async with connect(Script(play)):
        fake.drop(code)
        fake.says(PERSON, DM, "meanwhile")
        await fake.message(DM, "heard meanwhile")
        scene = fake.scene()
    assert scene.identified == 1
    assert scene.resumed == 1


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch, fake: FakeDiscord) -> None:
    """The library pauses five seconds before it identifies again, for Discord's sake."""
    fake.portal(identify_seconds=0)

    async def at_once(_client: DiscordBot, _shard_id: int | None, *, initial: bool = False) -> None:
        return

    monkeypatch.setattr(DiscordBot, "before_identify_hook", at_once)
    monkeypatch.setattr("bots.discord.adapter.BACKOFF_LEAST", 0.05)
    monkeypatch.setattr("bots.discord.__main__.BACKOFF_LEAST", 0.05)


@pytest.mark.usefixtures("hurried")
async def test_a_forgotten_session_is_begun_again(fake: FakeDiscord, connect: Connect) -> None:
    async with connect(Script(play)):
        fake.drop(4000, forget=True)
        await fake.until(lambda scene: scene.identified == 2 and scene.connected)
        fake.says(PERSON, DM, "again")
        await fake.message(DM, "heard again")


@pytest.mark.usefixtures("hurried")
async def test_a_gateway_that_is_away_at_first_is_waited_for(fake: FakeDiscord) -> None:
    fake.drop(refuse=True)
    settings = _settings(fake)
    client = await log_in(settings, Script(play), no_models, asyncio.Event())
    assert client is not None
    running = asyncio.ensure_future(client.connect())
    try:
        await fake.until(lambda scene: scene.refused_connections)
        fake.clear()
        await fake.connected(30)
    finally:
        await client.leave()
        running.cancel()
        await asyncio.wait({running})


async def test_a_discord_that_is_away_at_first_is_waited_for(
    fake: FakeDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.discord.__main__.BACKOFF_LEAST", 0.05)
    fake.fault("GET", "/users/@me", "reset_before", times=2)
    client = await log_in(_settings(fake), Script(play), no_models, asyncio.Event())
    assert client is not None
    await client.leave()
    tries = [one for one in fake.scene().requests if one["path"].endswith("/users/@me")]
    assert len(tries) == 3


@pytest.mark.usefixtures("hurried")
async def test_two_shards_are_one_bot(fake: FakeDiscord, connect: Connect) -> None:
    fake.portal(shards=2)
    script = Script(play)
    async with connect(script) as client:
        await fake.until(lambda scene: scene.connected == 2)
        fake.says(PERSON, DM, "from a direct message")
        await fake.message(DM, "heard from a direct message")
        asked = fake.slash(
            PERSON, GUILD_CHANNEL_ID, "ask", {"question": "in a server"}, guild=GUILD_ID
        )
        await fake.answer(asked, "heard in a server")
        assert sorted(client.shards) == [0, 1]
    assert len(script.asked) == 2


@asynccontextmanager
async def running(fake: FakeDiscord) -> AsyncIterator[asyncio.Task[str]]:
    """The whole bot in this process. The task's result is its last word."""
    stop = asyncio.Event()

    async def bot(api: BotApi) -> str:
        try:
            await run(_settings(fake), api, stop)
        except SystemExit as end:
            return str(end)
        return ""

    async with served(there_only) as port, BotApi(f"http://127.0.0.1:{port}", "key") as api:
        task = asyncio.ensure_future(bot(api))
        try:
            await fake.connected()
            yield task
        finally:
            stop.set()
            await asyncio.wait({task})


@pytest.mark.usefixtures("hurried")
async def test_an_intent_that_discord_refuses_is_done_without(
    fake: FakeDiscord,
    unused_tcp_port: int,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake.portal(content_intent="shown")
    async with running(fake):
        fake.says(PERSON, DM, "/help")
        await fake.message(DM, "/image")
    # where it is written depends on whether a test before has set up the log
    assert "Message Content Intent" in capsys.readouterr().out + caplog.text


@pytest.mark.usefixtures("hurried")
async def test_a_token_that_discord_takes_back_ends_the_bot(fake: FakeDiscord) -> None:
    async with running(fake) as bot:
        fake.drop(4004)
        assert "DISCORD_BOT_TOKEN is refused" in await asyncio.wait_for(bot, 10)


@pytest.mark.usefixtures("hurried")
async def test_a_connection_that_ends_for_good_is_begun_anew(fake: FakeDiscord) -> None:
    async with running(fake) as bot:
        fake.drop(4012)
        await fake.until(lambda scene: scene.identified == 2 and scene.connected)
        fake.says(PERSON, DM, "/help")
        await fake.message(DM, "/image")
        assert not bot.done()


async def test_waiting_for_discord_ends_with_a_stop(fake: FakeDiscord) -> None:
    stop = asyncio.Event()
    fake.fault("GET", "/users/@me", "reset_before", times=100)
    waiting = asyncio.ensure_future(log_in(_settings(fake), Script(play), no_models, stop))
    await fake.until(
        lambda scene: [one for one in scene.requests if one["path"].endswith("/users/@me")]
    )
    stop.set()
    assert await asyncio.wait_for(waiting, 3) is None


async def test_a_stop_lets_an_answer_finish(fake: FakeDiscord, connect: Connect) -> None:
    began = asyncio.Event()

    async def slowly(chat: Messenger, inbound: Inbound) -> None:
        began.set()
        await chat.busy(inbound.address)
        await chat.show(inbound.address, Reply("finished"))

    async with connect(Script(slowly)):
        fake.says(PERSON, DM, "hello")
        await began.wait()
    assert [one.content for one in fake.scene().by_bot(DM)] == ["finished"]


async def test_the_fake_as_a_process() -> None:
    made = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.fakes.discord",
        "--port",
        "0",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert made.stdout is not None
        line = (await asyncio.wait_for(made.stdout.readline(), 30)).decode()
        driver = FakeDiscord(line.split()[3].rstrip(":"), TOKEN)
        assert driver.says(PERSON, DM, "hello")
        assert [one.content for one in driver.scene().messages] == ["hello"]
        driver.close()
    finally:
        made.kill()
        await made.wait()


def _settings(fake: FakeDiscord) -> BotSettings:
    return BotSettings(
        _env_file=None,
        discord_bot_token=fake.token,
        discord_api_url=fake.api_url,
        data_dir=Path(tempfile.mkdtemp()),
    )
