"""Updates that Telegram brings, instead of being asked for them, to a small server behind the
operator's proxy."""

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

Take = Callable[[Any], Awaitable[None]]
"""Takes an update over, as Telegram wrote it, and returns when there is room for it."""


class WebhookRefused(Exception):
    """Telegram does not bring updates to this address; the message is its reason."""


class PortTaken(Exception):
    """Nothing can be listened on there; the message is the system's reason."""


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
        self._runner: web.AppRunner | None = None

    async def open(self) -> int:
        """Listen, and return the port. Raises `PortTaken`."""
        app = web.Application(client_max_size=MOST_BYTES)
        app.router.add_post(PATH, self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
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

    async def _receive(self, request: web.Request) -> web.Response:
        if not hmac.compare_digest(
            request.headers.get(SECRET_HEADER, "").encode(), self._secret.encode()
        ):
            return web.Response(status=403)
        try:
            raw = json.loads(await request.read())
        except ValueError:
            return web.Response(status=400)
        await self._take(raw)
        return web.Response()
