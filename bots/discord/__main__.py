"""The Discord bot's process."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial

import aiohttp
import discord
import structlog

from bots.core import log as logs
from bots.core.dispatch import answer
from bots.core.model_suggestions import Suggestions
from bots.core.process import before_stop, open_api, serve, stop_on_signals
from bots.core.types import Inbound, Messenger, SendFailed
from bots.discord.adapter import Answer, DiscordBot, Suggest, point_at
from bots.settings import BotSettings
from client.bot import BotApi
from client.schemas.links import BotProfileIn

log = structlog.get_logger()

BACKOFF_LEAST, BACKOFF_MOST = 1.0, 60.0
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


async def run(settings: BotSettings, api: BotApi, stop: asyncio.Event) -> None:
    """Run until `stop` is set. Raises `SystemExit` with one sentence for trouble that only the
    operator can mend."""

    async def answered(chat: Messenger, inbound: Inbound) -> None:
        await answer(chat, api, inbound, last_word=True)

    suggest = Suggestions(api).models
    read_all = True
    pause = BACKOFF_LEAST
    while not stop.is_set():
        client = await log_in(settings, answered, suggest, stop, read_all=read_all)
        if client is None:
            return
        await before_stop(stop, api.waiters.back())  # until then nothing is taken from Discord
        if stop.is_set():
            await client.leave()
            return
        assert client.user is not None
        began = time.monotonic()
        serving = partial(serve, client.channel_chat, api, BotProfileIn(name=client.user.name))
        try:
            error = await until_ended(client, serving, stop)
        finally:
            await client.leave()
        if stop.is_set():
            return
        about_intents = isinstance(error, discord.PrivilegedIntentsRequired)
        read_all = read_all and not about_intents
        if isinstance(error, discord.ConnectionClosed) and error.code == 4004:
            raise SystemExit(REFUSED)
        was_long = time.monotonic() - began > LONG_SECONDS
        pause = BACKOFF_LEAST if was_long else min(pause * 2, BACKOFF_MOST)
        reason = NO_CONTENT if about_intents else str(error) or repr(error)
        log.error("connection_ended", reason=reason, again_in=pause)
        await before_stop(stop, asyncio.sleep(pause))


async def log_in(
    settings: BotSettings,
    answered: Answer,
    suggest: Suggest,
    stop: asyncio.Event,
    *,
    read_all: bool = True,
) -> DiscordBot | None:
    """A client that Discord has accepted, tried for as long as Discord is away. None: stopped
    meanwhile."""
    token = settings.discord_bot_token.get_secret_value() if settings.discord_bot_token else ""
    if not token:
        raise SystemExit(NOT_SET)
    file_host = point_at(settings.discord_api_url)
    pause = BACKOFF_LEAST
    while not stop.is_set():
        client = DiscordBot(answered, suggest, file_host, read_all=read_all)
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
    served = asyncio.ensure_future(serving(ending))
    try:
        await asyncio.wait({stopping, connected, served}, return_when=asyncio.FIRST_COMPLETED)
        ending.set()
        await served
        return connected.exception() if connected.done() else None
    finally:
        for task in (stopping, connected, served):
            task.cancel()
        await asyncio.wait({stopping, connected, served})


def main(settings: BotSettings) -> None:
    logs.set_up()

    async def process() -> None:
        stop = stop_on_signals()
        async with open_api(settings) as api:
            await run(settings, api, stop)

    asyncio.run(process())


if __name__ == "__main__":
    main(BotSettings())
