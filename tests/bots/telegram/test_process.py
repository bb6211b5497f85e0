"""The process as the supervisor runs it, and its polling on bad days."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from bots.core import texts
from bots.core.types import Inbound, Messenger, Reply
from bots.telegram import adapter, calls
from bots.telegram.adapter import Superseded, TelegramBot, make_bot
from bots.telegram.calls import TokenRefused
from tests.bots.core.recording_chat import served, there_only
from tests.bots.core.samples import told
from tests.bots.telegram.conftest import CHAT, USER, Heard, polling
from tests.fakes.telegram import FakeTelegram
from tests.plain_http import PLAIN

ROOT = Path(__file__).resolve().parents[3]
ANOTHER_TOKEN = "424242:AAAnotherTokenThatNobodyKnows0123456789"


@asynccontextmanager
async def process(
    fake: FakeTelegram, port: int, folder: Path, token: str | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The bot; its api is at this port, or not."""
    env = {
        "PATH": os.environ["PATH"],
        "API_URL": f"http://127.0.0.1:{port}",
        "BOT_KEY": "key",
        "DATA_DIR": str(folder),
        "TELEGRAM_BOT_TOKEN": fake.token if token is None else token,
        "TELEGRAM_API_URL": fake.api_url,
    }
    made = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bots.telegram",
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


async def output(bot: asyncio.subprocess.Process) -> str:
    assert bot.stdout is not None
    return (await bot.stdout.read()).decode()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
async def test_it_goes_on_when_the_api_goes_away_and_stops_on_a_signal(
    fake: FakeTelegram, tmp_path: Path, sent: signal.Signals
) -> None:
    async with AsyncExitStack() as up:
        port = await up.enter_async_context(served(there_only))
        async with process(fake, port, tmp_path) as bot:
            await fake.polling(30)
            await up.aclose()
            fake.user_says(CHAT, USER, "/help@fake_bot")
            await fake.message(CHAT, "/image")
            fake.fault("sendMessage", "status", status=500)
            fake.user_says(CHAT, USER, "why?")
            await fake.message(CHAT, texts.still_waiting())
            before = time.monotonic()
            bot.send_signal(sent)
            assert await asyncio.wait_for(bot.wait(), 20) == 0
            # Three seconds are promised; a slow machine gets more, the waits that a stop must cut
            # short are longer still.
            assert time.monotonic() - before < 8
            said = await output(bot)
    assert fake.scene().waiting_updates == []
    (kept,) = (tmp_path / "telegram").rglob("*.json")
    assert "why?" in kept.read_text()
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert "Traceback" not in said
    assert fake.token not in said
    assert "telegram_connected" in said


async def test_nothing_is_taken_from_telegram_before_the_api_is_there(
    fake: FakeTelegram, unused_tcp_port: int, tmp_path: Path
) -> None:
    for number in range(10):
        fake.user_says(CHAT + number, USER + number, "why?")
    async with process(fake, unused_tcp_port, tmp_path) as bot:
        assert bot.stdout is not None
        while b"api_away" not in await asyncio.wait_for(bot.stdout.readline(), 30):
            pass
        assert not fake.scene().calls_of("getUpdates")
        async with served(there_only, unused_tcp_port):
            for number in range(10):
                await fake.message(CHAT + number, told("not_authenticated", "bot_credential_wrong"))
    assert len(fake.scene().by_bot()) == 10
    assert not list((tmp_path / "telegram").rglob("*.json"))


async def test_a_wrong_token_is_one_line(
    fake: FakeTelegram, unused_tcp_port: int, tmp_path: Path
) -> None:
    async with process(fake, unused_tcp_port, tmp_path, token=ANOTHER_TOKEN) as bot:
        assert await asyncio.wait_for(bot.wait(), 30) != 0
        said = await output(bot)
    assert said.splitlines() == [
        (
            "TELEGRAM_BOT_TOKEN is refused by Telegram: it should be the token that @BotFather "
            "gave "
            "for the bot."
        )
    ]


async def test_a_missing_token_is_one_line(
    fake: FakeTelegram, unused_tcp_port: int, tmp_path: Path
) -> None:
    async with process(fake, unused_tcp_port, tmp_path, token="") as bot:
        assert await asyncio.wait_for(bot.wait(), 30) != 0
        assert (await output(bot)).startswith("TELEGRAM_BOT_TOKEN is not set")


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "BACKOFF_LEAST", 0.01)
    monkeypatch.setattr(calls, "BACKOFF_MOST", 0.05)


@pytest.mark.usefixtures("short_pauses")
async def test_telegram_away_at_start_is_waited_for(fake: FakeTelegram) -> None:
    await asyncio.to_thread(fake.away)
    telegram = TelegramBot(make_bot(fake.token, fake.api_url), Heard())
    with capture_logs() as logged:
        connecting = asyncio.create_task(telegram.connect())
        await asyncio.wait({connecting}, timeout=0.3)
        fake.away(False)
        await asyncio.wait_for(connecting, 20)
    await telegram.close()
    assert [one["event"] for one in logged] == [
        "telegram_unreachable",
        "telegram_well_again",
        "telegram_connected",
    ]


