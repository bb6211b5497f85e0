"""The Telegram bot's process."""

import asyncio
import sys
from collections.abc import Awaitable

from pydantic import ValidationError

from api.links.schemas import BotProfileIn
from bots.core import log as logs
from bots.core.answer import answer
from bots.core.api import BotApi
from bots.core.run import open_api, serve, stop_on_signals
from bots.core.types import Chat, Inbound
from bots.settings import BotSettings
from bots.telegram.adapter import Telegram, TokenRefused, make_bot

NOT_SET = "TELEGRAM_BOT_TOKEN is not set: it should be the token that @BotFather gave for the bot."
REFUSED = "TELEGRAM_BOT_TOKEN is refused by Telegram: it should be the token that @BotFather gave for the bot."


async def run(settings: BotSettings, api: BotApi, stop: asyncio.Event) -> None:
    """Until `stop` is set. Raises `SystemExit` with one sentence for what only the operator can mend."""
    token = settings.telegram_bot_token.get_secret_value() if settings.telegram_bot_token else ""
    if not token:
        raise SystemExit(NOT_SET)

    async def answered(chat: Chat, inbound: Inbound) -> None:
        await answer(chat, api, inbound)

    telegram = Telegram(make_bot(token, settings.telegram_api_url), answered)
    try:
        if await until(stop, telegram.connect()):
            await work(telegram, api, stop)
    except TokenRefused:
        raise SystemExit(REFUSED) from None
    finally:
        await telegram.close()


async def work(telegram: Telegram, api: BotApi, stop: asyncio.Event) -> None:
    """Polls and delivers until `stop` is set or one of the two fails."""
    polling = asyncio.create_task(until(stop, telegram.poll()))
    serving = asyncio.create_task(serve(telegram.chat, api, profile(telegram), stop))
    try:
        await asyncio.wait({polling, serving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        await asyncio.wait({polling})
        await telegram.drain()
        await asyncio.wait({serving})
    polling.result()
    serving.result()


async def until(stop: asyncio.Event, doing: Awaitable[None]) -> bool:
    """Whether it came to its end before `stop` was set; it is cancelled otherwise."""
    task, stopping = asyncio.ensure_future(doing), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            return False
        await task
        return True
    finally:
        task.cancel()
        stopping.cancel()
        await asyncio.wait({task, stopping})


def profile(telegram: Telegram) -> BotProfileIn:
    bot = telegram.bot
    return BotProfileIn(name=bot.first_name[:120], link_template=f"https://t.me/{bot.username}?start={{code}}")


def main(settings: BotSettings) -> None:
    logs.set_up()

    async def process() -> None:
        stop = stop_on_signals()
        async with open_api(settings) as api:
            await run(settings, api, stop)

    asyncio.run(process())


if __name__ == "__main__":
    try:
        given = BotSettings()
    except ValidationError as error:
        sys.exit("\n".join(f"{str(one['loc'][0]).upper()}: {one['msg']}" for one in error.errors(include_input=False)))
    main(given)
