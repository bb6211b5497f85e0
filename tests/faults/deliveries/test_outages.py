"""An api that is away or restarts, and bots that come late: nothing is lost or doubled, and each
chat keeps its order."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from api.deliveries import service
from api.deliveries.store import DeliveryTarget
from api.ids import now
from api.secrets import ensure_secrets
from bots.core.delivery_claims import PumpTimes
from bots.core.delivery_pump import pump
from bots.core.types import Address, Reply
from bots.telegram import calls
from bots.telegram.adapter import make_bot
from bots.telegram.calls import Calls
from bots.telegram.chat import TelegramChat
from client.bot import BotApi
from tests.api.harness import Api, running_api
from tests.bots.core.recording_chat import PLATFORM, Stage, pumping, served
from tests.fakes.telegram import FakeTelegram, running_telegram
from tests.faults.deliveries.waiting_results import QUICK
from tests.sandbox_server import Sandbox, sandbox_server

RESULTS, CHATS = 500, 25
SPEED = 10
"""Factor of the limits that the adapter keeps and the fake enforces: the test takes seconds, not a
minute."""
CHAT = "1001"
EVENT = "generation_failed"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with sandbox_server() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, migrated_duckdb: Path) -> Path:
    shutil.copyfile(migrated_duckdb, tmp_path / "app.duckdb")
    return tmp_path


def running(folder: Path, sandbox: Sandbox) -> AbstractAsyncContextManager[Api]:
    return running_api(
        folder, sandbox, refresh=False, database_url=f"duckdb://{folder / 'app.duckdb'}"
    )


async def tell(api: Api, *names: str) -> None:
    async with api.services.db.transaction() as sql:
        for name in names:
            await api.services.outbox.notify(
                sql,
                platform=PLATFORM,
                chat_id=CHAT,
                code="linked",
                facts={"account_hint": f"<{name}>"},
            )
    api.services.outbox.ring(PLATFORM)


async def all_done(api: Api, count: int, seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while True:
            row = await api.services.db.fetch_one(
                "SELECT count(*) AS n FROM deliveries WHERE state = 'done'"
            )
            if row is not None and row["n"] == count:
                return
            await asyncio.sleep(0.1)


def shown(stage: Stage) -> list[str]:
    return [act.reply.text.split("<")[1].split(">")[0] for act in stage.acts]


@contextmanager
def logged(event: str, times: int = 1) -> Iterator[asyncio.Event]:
    """Yield an event that is set once the bot has logged `event` so often."""
    before, done, left = structlog.get_config()["processors"], asyncio.Event(), [None] * times

    def watch(
        _logger: object, _name: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        if line["event"] == event and left:
            left.pop()
        if not left:
            done.set()
        return line

    structlog.configure(processors=[watch, *before])
    try:
        yield done
    finally:
        structlog.configure(processors=before)


async def test_an_api_that_is_away_for_a_while_only_makes_them_wait(
    folder: Path, sandbox: Sandbox
) -> None:
    stage = Stage()
    async with running(folder, sandbox) as api:
        key = ensure_secrets(api.data_dir).bot_keys[PLATFORM]
        async with served(api.app) as port:
            pass
        async with BotApi(f"http://127.0.0.1:{port}", key) as bot, pumping(stage, bot, QUICK):
            async with served(api.app, port):
                await tell(api, "a", "b")
                await all_done(api, 2)
            with logged("claim_failed", 4) as asked:
                await tell(api, "c", "d", "e")
                await asked.wait()
            assert shown(stage) == ["a", "b"]
            async with served(api.app, port):
                await all_done(api, 5)
    assert shown(stage) == list("abcde")


async def test_an_api_that_starts_anew_while_a_result_is_being_sent(
    folder: Path, sandbox: Sandbox
) -> None:
    """It frees all leases, and the bot gets a delivery that it knows to be sending already."""
    stage, sending, gate = Stage(), asyncio.Event(), asyncio.Event()

    async def slow(_to: Address, _reply: Reply) -> None:
        sending.set()
        await gate.wait()

    stage.trouble = slow
    async with running(folder, sandbox) as api:
        key = ensure_secrets(api.data_dir).bot_keys[PLATFORM]
        async with served(api.app) as port:
            pass
    # no beat: one that came first would only renew the lease
    async with (
        BotApi(f"http://127.0.0.1:{port}", key) as bot,
        pumping(stage, bot, replace(QUICK, beat=60.0)),
    ):
        async with running(folder, sandbox) as api, served(api.app, port):
            await tell(api, "a")
            await sending.wait()
        async with running(folder, sandbox) as api, served(api.app, port):
            async with asyncio.timeout(30):
                while (await _first(api))["attempt"] < 2:  # noqa: ASYNC110  (rows in a database ring no bell)
                    await asyncio.sleep(0.02)
            gate.set()
            await all_done(api, 1)
    assert shown(stage) == ["a"]


async def _first(api: Api) -> dict[str, Any]:
    row = await api.services.db.fetch_one(
        "SELECT attempt, due_at FROM deliveries ORDER BY id LIMIT 1"
    )
    assert row is not None
    return dict(row)


async def test_an_ack_that_the_api_never_heard_is_told_at_the_next_claim(
    folder: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "LEASE", timedelta(seconds=1))
    stage, down = Stage(), asyncio.Event()
    impatient = PumpTimes(claim=5.0, settle=0.1, backoff_least=0.02, backoff_most=0.1)
    async with running(folder, sandbox) as api:
        key = ensure_secrets(api.data_dir).bot_keys[PLATFORM]
        async with served(api.app) as port:
            pass
        leaving = asyncio.Event()

        async def goes(_to: Address, _reply: Reply) -> None:
            leaving.set()
            await down.wait()

        stage.trouble = goes
        async with BotApi(f"http://127.0.0.1:{port}", key) as bot, pumping(stage, bot, impatient):
            async with served(api.app, port):
                await tell(api, "a")
                await leaving.wait()
            with logged("delivery_not_settled") as kept:
                down.set()
                await kept.wait()
            assert shown(stage) == ["a"]
            async with served(api.app, port):
                await all_done(api, 1)
    assert shown(stage) == ["a"]


async def test_a_long_upload_keeps_its_lease(folder: Path, sandbox: Sandbox) -> None:
    """A lease that is always renewed before its end never ends."""
    stage, sending, gate = Stage(), asyncio.Event(), asyncio.Event()

    async def slow(_to: Address, _reply: Reply) -> None:
        sending.set()
        await gate.wait()

    stage.trouble = slow
    async with running(folder, sandbox) as api, served(api.app) as port:
        key = ensure_secrets(api.data_dir).bot_keys[PLATFORM]
        async with (
            BotApi(f"http://127.0.0.1:{port}", key) as bot,
            pumping(stage, bot, PumpTimes(claim=5.0, beat=0.05)),
        ):
            await tell(api, "a")
            await sending.wait()
            async with asyncio.timeout(30):
                for _ in range(3):
                    ends = (await _first(api))["due_at"]
                    while (await _first(api))["due_at"] <= ends:  # noqa: ASYNC110  (rows in a database ring no bell)
                        await asyncio.sleep(0.02)
            assert (await _first(api))["attempt"] == 1
            gate.set()
            await all_done(api, 1)
    assert shown(stage) == ["a"]


@pytest.fixture
def fake() -> Iterator[FakeTelegram]:
    with running_telegram() as telegram:
        telegram.settings(speed=SPEED)
        yield telegram


@pytest.fixture
async def chat(fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TelegramChat]:
    for name in ("EVERYWHERE", "PRIVATE", "GROUP"):
        rate = getattr(calls, name)
        monkeypatch.setattr(calls, name, calls.CallRate(rate.seconds / SPEED, rate.burst))
    bot = make_bot(fake.token, fake.api_url)
    await bot.initialize()
    yield TelegramChat(bot, Calls(calls.RateLimits()))
    await bot.shutdown()


async def test_five_hundred_results_after_an_hour_go_out_in_order_under_the_limits(
    folder: Path, sandbox: Sandbox, fake: FakeTelegram, chat: TelegramChat
) -> None:
    chats = [str(2001 + number) for number in range(CHATS)]
    for chat_id in chats:
        fake.user_says(int(chat_id), int(chat_id), "/video waves")
    async with running(folder, sandbox) as api, served(api.app) as port, await api.user() as ana:
        await _failed_results(api, (await ana.get("/users/me")).json()["id"], chats)
        key, stop = ensure_secrets(api.data_dir).bot_keys[PLATFORM], asyncio.Event()
        async with BotApi(f"http://127.0.0.1:{port}", key) as bot:
            pumped = asyncio.create_task(pump(chat, bot, stop))
            await all_done(api, RESULTS, seconds=120)
            stop.set()
            await pumped
    scene = fake.scene()
    for chat_id in chats:
        told = [one.text.split()[2] for one in scene.by_bot(int(chat_id))]
        assert told == sorted(told)
        assert len(set(told)) == len(told) == RESULTS // CHATS
    assert {one.status for one in scene.calls_of("sendMessage")} == {200}, (
        "Telegram had to ask for quiet"
    )
    assert scene.ignored_floods == 0


async def _failed_results(api: Api, user_id: str, chats: list[str]) -> None:
    """Insert jobs that failed an hour ago, one after another in all chats: the first is written,
    the others are copies of it."""
    db, at = api.services.db, now() - timedelta(hours=1)
    row = {
        "id": "job-0000", "short_id": "r000000", "user_id": user_id, "chat_id": chats[0],
        "kind": "video", "mode": "text_to_video", "model": "m", "model_name": "Model",
        "prompt": "waves", "options_json": "{}", "inputs_json": "[]", "estimate_micro": 1,
        "status": "failed", "phase": "done", "attempt": 0, "rescues": 0, "tries": 0,
        "callback_token": "0", "nudges": 0, "hold_id": "h", "sandbox": True,
        "source": "telegram", "platform": "telegram", "favourite": False,
        "error_code": "timed_out", "error_message": "Late.", "run_at": at, "created_at": at,
    }  # fmt: skip
    places = ", ".join(f"${place}" for place in range(1, len(row) + 1))
    await db.execute(f"INSERT INTO generations ({', '.join(row)}) VALUES ({places})", *row.values())
    async with db.transaction() as sql:
        await api.services.outbox.announce(
            sql,
            "job-0000",
            DeliveryTarget("telegram", chats[0], private=True, user_id=user_id),
            EVENT,
        )
    await db.execute(
        "UPDATE deliveries SET id = 'd0000', created_at = $1, due_at = $1, since_at = $1", at
    )
    chat = f"(CAST({chats[0]} AS BIGINT) + n % {CHATS})::TEXT AS chat_id"
    number = "lpad(n::TEXT, 4, '0')"
    job = (
        f"'job-' || {number} AS id, 'r00' || {number} AS short_id, "
        f"{number} AS callback_token, {chat}"
    )
    told = (
        f"'d' || {number} AS id, {number} AS dedupe_key, "
        f"'job-' || {number} AS generation_id, {chat}"
    )
    for table, new in (("generations", job), ("deliveries", told)):
        await db.execute(
            f"INSERT INTO {table} SELECT one.* REPLACE ({new}) "
            f"FROM {table} AS one, range(1, {RESULTS}) AS numbers(n)"
        )
