"""Updates that Telegram brings: from the fake, through the bot's own server, to the core."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from bots.settings import BotSettings
from bots.telegram.__main__ import NO_ADDRESS, reachable_for_telegram, run
from bots.telegram.adapter import Answer, TelegramBot, make_bot
from bots.telegram.kept_updates import KeptUpdates
from bots.telegram.webhook import MOST_BYTES, PATH, SECRET_HEADER, PortTaken, WebhookRefused
from client.bot import BotApi
from tests.bots.core.recording_chat import served, there_only
from tests.bots.telegram.conftest import CHAT, USER, Heard, polling
from tests.fakes.telegram import FakeTelegram
from tests.plain_http import PLAIN

SECRET_LINE = f"Host: a\r\nContent-Length: 9\r\n{SECRET_HEADER}: %s".encode()
PUBLIC = "https://ai.example.org/studio"


@asynccontextmanager
async def listening(
    fake: FakeTelegram, answer: Answer, port: int, folder: Path | None = None
) -> AsyncIterator[TelegramBot]:
    fake.settings(webhook_to=f"http://127.0.0.1:{port}")
    telegram = TelegramBot(make_bot(fake.token, fake.api_url), answer, KeptUpdates(folder))
    await telegram.connect()
    task = asyncio.create_task(telegram.listen("https://ai.example.org", ("127.0.0.1", port)))
    await fake.until(
        lambda scene: [one for one in scene.calls_of("setWebhook") if one.status == 200]
    )
    try:
        yield telegram
    finally:
        task.cancel()
        await asyncio.wait({task})
        await telegram.drain()
        await telegram.close()


async def test_updates_are_brought_and_what_was_missed_comes_later(
    fake: FakeTelegram, unused_tcp_port: int
) -> None:
    heard = Heard()
    async with listening(fake, heard, unused_tcp_port):
        fake.user_says(CHAT, USER, "one")
        assert (await heard.next()).text == "one"
    fake.user_says(CHAT, USER, "two")
    async with listening(fake, heard, unused_tcp_port):
        assert (await heard.next()).text == "two"
    await fake.until(lambda scene: scene.waiting_updates == [])
    assert heard.inbounds.empty()
    assert fake.scene().calls_of("getUpdates") == []


async def test_nobody_else_may_bring_updates(fake: FakeTelegram, unused_tcp_port: int) -> None:
    heard = Heard()
    url = f"http://127.0.0.1:{unused_tcp_port}{PATH}"
    said = {
        "message_id": 9,
        "date": 1,
        "chat": {"id": CHAT, "type": "private"},
        "from": {"id": USER, "is_bot": False, "first_name": "P"},
    }
    update = {"update_id": 5, "message": said | {"text": "forged"}}
    async with (
        listening(fake, heard, unused_tcp_port),
        httpx.AsyncClient(trust_env=False, verify=PLAIN) as http,
    ):
        (call,) = fake.scene().calls_of("setWebhook")
        secret = call.params["secret_token"]
        assert fake.token not in secret
        for headers in (
            {},
            {SECRET_HEADER: "guess"},
            {SECRET_HEADER: secret[:-1]},
            {SECRET_HEADER: "ü"},
        ):
            encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
            assert (await http.post(url, json=update, headers=encoded)).status_code == 403
        own = {SECRET_HEADER: secret}
        assert (await http.post(url, content=b"no json", headers=own)).status_code == 400
        with suppress(httpx.TransportError):  # its connection may end before it has sent all
            endless = await http.post(url, content=b" " * (MOST_BYTES + 1), headers=own)
            assert endless.status_code == 413
        # Telegram would bring it again for ever
        assert (await http.post(url, json=[1], headers=own)).status_code == 200
        for _ in range(2):  # Telegram brings an update again when it has not seen the answer
            assert (
                await http.post(
                    url, json={**update, "message": said | {"text": "real"}}, headers=own
                )
            ).status_code == 200
        assert (await heard.next()).text == "real"
    assert heard.inbounds.empty()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /telegram/updates HTTP/1.1\r\nHost: a\r\n",
        b"POST /telegram/updates HTTP/1.1\r\n" + SECRET_LINE + b"\r\n\r\n{",
    ],
)
async def test_a_request_that_never_ends_is_ended(
    fake: FakeTelegram, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr("bots.telegram.webhook.READ_SECONDS", 0.2)
    heard = Heard()
    async with listening(fake, heard, unused_tcp_port):
        (call,) = fake.scene().calls_of("setWebhook")
        reader, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
        secret = call.params["secret_token"].encode()
        writer.write(sent % secret if b"%s" in sent else sent)
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        fake.user_says(CHAT, USER, "still there?")
        assert (await heard.next()).text == "still there?"


async def test_a_connection_that_waits_for_its_next_request_is_kept_and_ends_too(
    fake: FakeTelegram, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.telegram.webhook.READ_SECONDS", 0.2)
    monkeypatch.setattr("bots.telegram.webhook.IDLE_SECONDS", 0.6)
    async with listening(fake, Heard(), unused_tcp_port):
        reader, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
        for _ in range(2):
            writer.write(b"GET /elsewhere HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"404" in await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.3)  # more than a request may take
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_a_bot_that_polls_takes_the_webhook_back(
    fake: FakeTelegram, unused_tcp_port: int
) -> None:
    heard = Heard()
    async with listening(fake, heard, unused_tcp_port):
        pass
    async with polling(fake, heard):
        fake.user_says(CHAT, USER, "hello")
        assert (await heard.next()).text == "hello"
        # and again, when another process sets one while this one polls
        fake.settings(webhook="https://old.example.org/")
        fake.user_says(CHAT, USER, "still there?")
        assert (await heard.next()).text == "still there?"


@pytest.mark.parametrize(
    ("url", "good"),
    [
        (PUBLIC, True),
        ("https://ai.example.org:8443", True),
        ("https://ai.example.org:8080", False),
        ("http://ai.example.org", False),
        (None, False),
    ],
)
async def test_an_address_that_telegram_can_not_reach_is_told_at_the_start(
    fake: FakeTelegram, url: str | None, good: bool
) -> None:
    assert reachable_for_telegram(url) is good
    settings = BotSettings(
        _env_file=None, telegram_bot_token=fake.token, telegram_updates="webhook", public_url=url
    )
    if not good:
        with pytest.raises(SystemExit, match="PUBLIC_URL") as raised:
            await run(settings, None, asyncio.Event())  # type: ignore[arg-type]
        assert str(raised.value) == NO_ADDRESS


async def test_telegrams_no_to_the_address_ends_it_with_its_reason(
    fake: FakeTelegram, unused_tcp_port: int
) -> None:
    telegram = TelegramBot(make_bot(fake.token, fake.api_url), Heard())
    await telegram.connect()
    fake.fault(
        "setWebhook",
        "status",
        status=400,
        description="Bad Request: bad webhook: failed to resolve host",
    )
    with pytest.raises(WebhookRefused, match="failed to resolve host"):
        await asyncio.wait_for(telegram.listen(PUBLIC, ("127.0.0.1", unused_tcp_port)), 10)
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", unused_tcp_port):
        with pytest.raises(PortTaken, match="in use"):
            await telegram.listen(PUBLIC, ("127.0.0.1", unused_tcp_port))
    await telegram.close()


def settings(fake: FakeTelegram, port: int, folder: Path) -> BotSettings:
    return BotSettings(
        _env_file=None,
        data_dir=folder,
        telegram_bot_token=SecretStr(fake.token),
        telegram_api_url=fake.api_url,
        telegram_updates="webhook",
        telegram_webhook_port=port,
        public_url="https://ai.example.org",
    )


async def test_the_process_listens_where_its_settings_say(
    fake: FakeTelegram, unused_tcp_port: int, tmp_path: Path
) -> None:
    port, stop = unused_tcp_port, asyncio.Event()
    fake.settings(webhook_to=f"http://127.0.0.1:{port}")
    async with (
        asyncio.timeout(30),
        served(there_only) as there,
        BotApi(f"http://127.0.0.1:{there}", "key", None) as api,
    ):
        running = asyncio.create_task(run(settings(fake, port, tmp_path), api, stop))
        fake.user_says(CHAT, USER, "/help")
        await fake.message(CHAT, "/image")
        stop.set()
        await asyncio.wait_for(running, 10)
        async with await asyncio.start_server(lambda *_: None, "127.0.0.1", port):
            with pytest.raises(SystemExit, match=f"127.0.0.1:{port}"):
                await run(settings(fake, port, tmp_path), api, asyncio.Event())
        fake.fault(
            "setWebhook",
            "status",
            status=400,
            description="Bad Request: bad webhook: failed to resolve host",
        )
        with pytest.raises(SystemExit, match="failed to resolve host"):
            await run(settings(fake, port, tmp_path), api, asyncio.Event())
