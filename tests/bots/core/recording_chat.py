"""A chat that remembers what it shows, and the real api on a real port to answer from."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
import uvicorn

from api.ids import now
from api.secrets import ensure_secrets
from bots.core.delivery_claims import PumpTimes
from bots.core.delivery_pump import pump
from bots.core.dispatch import answer
from bots.core.types import (
    Address,
    Attachment,
    Doing,
    Inbound,
    Limits,
    Messenger,
    Reply,
    Sender,
    SendFailed,
    ShownMessages,
)
from client.bot import BotApi
from tests.api.harness import Api

PLATFORM = "telegram"
PUBLIC_URL = "https://studio.example.org"
PATIENCE = 30.0
OF_A_TEST = (
    "throttles",
    "links",
    "link_codes",
    "generations",
    "deliveries",
    "platform_files",
    "leases",
    "bot_processes",
    "bot_updates",
    "bot_updates_seen",
)
"""Tables in which one test would meet what another left; everything else belongs to a user, and
each test has its own."""
_USERS = count()
LIMITS = Limits(
    text=4096, caption=1024, photo_bytes=10_000_000, upload_bytes=50_000_000, edit_seconds=0.0
)


@dataclass
class Act:
    """One thing that the chat showed. `edited` is the message it changed, if it did."""

    to: Address
    reply: Reply
    shown: ShownMessages
    edited: str | None


@dataclass
class Stage:
    """A chat platform of the tests' own. `trouble` is asked before each message and may raise
    `SendFailed` or wait."""

    limits: Limits = LIMITS
    acts: list[Act] = field(default_factory=list)
    busy_signs: int = 0
    doing: list[Doing] = field(default_factory=list)
    trouble: Callable[[Address, Reply], Awaitable[None]] | None = None
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def limits_for(self, to: Address) -> Limits:
        return self.limits

    async def show(
        self, to: Address, reply: Reply, replacing: ShownMessages | None = None
    ) -> ShownMessages:
        if self.trouble is not None:
            await self.trouble(to, reply)
        shown = replacing or ShownMessages((f"m{len(self.acts) + 1}",))
        async with self._news:
            self.acts.append(
                Act(to, reply, shown, replacing.message_ids[-1] if replacing else None)
            )
            self._news.notify_all()
        return shown

    async def busy(self, to: Address, doing: Doing = "writing") -> None:
        self.busy_signs += 1
        self.doing.append(doing)

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(true)

    async def until_true(self, true: Callable[[], Awaitable[bool]]) -> None:
        """Asks again and again."""
        async with asyncio.timeout(PATIENCE):
            while not await true():  # noqa: ASYNC110 - it is true elsewhere, where nobody tells
                await asyncio.sleep(0.02)

    async def seen(self, part: str) -> Act:
        """Waits for a message whose text has this in it."""
        await self.until(lambda: any(part in act.reply.text for act in self.acts))
        return next(act for act in self.acts if part in act.reply.text)

    @property
    def last(self) -> Reply:
        return self.acts[-1].reply


def trouble_once(*failures: SendFailed) -> Callable[[Address, Reply], Awaitable[None]]:
    """The next messages fail with these, one each."""
    left = list(failures)

    async def trouble(_to: Address, _reply: Reply) -> None:
        if left:
            raise left.pop(0)

    return trouble


@dataclass
class Place:
    """The running api, the bot's client for it, a chat, and who writes there."""

    api: Api
    url: str
    bot: BotApi
    stage: Stage
    web: httpx.AsyncClient
    updates: int = 0

    def inbound(
        self,
        line: str,
        *,
        person: str = "77",
        chat: str = "77",
        private: bool = True,
        language: str | None = None,
        **more: Any,
    ) -> Inbound:
        """`/image a fox` as a command."""
        self.updates += 1
        name, _, text = line.removeprefix("/").partition(" ")
        address = Address(PLATFORM, chat, message_id=f"u{self.updates}", private=private)
        return Inbound(
            address,
            Sender(person, f"Person {person}", language),
            str(self.updates),
            name,
            text,
            **more,
        )

    async def say(self, line: str, **more: Any) -> list[Reply]:
        """The replies in answer; the last one is the answer."""
        return await self.answer(self.inbound(line, **more))

    async def answer(self, inbound: Inbound) -> list[Reply]:
        before = len(self.stage.acts)
        await answer(self.stage, self.bot, inbound)
        return [act.reply for act in self.stage.acts[before:]]

    async def join(self, person: str = "77", chat: str = "77") -> None:
        """Linked, without the way that leads there and without the notice that says so."""
        user = (await self.web.get("/users/me")).json()["id"]
        query = (
            "INSERT INTO links (platform, platform_user_id, user_id, display_name, chat_id, "
            "created_at) VALUES ($1, $2, $3, $4, $5, $6)"
        )
        await self.api.services.db.execute(
            query, PLATFORM, person, user, f"Person {person}", chat, now()
        )

    async def link(self, person: str = "77", chat: str = "77") -> None:
        code = (await self.web.post("/links/codes", json={"platform": PLATFORM})).json()
        question = (await self.say(f"/link {code['code']}", person=person, chat=chat))[-1]
        yes = question.buttons[0][0]
        await self.say(f"/{yes.action} {yes.value}", person=person, chat=chat)
        confirmed = await self.web.post(f"/links/codes/{code['id']}/confirm")
        assert confirmed.is_success, confirmed.text


@asynccontextmanager
async def pumping(
    chat: Messenger, bot: BotApi, times: PumpTimes | None = None
) -> AsyncIterator[asyncio.Event]:
    """The pump runs meanwhile; the event stops it early."""
    stop = asyncio.Event()
    task = asyncio.create_task(pump(chat, bot, stop, times))
    try:
        yield stop
    finally:
        stop.set()
        await task


@asynccontextmanager
async def served(app: Any, port: int = 0) -> AsyncIterator[int]:
    """The app on a loopback port; it must have been started already."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        config = uvicorn.Config(
            app, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


async def there_only(scope: Any, receive: Any, send: Any) -> None:
    """An api that has started, and knows nobody."""
    status = 200 if scope["path"] == "/healthz" else 401
    problem = (
        b'{"title": "Not signed in", "status": 401, "detail": "No.", "code": "not_authenticated", '
        b'"reason": "bot_credential_wrong"}'
    )
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-length", b"%d" % len(problem))],
        }
    )
    await send({"type": "http.response.body", "body": problem})


@asynccontextmanager
async def entered(api: Api, url: str) -> AsyncIterator[Place]:
    """A place in a running api for one test: nobody is linked, nothing was made, nothing waits, and
    the account is new."""
    await asyncio.gather(*(api.services.db.execute(f"DELETE FROM {table}") for table in OF_A_TEST))
    key = ensure_secrets(api.data_dir).bot_keys[PLATFORM]
    async with BotApi(url, key, PUBLIC_URL) as bot, await api.user(f"ana{next(_USERS)}") as web:
        yield Place(api, url, bot, Stage(), web)


def attachment(data: bytes, content_type: str = "image/png", name: str = "cat.png") -> Attachment:
    async def read() -> bytes:
        return data

    return Attachment(name, content_type, len(data), read)
