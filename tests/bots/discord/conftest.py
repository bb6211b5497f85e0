"""A fake Discord, and the real client connected to it with an answer that the test scripts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from discord.gateway import DiscordWebSocket
from discord.http import Route

from api.catalog.schemas import ModelOut
from api.schemas import Kind
from bots.core.types import Inbound, Messenger
from bots.discord.adapter import Answer, DiscordBot, Suggest, point_at
from client.bot import Who
from tests.fakes.discord import FakeDiscord, running_discord

Connect = Callable[..., AbstractAsyncContextManager[DiscordBot]]


async def no_models(_who: Who, _kinds: Sequence[Kind], _typed: str, _most: int) -> list[ModelOut]:
    return []


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDiscord]:
    """Also puts discord.py back to the real Discord afterwards."""
    monkeypatch.setattr(Route, "BASE", Route.BASE)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", DiscordWebSocket.DEFAULT_GATEWAY)
    with running_discord() as discord:
        yield discord


@pytest.fixture
def connect(fake: FakeDiscord) -> Connect:
    @asynccontextmanager
    async def connected(
        answer: Answer, suggest: Suggest = no_models, **more: Any
    ) -> AsyncIterator[DiscordBot]:
        client = DiscordBot(answer, suggest, point_at(fake.api_url), **more)
        await client.login(fake.token)
        await client.find_gateway(fake.gateway_url, loopback=True)
        running = asyncio.ensure_future(client.connect())
        try:
            await fake.connected()
            yield client
        finally:
            await client.leave()
            running.cancel()
            await asyncio.wait({running})

    return connected


class Script:
    """An answer: remembers what came in, and plays what the test wants."""

    def __init__(self, play: Callable[[Messenger, Inbound], Awaitable[None]] | None = None) -> None:
        self.asked: list[Inbound] = []
        self.play = play

    async def __call__(self, chat: Messenger, inbound: Inbound) -> None:
        self.asked.append(inbound)
        if self.play is not None:
            await self.play(chat, inbound)