@pytest.mark.usefixtures("short_pauses")
async def test_polling_survives_bad_answers_and_a_webhook(fake: FakeTelegram) -> None:
    heard = Heard()
    fake.settings(webhook="https://example.org/old")
    for kind in ("status", "reset_before", "reset_after"):
        fake.fault("getUpdates", kind, times=2)
    async with polling(fake, heard):
        fake.user_says(CHAT, USER, "still there?")
        assert (await heard.next()).text == "still there?"
    assert heard.inbounds.empty()


@pytest.mark.usefixtures("short_pauses")
async def test_another_poller_is_named_once_and_outlived(fake: FakeTelegram) -> None:
    heard = Heard()
    fake.settings(conflict_seconds=0.1)
    with capture_logs() as logged:
        async with (
            polling(fake, heard),
            httpx.AsyncClient(base_url=f"{fake.api_url}/bot{fake.token}", verify=PLAIN) as other,
        ):
            for _ in range(3):
                before = len(fake.scene().calls_of("getUpdates"))
                await fake.until(
                    lambda scene, seen=before: (  # type: ignore[misc]
                        len(scene.calls_of("getUpdates")) > seen
                    )
                )
                await other.post("/getUpdates", json={"timeout": 0})
            fake.user_says(CHAT, USER, "who hears me?")
            assert (await heard.next()).text == "who hears me?"
    assert [one["event"] for one in logged if one["log_level"] in {"error", "warning"}] == [
        "telegram_conflict"
    ]


async def test_a_poller_that_another_of_ours_may_have_followed_yields(fake: FakeTelegram) -> None:
    telegram = TelegramBot(make_bot(fake.token, fake.api_url), Heard(), superseded=lambda: True)
    await telegram.connect()
    taking = asyncio.create_task(telegram.poll())
    await fake.polling()
    async with httpx.AsyncClient(base_url=f"{fake.api_url}/bot{fake.token}", verify=PLAIN) as other:
        await other.post("/getUpdates", json={"timeout": 0})
        with pytest.raises(Superseded):
            await asyncio.wait_for(taking, 10)
    await telegram.close()


async def test_token_revoked_while_polling_ends_it(fake: FakeTelegram) -> None:
    telegram = TelegramBot(make_bot(fake.token, fake.api_url), Heard())
    await telegram.connect()
    fake.fault("getUpdates", "status", status=401, description="Unauthorized")
    with pytest.raises(TokenRefused) as raised:
        await asyncio.wait_for(telegram.poll(), 10)
    await telegram.close()
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


async def test_one_slow_answer_does_not_hold_up_another(fake: FakeTelegram) -> None:
    quick_done = asyncio.Event()

    async def answer(chat: Messenger, inbound: Inbound) -> None:
        if inbound.text == "slow":
            await quick_done.wait()
        await chat.show(inbound.address, Reply(f"{inbound.text} done"))

    async with polling(fake, answer):
        fake.user_says(CHAT, USER, "slow")
        fake.user_says(CHAT + 1, USER + 1, "quick")
        await fake.message(CHAT + 1, "quick done")
        quick_done.set()
        await fake.message(CHAT, "slow done")


async def test_answer_that_breaks_is_logged_and_leaves_the_rest_alone(fake: FakeTelegram) -> None:
    async def answer(chat: Messenger, inbound: Inbound) -> None:
        if inbound.text == "break":
            raise RuntimeError(inbound.text)
        await chat.show(inbound.address, Reply("well"))

    with capture_logs() as logged:
        async with polling(fake, answer):
            fake.user_says(CHAT, USER, "break")
            fake.user_says(CHAT, USER, "next")
            await fake.message(CHAT, "well")
    assert "update_broke" in [one["event"] for one in logged]


@pytest.mark.parametrize("patient", [True, False])
async def test_stop_lets_answers_end_but_not_for_ever(
    fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch, patient: bool
) -> None:
    monkeypatch.setattr(adapter, "STOP_SECONDS", 10.0 if patient else 0.01)
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), []

    async def answer(_chat: Messenger, _inbound: Inbound) -> None:
        begun.set()
        try:
            await go_on.wait()
            ended.append("done")
        except asyncio.CancelledError:
            ended.append("cut")
            raise

    async with polling(fake, answer):
        fake.user_says(CHAT, USER, "slow")
        await begun.wait()
        asyncio.get_running_loop().call_later(0.05 if patient else 60, go_on.set)
    assert ended == ["done" if patient else "cut"]


async def test_updates_taken_last_do_not_come_again(fake: FakeTelegram) -> None:
    first, second = Heard(), Heard()
    async with polling(fake, first):
        await fake.polling()
        fake.fault("getUpdates", "hang_before")  # meets the next one, which would have confirmed
        fake.user_says(CHAT, USER, "one")
        await first.next()
    async with polling(fake, second):
        fake.user_says(CHAT, USER, "two")
        assert (await second.next()).text == "two"
    assert second.inbounds.empty()
