"""The Discord bot's process."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial

import aiohttp
import discord
import structlog

from api.links.schemas import BotProfileIn
from bots.core import log as logs
from bots.core.answer import answer
from bots.core.api import BotApi
from bots.core.run import open_api, serve, stop_on_signals
from bots.core.types import Chat, Inbound, SendFailed
from bots.discord.adapter import Answer, Studio, point_at
from bots.settings import BotSettings

log = structlog.get_logger()

BACKOFF_LEAST, BACKOFF_MOST = 1.0, 60.0
NOT_SET = "DISCORD_BOT_TOKEN is not set: it should be the token from the Discord developer portal, page Bot."
REFUSED = "DISCORD_BOT_TOKEN is refused by Discord: it should be the token from the Discord developer portal, page Bot."


async def run(settings: BotSettings, api: BotApi, stop: asyncio.Event) -> None:
    """Until `stop` is set. Raises `SystemExit` with one sentence for what only the operator can mend."""

    async def answered(chat: Chat, inbound: Inbound) -> None:
        await answer(chat, api, inbound)

    client = await log_in(settings, answered, stop)
    if client is None:
        return
    assert client.user is not None
    profile = BotProfileIn(name=client.user.name)
    try:
        await until_stopped(client, partial(serve, client.channel_chat, api, profile, stop), stop)
    finally:
        await client.leave()


async def log_in(settings: BotSettings, answered: Answer, stop: asyncio.Event) -> Studio | None:
    """A client that Discord has accepted; tries again for as long as Discord is away. None: stopped meanwhile."""
    token = settings.discord_bot_token.get_secret_value() if settings.discord_bot_token else ""
    if not token:
        raise SystemExit(NOT_SET)
    file_host = point_at(settings.discord_api_url, settings.discord_gateway_url)
    pause = BACKOFF_LEAST
    while not stop.is_set():
        client = Studio(answered, file_host)
        try:
            await client.login(token)
            if file_host is not None and settings.discord_gateway_url is None:
                await client.find_gateway()
            return client
        except discord.LoginFailure:
            await client.leave()
            raise SystemExit(REFUSED) from None
        except (discord.DiscordException, aiohttp.ClientError, OSError, SendFailed) as error:
            await client.leave()
            log.warning("not_logged_in", error=str(error) or repr(error), again_in=pause)
        await wait_for_stop(stop, pause * random.uniform(0.8, 1.2))  # noqa: S311  (spreads restarts, guards nothing)
        pause = min(pause * 2, BACKOFF_MOST)
    return None


async def until_stopped(client: Studio, serving: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    """Keeps the gateway connected and the deliveries flowing. Either breaking ends the process, which its supervisor starts again."""
    stopping = asyncio.ensure_future(stop.wait())
    connected = asyncio.ensure_future(client.connect())
    served = asyncio.ensure_future(serving())
    try:
        await asyncio.wait({stopping, connected, served}, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        await served
        if connected.done():
            _explain(connected.exception())
    finally:
        for task in (stopping, connected, served):
            task.cancel()
        await asyncio.wait({stopping, connected, served})


def _explain(error: BaseException | None) -> None:
    """Turns Discord's final words into a sentence."""
    if isinstance(error, discord.ConnectionClosed) and error.code == 4004:
        raise SystemExit(REFUSED)
    if error is not None:
        raise SystemExit(f"Discord ended the connection for good: {error}")


async def wait_for_stop(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def main(settings: BotSettings) -> None:
    logs.set_up()

    async def process() -> None:
        stop = stop_on_signals()
        async with open_api(settings) as api:
            await run(settings, api, stop)

    asyncio.run(process())


if __name__ == "__main__":
    main(BotSettings())
