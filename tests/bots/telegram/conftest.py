"""Real python-telegram-bot against the fake Telegram over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bots.core.types import Address, Inbound, Messenger
from bots.telegram.adapter import Answer, TelegramBot, make_bot
from bots.telegram.chat import TelegramChat
from bots.telegram.kept_updates import KeptUpdates
from tests.fakes.telegram import FakeTelegram, running_telegram

CHAT, GROUP, USER = 1001, -100200300, 77


@pytest.fixture
def fake() -> Iterator[FakeTelegram]:
    with running_telegram() as running:
        yield running


@pytest.fixture
async def chat(fake: FakeTelegram) -> AsyncIterator[TelegramChat]:
    """A chat whose bot knows CHAT and GROUP, without a poller."""
    fake.user_says(CHAT, USER, "hello")
    fake.user_says(GROUP, USER, "/hello", private=False, forum=True, thread_id=5)
    bot = make_bot(fake.token, fake.api_url)
    await bot.initialize()
    yield TelegramChat(bot)
    await bot.shutdown()


def place(chat_id: int = CHAT, *, thread: str | None = None, message: int | None = None) -> Address:
    return Address(
        "telegram",
        str(chat_id),
        thread,
        None if message is None else str(message),
        private=chat_id > 0,
    )


class Heard:
    """Stands where the core is: keeps what arrives, and answers as it was told."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.inbounds: asyncio.Queue[Inbound] = asyncio.Queue()
        self._answer = answer

    async def __call__(self, chat: Messenger, inbound: Inbound) -> None:
        self.inbounds.put_nowait(inbound)
        if self._answer is not None:
            await self._answer(chat, inbound)

    async def next(self) -> Inbound:
        return await asyncio.wait_for(self.inbounds.get(), 10)


@asynccontextmanager
async def polling(
    fake: FakeTelegram, answer: Answer, folder: Path | None = None
) -> AsyncIterator[TelegramBot]:
    telegram = TelegramBot(make_bot(fake.token, fake.api_url), answer, KeptUpdates(folder))
    await telegram.connect()
    telegram.introduce()
    task = asyncio.create_task(telegram.poll())
    try:
        yield telegram
    finally:
        task.cancel()
        await asyncio.wait({task})
        await telegram.drain()
        await telegram.close()
