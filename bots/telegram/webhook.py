"""Updates that Telegram brings, instead of being asked for them, to a small server behind the
operator's proxy."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web
from telegram import Bot
from telegram.error import BadRequest

log = structlog.get_logger()

PATH = "/telegram/updates"
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the name of a header
MOST_BYTES = 4_000_000
CONNECTIONS = 40
READ_SECONDS = 10.0
"""Time for a whole request, from the connection or its first moment on."""
IDLE_SECONDS = 75.0
"""Time for which a proxy may keep a connection open between two requests."""

Take = Callable[[Any], Awaitable[None]]
"""Takes an update over, as Telegram wrote it, and returns when there is room for it."""


class WebhookRefused(Exception):
    """Telegram does not bring updates to this address; the message is its reason."""


class PortTaken(Exception):
    """Nothing can be listened on there; the message is the system's reason."""


class _DeadlineServer(web.Server):
    """An HTTP server that ends each connection whose request is not whole in time: the library
    waits for one for ever."""

    def __init__(self, answer: Callable[[web.BaseRequest], Awaitable[web.Response]]) -> None:
        super().__init__(self._handle, request_factory=self._request)
        self._answer = answer
        self._deadlines: dict[asyncio.BaseTransport | None, asyncio.TimerHandle] = {}

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._end_in(READ_SECONDS, transport)

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self._wait_on(handler.transport)

    async def body(self, request: web.BaseRequest) -> bytes:
        """The request's whole body: from then on it has no deadline."""
        body = await request.read()
        self._wait_on(request.transport)
        return body

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        transport = request.transport
        if transport is not None:
            self._end_in(READ_SECONDS, transport)
        response = await self._answer(request)
        if transport is not None and not transport.is_closing():
            self._end_in(IDLE_SECONDS, transport)
        return response

    def _request(self, *given: Any) -> web.BaseRequest:
        made: Any = web.BaseRequest
        request: web.BaseRequest = made(
            *given, asyncio.get_running_loop(), client_max_size=MOST_BYTES
        )
        return request

    def _end_in(self, seconds: float, transport: asyncio.Transport) -> None:
        self._wait_on(transport)
        loop = asyncio.get_running_loop()
        self._deadlines[transport] = loop.call_later(seconds, self._end, transport)

    def _end(self, transport: asyncio.Transport) -> None:
        self._deadlines.pop(transport, None)
        transport.abort()

    def _wait_on(self, transport: asyncio.BaseTransport | None) -> None:
        deadline = self._deadlines.pop(transport, None)
        if deadline is not None:
            deadline.cancel()


class Webhook:
    """`public_url` is the address for Telegram, `listen` host and port here; the proxy between them
    passes `PATH` on."""

    def __init__(self, bot: Bot, public_url: str, listen: tuple[str, int], take: Take) -> None:
        self._bot = bot
        self._url = public_url.rstrip("/") + PATH
        self._listen = listen
        self._take = take
        # known to whoever has the token, and to nobody else; nothing more to keep or to configure
        self._secret = hmac.new(bot.token.encode(), b"updates", hashlib.sha256).hexdigest()
        self._server: _DeadlineServer | None = None
        self._runner: web.ServerRunner | None = None

    async def open(self) -> int:
        """Listen, and return the port. Raises `PortTaken`."""
        self._server = _DeadlineServer(self._receive)
        self._runner = web.ServerRunner(self._server, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, *self._listen).start()
        except OSError as error:
            raise PortTaken(error.strerror or str(error)) from None
        return int(self._runner.addresses[0][1])

    async def announce(self, kinds: tuple[str, ...]) -> None:
        """Tell Telegram the address. Raises `WebhookRefused`, and `TelegramError` for trouble that
        may pass."""
        try:
            await self._bot.set_webhook(
                self._url,
                max_connections=CONNECTIONS,
                allowed_updates=kinds,
                secret_token=self._secret,
            )
        except BadRequest as error:
            raise WebhookRefused(error.message) from None
        log.info("webhook_set", url=self._url)

    async def close(self) -> None:
        """Stop listening: Telegram keeps updates that it can't bring for a day."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _receive(self, request: web.BaseRequest) -> web.Response:
        assert self._server is not None
        if request.path != PATH or request.method != "POST":
            return web.Response(status=404)
        if not hmac.compare_digest(
            request.headers.get(SECRET_HEADER, "").encode(), self._secret.encode()
        ):
            return web.Response(status=403)
        try:
            raw = json.loads(await self._server.body(request))
        except ValueError:
            return web.Response(status=400)
        await self._take(raw)
        return web.Response()
