"""The Telegram bot: connects, takes updates, answers each in a task of its own, stops."""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import lru_cache
from typing import Any

import httpx
import structlog
from httpx_aiohttp import AiohttpTransport
from telegram import Bot, CallbackQuery, Message, Update
from telegram.error import Conflict, EndPointNotFound, InvalidToken, TelegramError
from telegram.request import HTTPXRequest

from bots.core.commands import resolve
from bots.core.recent import Recent
from bots.core.types import Address, Inbound, Messenger
from bots.telegram.albums import Albums
from bots.telegram.answer_chat import AnswerChat, PressChat, PrivateAnswerChat
from bots.telegram.calls import Retrying
from bots.telegram.chat import TelegramChat
from bots.telegram.inbound import from_messages, from_press, from_stop
from bots.telegram.kept_updates import KeptUpdate, KeptUpdates
from bots.telegram.registration import register
from bots.telegram.webhook import Webhook
from client.proxies import proxy_of

log = structlog.get_logger()

Answer = Callable[[Messenger, Inbound], Awaitable[None]]
"""The core's answer to an inbound: it runs the command and shows its replies. Raises nothing,
except when it is cancelled."""

Moved = Callable[[str, str], Awaitable[None]]
"""Hears that a group has another id from now on."""

POLL_SECONDS = 30
ANSWER_SECONDS = 10
RAW_UPDATES = "get__updates"
"""The library takes the underscores away. Without the second one it would insist on its own
method."""
AT_ONCE = 256
"""Updates in work. More of them wait at Telegram, which keeps them for a day."""
SEEN = 5_000
"""Updates that are recognised when they come again."""
STOP_SECONDS = 1.5
"""Time that a stop leaves to the answers that are being written."""
CONFIRM_SECONDS = 1.0
STOPPED = "stopped_message_generation"
"""The library does not know this kind yet."""
UPDATES = (Update.MESSAGE, Update.CALLBACK_QUERY, STOPPED)
"""Edited messages are not among them: their first version is being made, and making it again would
cost again."""


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Reading the certificates takes tens of milliseconds: once a process."""
    return httpx.create_ssl_context()


def make_bot(token: str, api_url: str, upload_seconds: float = 180) -> Bot:
    """Make the library's bot. An upload of which nothing leaves for `upload_seconds` fails."""
    # otherwise the library warns with every error that bears a time
    os.environ.setdefault("PTB_TIMEDELTA", "1")
    # the proxy is given, so that it is the one that the other processes use; the library would read
    # the environment in its own way
    proxy = proxy_of(api_url)
    return Bot(
        token,
        base_url=f"{api_url}/bot",
        base_file_url=f"{api_url}/file/bot",
        request=HTTPXRequest(
            connect_timeout=10,
            read_timeout=30,
            write_timeout=30,
            pool_timeout=30,
            media_write_timeout=upload_seconds,
            proxy=proxy,
            httpx_kwargs=_own_way(proxy, 64),
        ),
        get_updates_request=HTTPXRequest(
            connect_timeout=10, read_timeout=10, proxy=proxy, httpx_kwargs=_own_way(proxy, 2)
        ),
    )


def _own_way(proxy: str | None, connections: int) -> dict[str, Any]:
    """Return arguments for httpx, whose own connections know proxies of all kinds."""
    limits = httpx.Limits(max_connections=connections)
    own: dict[str, Any] = {"verify": _tls(), "trust_env": False, "limits": limits}
    if proxy is None:
        own["transport"] = _TelegramTransport(limits)
    return own


