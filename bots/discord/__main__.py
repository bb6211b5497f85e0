"""The Discord bot's process."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial

import aiohttp
import discord
import structlog

from bots.core.dispatch import answer
from bots.core.metrics import METRICS
from bots.core.model_suggestions import Suggestions
from bots.core.presence import Presence, PresenceTimes
from bots.core.process import before_stop, open_api, serve, stop_on_signals
from bots.core.process_slot import take_slot
from bots.core.types import Inbound, Messenger, SendFailed
from bots.discord.adapter import Answer, DiscordBot, Suggest, point_at
from bots.discord.shards import Shards
from bots.settings import BotSettings
from client.bot import BotApi
from client.schemas.links import BotProfileIn
from telemetry.exporter import exporter

log = structlog.get_logger()

FOLDER = "discord"
BACKOFF_LEAST, BACKOFF_MOST = 1.0, 60.0
SHARDS_WRONG = (4010, 4011)
"""Discord's codes for a shard that there is not, and for too few of them."""
TOO_FEW_SHARDS = (
    "Discord refuses DISCORD_SHARDS={}, because this bot is in too many servers for so few shards: "
    "set DISCORD_SHARDS=auto, and start all Discord processes again."
)
NOT_SET = (
    "DISCORD_BOT_TOKEN is not set: it should be the token from the Discord developer "
    "portal, page Bot."
)
LONG_SECONDS = 300.0
"""A connection of this length was a good one: the next try comes at once."""
NO_CONTENT = (
    "Discord refuses the Message Content Intent, although the application has it: check it in the "
    "developer portal, page Bot. "
    "Going on without: in servers, only messages that mention the bot are heard."
)
REFUSED = (
    "DISCORD_BOT_TOKEN is refused by Discord: it should be the token from the Discord "
    "developer portal, page Bot."
)


async def run(
    settings: BotSettings, api: BotApi, stop: asyncio.Event, times: PresenceTimes | None = None
) -> None:
    """Run until `stop` is set. Raises `SystemExit` with one sentence for trouble that only the
    operator can mend."""
    presence = Presence(api, take_slot(settings.data_dir / FOLDER), times=times)
    there = asyncio.create_task(_be_there(api, presence))
    try:
        await _run(settings, api, presence, stop)
    finally:
        there.cancel()
        await asyncio.wait({there})
        await presence.leave()


async def _be_there(api: BotApi, presence: Presence) -> None:
    await api.waiters.back()
    await presence.run()


async def _run(settings: BotSettings, api: BotApi, presence: Presence, stop: asyncio.Event) -> None:
    async def answered(chat: Messenger, inbound: Inbound) -> None:
        await answer(chat, api, inbound, last_word=True)

    suggest = Suggestions(api).models
    read_all = True
    pause = BACKOFF_LEAST
    while not stop.is_set():
        shards = Shards(api, presence, settings.discord_shards)
        client = await log_in(settings, answered, suggest, stop, read_all=read_all, shards=shards)
        if client is None:
            return
        await before_stop(stop, api.waiters.back())  # until then nothing is taken from Discord
        if stop.is_set():
            await client.leave()
            return
        assert client.user is not None
        began = time.monotonic()
        profile = BotProfileIn(name=client.user.name)
        serving = partial(serve, client.channel_chat, api, profile, process=presence.slot.id)
        try:
            error = await until_ended(client, partial(while_active, presence, serving), stop)
        finally:
            await client.leave()
        if stop.is_set():
            return
        about_intents = isinstance(error, discord.PrivilegedIntentsRequired)
        read_all = read_all and not about_intents
        if isinstance(error, discord.ConnectionClosed):
            check_closed(error.code, settings)
        was_long = time.monotonic() - began > LONG_SECONDS
        pause = BACKOFF_LEAST if was_long else min(pause * 2, BACKOFF_MOST)
        reason = NO_CONTENT if about_intents else str(error) or repr(error)
        log.error("connection_ended", reason=reason, again_in=pause)
        await before_stop(stop, asyncio.sleep(pause))


def check_closed(code: int, settings: BotSettings) -> None:
    """Raise `SystemExit` when the operator has to mend what Discord does not take."""
    if code == 4004:
        raise SystemExit(REFUSED)
    if code in SHARDS_WRONG and settings.discord_shards != "auto":
        raise SystemExit(TOO_FEW_SHARDS.format(settings.discord_shards))


async def log_in(
    settings: BotSettings,
    answered: Answer,
    suggest: Suggest,
    stop: asyncio.Event,
    *,
    read_all: bool = True,
    shards: Shards | None = None,
) -> DiscordBot | None:
    """A client that Discord has accepted, tried for as long as Discord is away. None: stopped
    meanwhile."""
    token = settings.discord_bot_token.get_secret_value() if settings.discord_bot_token else ""
    if not token:
        raise SystemExit(NOT_SET)
    file_host = point_at(settings.discord_api_url)
    pause = BACKOFF_LEAST
    while not stop.is_set():
        client = DiscordBot(answered, suggest, file_host, read_all=read_all, shards=shards)
        try:
            await client.login(token)
            await client.find_gateway(settings.discord_gateway_url, loopback=file_host is not None)
            return client
        except discord.LoginFailure:
            await client.leave()
            raise SystemExit(REFUSED) from None
        except (discord.DiscordException, aiohttp.ClientError, OSError, SendFailed) as error:
            await client.leave()
            log.warning("not_logged_in", error=str(error) or repr(error), again_in=pause)
        await before_stop(stop, asyncio.sleep(pause * random.uniform(0.8, 1.2)))  # noqa: S311  (spreads restarts, guards nothing)
        pause = min(pause * 2, BACKOFF_MOST)
    return None


async def until_ended(
    client: DiscordBot, serving: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event
) -> BaseException | None:
    """Keep the gateway connected and the deliveries flowing until a stop. Returns the error that
    ended the connection, if the library does not mend it."""
    ending = asyncio.Event()
    stopping = asyncio.ensure_future(stop.wait())
    connected = asyncio.ensure_future(client.connect())
    kept = asyncio.ensure_future(client.keep_shards())
    served = asyncio.ensure_future(serving(ending))
    tasks = {stopping, connected, kept, served}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        ending.set()
        await served
        ended = [one for one in (connected, kept) if one.done()]
        return next((one.exception() for one in ended), None)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def while_active(
    presence: Presence,
    serving: Callable[[asyncio.Event], Awaitable[None]],
    ending: asyncio.Event,
) -> None:
    """Deliver whenever this process has a shard, until `ending` is set. One that stands by leaves
    it to the others, which know the cards of their chats."""
    while not ending.is_set():
        await before_stop(ending, presence.until_active())
        if ending.is_set():
            return
        over = asyncio.Event()
        served = asyncio.ensure_future(serving(over))
        ends = {
            asyncio.ensure_future(ending.wait()),
            asyncio.ensure_future(presence.until_active(active=False)),
        }
        try:
            await asyncio.wait({served, *ends}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.set()
            for one in ends:
                one.cancel()
            await asyncio.wait({served, *ends})
        served.result()


def main(settings: BotSettings) -> None:
    exporter.serve(METRICS.registry)

    async def process() -> None:
        stop = stop_on_signals()
        async with open_api(settings) as api:
            await run(settings, api, stop)

    asyncio.run(process())


if __name__ == "__main__":
    main(BotSettings())
