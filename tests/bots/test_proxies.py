"""Telegram and Discord in a network whose only way out is a proxy, with a CA of its own; the api
beside it, without one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from discord.gateway import DiscordWebSocket
from discord.http import Route
from telegram.error import NetworkError

from bots.discord.adapter import DiscordBot, point_at
from bots.telegram import adapter
from bots.telegram.adapter import make_bot
from client.connections import open_async_http
from tests.api.provider.raw_server import http, raw_server
from tests.bots.discord.conftest import Script, no_models
from tests.fakes.discord import running_discord
from tests.fakes.proxy import Proxy, private_certificate, running_proxy
from tests.fakes.telegram import running_telegram

SCHEMES = pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
Behind = Callable[[str, str], AbstractAsyncContextManager[Proxy]]


@pytest.fixture
def behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Behind:
    """A proxy before the server at an address; the environment names it, and the CA."""

    @asynccontextmanager
    async def running(url: str, scheme: str) -> AsyncIterator[Proxy]:
        certificate = private_certificate(tmp_path, "chat.test")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
        monkeypatch.delenv("NO_PROXY", raising=False)
        adapter._tls.cache_clear()
        async with running_proxy(certificate, urlsplit(url).port or 0) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url(scheme))
            yield proxy
        adapter._tls.cache_clear()

    return running


@SCHEMES
async def test_telegram(behind: Behind, scheme: str) -> None:
    with running_telegram() as fake:
        async with behind(fake.api_url, scheme) as proxy:
            bot = make_bot(fake.token, "https://chat.test")
            await bot.initialize()
            await bot.shutdown()
    assert set(proxy.asked) == {"chat.test:443"}


async def test_telegram_says_of_a_proxy_that_is_gone_that_the_network_is(
    behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with behind("http://127.0.0.1:9", "http"):
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        bot = make_bot("1:x", "https://chat.test")
        with pytest.raises(NetworkError):
            await bot.initialize()
        await bot.shutdown()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """discord.py is put back to the real Discord afterwards."""
    monkeypatch.setattr(Route, "BASE", Route.BASE)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", DiscordWebSocket.DEFAULT_GATEWAY)


@SCHEMES
async def test_discord_with_its_gateway(behind: Behind, elsewhere: None, scheme: str) -> None:
    with running_discord() as fake:
        async with behind(fake.api_url, scheme) as proxy:
            client = DiscordBot(Script(), no_models, point_at("https://chat.test/api"))
            await client.login(fake.token)
            await client.find_gateway(
                f"wss://chat.test{urlsplit(fake.gateway_url).path}", loopback=True
            )
            running = asyncio.ensure_future(client.connect())
            await fake.connected()
            await client.leave()
            running.cancel()
            await asyncio.wait({running})
    assert set(proxy.asked) == {"chat.test:443"}


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_discord_says_of_a_proxy_that_refuses_that_no_connection_was_made(
    behind: Behind, elsewhere: None, scheme: str
) -> None:
    async with behind("http://127.0.0.1:9", scheme) as proxy:
        proxy.refuses = True
        client = DiscordBot(Script(), no_models, point_at("https://chat.test/api"))
        with pytest.raises(aiohttp.ClientProxyConnectionError):
            await client.login("a token")
        await client.leave()


async def test_the_api_is_asked_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "socks5://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    async with raw_server(http("{}")) as raw, open_async_http(raw.url) as client:
        assert (await client.get("/")).status_code == 200
