"""What every chat process does beside its adapter: announce itself, pump deliveries, stop on a
signal."""

import asyncio
import signal

import structlog

from bots.core.delivery_pump import pump
from bots.core.outbox import BACKOFF_LEAST, BACKOFF_MOST
from bots.core.types import Chat
from bots.settings import BotSettings
from client import calls
from client.bot import BotApi
from client.errors import ApiError
from client.patience import Patience
from client.schemas.links import BotProfileIn

log = structlog.get_logger()


def open_api(settings: BotSettings, patience: Patience | None = None) -> BotApi:
    """Raises `SystemExit` with a sentence when there is no credential."""
    if settings.bot_key is None:
        raise SystemExit(
            "BOT_KEY is not set: start the bots with ./run, which gives each its credential."
        )
    return BotApi(
        settings.api_url, settings.bot_key.get_secret_value(), settings.public_url, patience
    )


def stop_on_signals() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set. Call it in the running loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    return stop


async def serve(chat: Chat, api: BotApi, profile: BotProfileIn, stop: asyncio.Event) -> None:
    """Announces the bot and pumps its deliveries until `stop` is set. Starts well before the api
    does, too."""
    announcing = asyncio.create_task(_announce(api, profile))
    try:
        await pump(chat, api, stop)
    finally:
        announcing.cancel()
        await asyncio.wait({announcing})


async def _announce(api: BotApi, profile: BotProfileIn) -> None:
    pause = BACKOFF_LEAST
    while True:
        try:
            await api.send(calls.profile(profile))
        except ApiError as error:
            log.warning("not_announced", code=error.code, detail=error.detail, again_in=pause)
        else:
            log.info("announced", name=profile.name)
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, BACKOFF_MOST)
