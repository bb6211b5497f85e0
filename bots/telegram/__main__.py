"""The Telegram bot's process."""

import asyncio
import sys
from urllib.parse import urlsplit

from pydantic import ValidationError

from bots.core import log as logs
from bots.core.dispatch import answer
from bots.core.process import before_stop, open_api, serve, stop_on_signals
from bots.core.types import Inbound, Messenger
from bots.settings import BotSettings
from bots.telegram.adapter import TelegramBot, make_bot
from bots.telegram.calls import TokenRefused
from bots.telegram.webhook import PortTaken, WebhookRefused
from client.bot import BotApi
from client.schemas.links import BotProfileIn

NOT_SET = "TELEGRAM_BOT_TOKEN is not set: it should be the token that @BotFather gave for the bot."
NO_ADDRESS = (
    "TELEGRAM_UPDATES is webhook, which needs PUBLIC_URL: an https address, without a port or "
    "with 443, 80, 88 or 8443, "
    "where Telegram can reach this bot."
)
REFUSED = (
    "TELEGRAM_BOT_TOKEN is refused by Telegram: it should be the token that @BotFather gave "
    "for the bot."
)

FOLDER = "telegram"
WEBHOOK_PORTS = (443, 80, 88, 8443)


async def run(settings: BotSettings, api: BotApi, stop: asyncio.Event) -> None:
    """Run until `stop` is set. Raises `SystemExit` with one sentence for trouble that only the
    operator can mend."""
    token = settings.telegram_bot_token.get_secret_value() if settings.telegram_bot_token else ""
    if not token:
        raise SystemExit(NOT_SET)
    if settings.telegram_updates == "webhook" and not reachable_for_telegram(settings.public_url):
        raise SystemExit(NO_ADDRESS)

    async def answered(chat: Messenger, inbound: Inbound) -> None:
        await answer(chat, api, inbound)

    bot = make_bot(token, settings.telegram_api_url)
    telegram = TelegramBot(bot, answered, settings.data_dir / FOLDER)
    try:
        await before_stop(stop, telegram.connect())
        if not stop.is_set():
            await work(telegram, api, stop, settings)
    except TokenRefused:
        raise SystemExit(REFUSED) from None
    except PortTaken as taken:
        where = f"{settings.telegram_webhook_host}:{settings.telegram_webhook_port}"
        raise SystemExit(
            f"Can't listen at {where} (TELEGRAM_WEBHOOK_HOST, TELEGRAM_WEBHOOK_PORT): {taken}"
        ) from None
    except WebhookRefused as refused:
        raise SystemExit(
            f"Telegram brings no updates to PUBLIC_URL ({settings.public_url}): {refused}"
        ) from None
    finally:
        await telegram.close()


def reachable_for_telegram(public_url: str | None) -> bool:
    parts = urlsplit(public_url or "")
    return parts.scheme == "https" and (parts.port or 443) in WEBHOOK_PORTS


async def work(
    telegram: TelegramBot, api: BotApi, stop: asyncio.Event, settings: BotSettings
) -> None:
    """Take updates and deliver until `stop` is set or one of the two fails."""
    polling = asyncio.create_task(before_stop(stop, updates(telegram, api, settings)))
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


async def updates(telegram: TelegramBot, api: BotApi, settings: BotSettings) -> None:
    """Take updates once the API is there: meanwhile they wait at Telegram."""
    await api.waiters.back()
    if settings.telegram_updates != "webhook" or settings.public_url is None:
        await telegram.poll()
        return
    listen = settings.telegram_webhook_host, settings.telegram_webhook_port
    await telegram.listen(settings.public_url, listen)


def profile(telegram: TelegramBot) -> BotProfileIn:
    bot = telegram.bot
    link = f"https://t.me/{bot.username}?start={{code}}"
    return BotProfileIn(name=bot.first_name[:120], link_template=link)


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
        wrong = error.errors(include_input=False)
        sys.exit("\n".join(f"{str(one['loc'][0]).upper()}: {one['msg']}" for one in wrong))
    main(given)
