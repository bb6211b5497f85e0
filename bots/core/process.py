"""The parts of each chat process beside its adapter: its announcement, its deliveries, its waiting
cards, its stop."""

import asyncio
import signal
from collections.abc import Awaitable
from typing import TypeVar

import structlog

from bots.core.delivery_claims import BACKOFF_LEAST, BACKOFF_MOST
from bots.core.delivery_pump import pump
from bots.core.metrics import METRICS
from bots.core.moving_cards import move_cards
from bots.core.types import Messenger
from bots.settings import BotSettings
from client import calls
from client.bot import BotApi
from client.errors import ApiError
from client.patience import Patience
from client.schemas.links import BotProfileIn

log = structlog.get_logger()

T = TypeVar("T")


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


async def before_stop(stop: asyncio.Event, work: Awaitable[T]) -> T | None:
    """The result of the work, or None when `stop` was set first: then the work is cancelled."""
    doing, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return doing.result() if doing.done() else None
    finally:
        for task in (doing, stopping):
            task.cancel()
        await asyncio.wait({doing, stopping})


async def serve(
    chat: Messenger,
    api: BotApi,
    profile: BotProfileIn,
    stop: asyncio.Event,
    *,
    process: str | None = None,
) -> None:
    """Announce the bot, pump its deliveries and move its cards until `stop` is set. It may start
    before the API does. `process`: its name in its beats."""
    beside = {
        asyncio.create_task(_announce(api, profile)),
        asyncio.create_task(move_cards(chat, api)),
    }
    try:
        async with METRICS.watching_loop():
            await pump(chat, api, stop, process=process)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.wait(beside)


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