class _TelegramTransport(httpx.AsyncBaseTransport):
    """Calls by aiohttp, for half of the processor time, except those with files: it would wait for
    ever while nothing of a file leaves."""

    def __init__(self, limits: httpx.Limits) -> None:
        self._calls = AiohttpTransport(verify=_tls(), trust_env=False, limits=limits)
        self._uploads = httpx.AsyncHTTPTransport(verify=_tls(), trust_env=False, limits=limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        has_files = request.headers.get("content-type", "").startswith("multipart/")
        return await (self._uploads if has_files else self._calls).handle_async_request(request)

    async def aclose(self) -> None:
        await self._calls.aclose()
        await self._uploads.aclose()


class Superseded(Exception):
    """Telegram says that another process takes this bot's updates, and it is one of ours."""


class TelegramBot:
    """`chat` may be used once `connect` has returned. `kept` keeps updates until they are answered.
    `superseded` tells whether another process may have become the one that takes updates."""

    def __init__(
        self,
        bot: Bot,
        answer: Answer,
        kept: KeptUpdates | None = None,
        superseded: Callable[[], bool] = lambda: False,
        moved: Moved | None = None,
    ) -> None:
        self.bot = bot
        self._kept = kept or KeptUpdates(None)
        self._superseded = superseded
        self._moved = moved
        self._resumed = False
        self.chat = TelegramChat(bot)
        self._answer = answer
        self._albums = Albums(self._answer_messages)
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._seen: Recent[int, None] = Recent(SEEN)
        self._offset = 0
        self._polled = False
        self._retrying = Retrying()
        self._registering: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Learn the bot's name, trying for ever. Raises `TokenRefused`."""
        await self._retrying.until_done(self.bot.initialize)
        log.info("telegram_connected", username=self.bot.username)

    def introduce(self) -> None:
        """Register commands and introduction, once, while it works already."""
        if self._registering is None:
            registering = Retrying().until_done(lambda: register(self.bot))
            self._registering = asyncio.create_task(registering)

    async def poll(self) -> None:
        """Take updates until cancelled. Raises `TokenRefused`, `Superseded`."""
        self._polled = True
        await self.resume()
        await self._retrying.until_done(self.bot.delete_webhook)
        while True:
            await self._retrying.until_done(self._take_updates)

    async def listen(
        self,
        public_url: str,
        listen: tuple[str, int],
        my_turn: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Have updates brought until cancelled. Of several processes, each of which listens, the
        one whose turn it is tells Telegram. Raises `TokenRefused`, `WebhookRefused`,
        `PortTaken`."""
        webhook = Webhook(self.bot, public_url, listen, self.take)
        try:
            await self.resume()
            await webhook.open()
            if my_turn is not None:
                await my_turn()
                await self.resume()
            await self._retrying.until_done(lambda: webhook.announce(UPDATES))
            await asyncio.Event().wait()
        finally:
            await webhook.close()

    async def _take_updates(self) -> None:
        wanted = {"offset": self._offset, "timeout": POLL_SECONDS, "allowed_updates": UPDATES}
        try:
            # not `get_updates`: there, one update that the library can't read would hold up all
            # others for ever
            updates = await self.bot.do_api_request(
                RAW_UPDATES, wanted, read_timeout=POLL_SECONDS + ANSWER_SECONDS
            )
        except EndPointNotFound:  # what the library makes of a refused token here
            raise InvalidToken from None
        except Conflict as error:
            if "webhook" in error.message:
                await self.bot.delete_webhook()
            elif self._superseded():
                raise Superseded from None
            raise
        await self.take(*updates)
        if updates:
            self._offset = updates[-1]["update_id"] + 1

    async def resume(self) -> None:
        """Begin with the updates in files that earlier processes of this machine had taken and not
        finished; from the second time on, with those of processes that died meanwhile."""
        left = self._kept.inherited if self._resumed else self._kept.left
        self._resumed = True
        await self._begin_again(await left())

    async def adopt(self) -> None:
        """Begin with the updates that processes left that are gone. Raises `ApiError`."""
        await self._begin_again(await self._kept.orphans())

    async def _begin_again(self, left: list[KeptUpdate]) -> None:
        if left:
            log.info("updates_resumed", count=len(left))
        for kept in left:
            update = self._read(kept.raw)
            if update is None:
                await kept.done()
            elif update.update_id in self._seen:
                kept.forget_file()  # begun already: it was kept in both places
            else:
                await self._begin(update, kept)

    async def take(self, *raws: Any) -> None:
        """Begin to answer updates, as Telegram wrote them, each when there is room for one more.
        Those that another process has taken are left to it. From then on a kill loses none."""
        read = [(self._read(raw), raw) for raw in raws]
        new = {
            one.update_id: (one, raw)
            for one, raw in read
            if one is not None and one.update_id not in self._seen
        }
        if new:
            for kept in await self._kept.keep([raw for _, raw in new.values()]):
                await self._begin(new[kept.update_id][0], kept)

    def _read(self, raw: Any) -> Update | None:
        try:
            return Update.de_json(raw, self.bot)
        except (TypeError, ValueError, LookupError, AttributeError):
            log.exception("update_not_understood")
            return None

    async def _begin(self, update: Update, kept: KeptUpdate) -> None:
        await self._slots.acquire()
        if update.update_id in self._seen:
            self._slots.release()
            return
        self._seen[update.update_id] = None
        self._start(self._handle(update, kept)).add_done_callback(lambda _: self._slots.release())

    async def drain(self) -> None:
        """Let running answers end, for a moment, and tell Telegram the updates that are done. Call
        it after `poll` or `listen`, before the api hears the goodbye."""
        self._albums.close()
        confirming = asyncio.create_task(self.confirm())
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            if late:
                log.warning("answers_cut_by_stop", count=len(late))
                await asyncio.wait(late)
        await confirming
        await self._kept.close()

    async def close(self) -> None:
        if self._registering is not None:
            self._registering.cancel()
            await asyncio.wait({self._registering})
        await self.bot.shutdown()

    async def confirm(self) -> None:
        """Tell Telegram the offset, once polling is over: otherwise the last updates would come
        again at the next start."""
        if not self._polled:
            return
        self._polled = False
        with suppress(TelegramError, TimeoutError):
            async with asyncio.timeout(CONFIRM_SECONDS):
                await self.bot.get_updates(offset=self._offset, timeout=0, limit=1)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _handle(self, update: Update, kept: KeptUpdate) -> None:
        """Answer one update. One that is cut in the middle is not done: the next start goes on with
        it."""
        try:
            if update.callback_query is not None:
                await self._answer_press(update.callback_query, kept)
            elif update.message is not None and update.message.media_group_id is not None:
                await self._albums.add(update.message, kept)
            elif update.message is not None:
                await self._answer_messages([update.message], kept)
            elif STOPPED in update.api_kwargs:
                await self._answer_stop(update.api_kwargs[STOPPED], update.update_id)
        except asyncio.CancelledError:
            kept.cut()
            raise
        except Exception:
            log.exception("update_broke", update_id=update.update_id)
        await kept.done()

    async def _answer_messages(self, messages: list[Message], kept: KeptUpdate) -> None:
        if (after := messages[0].migrate_to_chat_id) is not None and self._moved is not None:
            await self._moved(str(messages[0].chat.id), str(after))
            return
        inbound = from_messages(messages, kept.update_id, self.bot)
        if inbound is None:
            return
        command = resolve(inbound.command)
        chat = AnswerChat(self.chat, kept)
        if command is not None and command.secret and not inbound.address.private:
            person = Address(inbound.address.platform, inbound.sender.id)
            chat = PrivateAnswerChat(self.chat, kept, person, personal=command.personal)
        await self._answer(chat, inbound)

    async def _answer_press(self, query: CallbackQuery, kept: KeptUpdate) -> None:
        chat = PressChat(self.chat, kept, query, self.bot.username)
        _ = self._start(chat.acknowledge())
        inbound = from_press(query, kept.update_id, self.bot)
        if inbound is not None:
            await self._answer(chat, inbound)

    async def _answer_stop(self, stopped: object, update_id: int) -> None:
        inbound = from_stop(stopped, update_id)
        if inbound is not None:
            await self._answer(self.chat, inbound)
