"""The way of updates: connect, poll, hand each one to the core in a task of its own, stop."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import httpx
import structlog
from telegram import Bot, BotCommand, BotCommandScopeAllPrivateChats, CallbackQuery, Update
from telegram.error import BadRequest, Conflict, InvalidToken, RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from bots.core.commands import COMMANDS
from bots.core.types import Chat, Inbound
from bots.telegram.chat import TelegramChat
from bots.telegram.inbound import to_inbound

log = structlog.get_logger()

Answer = Callable[[Chat, Inbound], Awaitable[None]]
"""Runs a command and shows its replies; never raises, but for being cancelled."""

POLL_SECONDS = 30
AT_ONCE = 256
"""Updates in work. Beyond that the rest waits at Telegram, which keeps it for a day."""
STOP_SECONDS = 1.5
"""What is being answered when the bot stops gets this long."""
CONFIRM_SECONDS = 1.0
BACKOFF_LEAST, BACKOFF_MOST = 0.5, 30.0
UPDATES = (Update.MESSAGE, Update.CALLBACK_QUERY)


class TokenRefused(Exception):
    """Telegram does not know this token. The library's own error quotes it, so that one must not be chained."""


def make_bot(token: str, api_url: str) -> Bot:
    # otherwise the library warns with every error that bears a time
    os.environ.setdefault("PTB_TIMEDELTA", "1")
    trust = {"verify": httpx.create_ssl_context()}
    return Bot(
        token,
        base_url=f"{api_url}/bot",
        base_file_url=f"{api_url}/file/bot",
        request=HTTPXRequest(
            connection_pool_size=64,
            connect_timeout=10,
            read_timeout=30,
            write_timeout=30,
            pool_timeout=30,
            media_write_timeout=180,
            httpx_kwargs=trust,
        ),
        get_updates_request=HTTPXRequest(connection_pool_size=2, connect_timeout=10, read_timeout=10, httpx_kwargs=trust),
    )


class Telegram:
    """One bot on Telegram. `chat` may be used once `connect` has returned."""

    def __init__(self, bot: Bot, answer: Answer) -> None:
        self.bot = bot
        self.chat = TelegramChat(bot)
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._offset = 0
        self._trouble: str | None = None

    async def connect(self) -> None:
        """Learns who the bot is and registers its commands; tries for ever. Raises `TokenRefused`."""
        await self._until_done(self._connect)
        log.info("telegram_connected", username=self.bot.username)

    async def _connect(self) -> None:
        await self.bot.initialize()
        await self.bot.delete_webhook()
        listed = [one for one in COMMANDS if one.listed]
        private = [BotCommand(one.name, one.description) for one in listed]
        anywhere = [BotCommand(one.name, one.description) for one in listed if not one.private_only]
        try:
            await self.bot.set_my_commands(anywhere)
            await self.bot.set_my_commands(private, scope=BotCommandScopeAllPrivateChats())
        except BadRequest as error:
            log.warning("commands_refused", reason=error.message)

    async def poll(self) -> None:
        """Takes updates for ever, until cancelled. Raises `TokenRefused`."""
        while True:
            await self._until_done(self._take_updates)

    async def _take_updates(self) -> None:
        updates = await self.bot.get_updates(offset=self._offset, timeout=POLL_SECONDS, allowed_updates=UPDATES)
        for update in updates:
            await self._slots.acquire()
            self._offset = update.update_id + 1
            self._start(self._handle(update)).add_done_callback(lambda _: self._slots.release())

    async def drain(self) -> None:
        """Lets what is being answered end, for a moment, and tells Telegram which updates are done. Call it after `poll` has ended."""
        confirming = asyncio.create_task(self._confirm())
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            if late:
                log.warning("answers_cut_by_stop", count=len(late))
                await asyncio.wait(late)
        await confirming

    async def close(self) -> None:
        await self.bot.shutdown()

    async def _confirm(self) -> None:
        """Without this, the updates taken last would come once more after the next start."""
        with suppress(TelegramError, TimeoutError):
            async with asyncio.timeout(CONFIRM_SECONDS):
                await self.bot.get_updates(offset=self._offset, timeout=0, limit=1)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _handle(self, update: Update) -> None:
        if update.callback_query is not None:
            _ = self._start(self._acknowledge(update.callback_query))
        try:
            inbound = to_inbound(update, self.bot)
            if inbound is not None:
                await self._answer(self.chat, inbound)
        except Exception:
            log.exception("update_broke", update_id=update.update_id)

    async def _acknowledge(self, query: CallbackQuery) -> None:
        """Ends the button's waiting sign. Telegram refuses late answers, and nothing depends on this one."""
        try:
            await self.bot.answer_callback_query(query.id)
        except TelegramError as error:
            log.info("press_not_acknowledged", reason=type(error).__name__)

    async def _until_done(self, work: Callable[[], Awaitable[None]]) -> None:
        """Repeats what fails with growing pauses, and logs each kind of trouble once."""
        pause = BACKOFF_LEAST
        while True:
            try:
                await work()
            except InvalidToken:
                raise TokenRefused from None
            except TelegramError as error:
                pause = self._pause(error, pause)
                self._tell(error, pause)
                await asyncio.sleep(pause)
            else:
                if self._trouble is not None:
                    log.info("telegram_well_again")
                self._trouble = None
                return

    @staticmethod
    def _pause(error: TelegramError, last: float) -> float:
        if isinstance(error, RetryAfter):
            asked = error.retry_after
            return float(asked) if isinstance(asked, int) else asked.total_seconds()
        return min(last * 2, BACKOFF_MOST)

    def _tell(self, error: TelegramError, pause: float) -> None:
        kind = type(error).__name__
        if kind == self._trouble:
            return
        self._trouble = kind
        if isinstance(error, Conflict):
            log.error("telegram_conflict", reason="another process takes this bot's updates: stop it, or give this bot its own token")
        else:
            log.warning("telegram_unreachable", reason=error.message[:200], again_in=pause)
