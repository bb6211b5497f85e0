"""The Telegram bot's process."""

import asyncio
import re
import sys
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from pydantic import ValidationError

from bots.core.dispatch import answer
from bots.core.metrics import METRICS
from bots.core.presence import Presence, PresenceTimes
from bots.core.process import before_stop, open_api, serve, stop_on_signals
from bots.core.process_slot import ProcessSlot, take_slot
from bots.core.types import Inbound, Messenger
from bots.core.updates_at_api import UpdatesAtApi
from bots.settings import BotSettings
from bots.telegram.adapter import Superseded, TelegramBot, make_bot
from bots.telegram.calls import TokenRefused
from bots.telegram.kept_updates import KeptUpdates
from bots.telegram.webhook import PortTaken, WebhookRefused
from client import calls
from client.bot import BotApi
from client.errors import API_UNAVAILABLE, ApiError
from client.schemas.links import BotProfileIn
from client.schemas.places import MovedIn
from telemetry.exporter import exporter

log = structlog.get_logger()

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
UPDATES = "updates"
"""The lease of the process that asks for updates, or that told Telegram where to bring them."""


async def run(
    settings: BotSettings, api: BotApi, stop: asyncio.Event, times: PresenceTimes | None = None
) -> None:
    """Run until `stop` is set. Raises `SystemExit` with one sentence for trouble that only the
    operator can mend."""
    token = settings.telegram_bot_token.get_secret_value() if settings.telegram_bot_token else ""
    if not token:
        raise SystemExit(NOT_SET)
    if settings.telegram_updates == "webhook" and not reachable_for_telegram(settings.public_url):
        raise SystemExit(NO_ADDRESS)

    async def answered(chat: Messenger, inbound: Inbound) -> None:
        await answer(chat, api, inbound)

    async def moved(before: str, after: str) -> None:
        await tell_moved(api, before, after)

    bot = make_bot(token, settings.telegram_api_url)
    slot = take_slot(settings.data_dir / FOLDER)
    bot_id = token.partition(":")[0]
    presence = Presence(api, slot, re.sub(r"\W", "", bot_id, flags=re.ASCII)[:64], times)
    kept = kept_updates(settings.data_dir / FOLDER, bot_id, UpdatesAtApi(api, presence), slot)
    telegram = TelegramBot(bot, answered, kept, lambda: presence.doubt(UPDATES), moved)
    try:
        await before_stop(stop, telegram.connect())
        await before_stop(stop, api.waiters.back())  # until then updates wait at Telegram
        if not stop.is_set():
            await work(telegram, presence, api, stop, settings)
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


async def tell_moved(api: BotApi, before: str, after: str) -> None:
    """Tell the api that a group became a supergroup, when it is there again."""
    while True:
        try:
            await api.send(calls.place_moved(MovedIn(before=before, after=after)))
            return
        except ApiError as error:
            if error.code != API_UNAVAILABLE:
                log.warning("place_not_moved", code=error.code, detail=error.detail)
                return
        api.waiters.missed()
        await api.waiters.back()


def kept_updates(folder: Path, bot_id: str, at_api: UpdatesAtApi, slot: ProcessSlot) -> KeptUpdates:
    """A folder for each bot and slot: processes of one machine do not take each other's files."""

    def of(number: int) -> Path:
        return folder / (f"{bot_id}-{number}" if number else bot_id)

    return KeptUpdates(of(slot.number), api=at_api, left=lambda: map(of, slot.free()))


def reachable_for_telegram(public_url: str | None) -> bool:
    parts = urlsplit(public_url or "")
    return parts.scheme == "https" and (parts.port or 443) in WEBHOOK_PORTS


async def work(
    telegram: TelegramBot,
    presence: Presence,
    api: BotApi,
    stop: asyncio.Event,
    settings: BotSettings,
) -> None:
    """Take updates and deliver until `stop` is set or one of the two fails."""
    presence.want(UPDATES)
    there = asyncio.create_task(presence.run())
    try:
        # what it keeps before the api knows it would count as that of a process that is gone
        await before_stop(stop, presence.begun.wait())
        if settings.telegram_updates == "webhook" and settings.public_url is not None:
            listen = settings.telegram_webhook_host, settings.telegram_webhook_port
            turn = partial(presence.until, UPDATES)
            taking = telegram.listen(settings.public_url, listen, turn)
            await take_part(telegram, presence, api, taking, stop, stop.wait())
            return
        # they are in files of this process: the one that takes updates now knows nothing of them
        await before_stop(stop, telegram.resume())
        while not stop.is_set():
            await before_stop(stop, presence.until(UPDATES))
            if not stop.is_set():
                lost = presence.until(UPDATES, held=False)
                await take_part(telegram, presence, api, telegram.poll(), stop, lost)
    finally:
        stop.set()
        await telegram.drain()
        there.cancel()
        await asyncio.wait({there})
        await presence.leave()


async def take_part(
    telegram: TelegramBot,
    presence: Presence,
    api: BotApi,
    taking: Coroutine[Any, Any, None],
    stop: asyncio.Event,
    over: Coroutine[Any, Any, object],
) -> None:
    """Take updates, adopt those of processes that are gone, and deliver, until `stop` is set,
    `over` returns, or one of them fails. Answers that are being written go on when another process
    takes over."""
    telegram.introduce()
    ending = asyncio.Event()
    polling = asyncio.create_task(before_stop(ending, taking))
    adopting = asyncio.create_task(before_stop(ending, adopt(telegram, presence)))
    serving = asyncio.create_task(
        serve(telegram.chat, api, profile(telegram), ending, process=presence.slot.id)
    )
    ends = {asyncio.create_task(stop.wait()), asyncio.create_task(over)}
    try:
        tasks = {polling, adopting, serving, *ends}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        lost = not stop.is_set() and any(one.done() for one in ends)
        ending.set()
        for task in ends:
            task.cancel()
        await asyncio.wait({polling, adopting, *ends})
        if not lost:
            await telegram.confirm()
            await presence.release()
            await telegram.drain()
        await asyncio.wait({serving})
    for task in (polling, adopting, serving):
        with suppress(Superseded):
            task.result()


async def adopt(telegram: TelegramBot, presence: Presence) -> None:
    while True:
        await presence.orphans.wait()
        presence.orphans.clear()
        try:
            await telegram.adopt()
        except ApiError as error:  # the next word tells of them again
            log.info("updates_not_adopted", code=error.code, detail=error.detail)


def profile(telegram: TelegramBot) -> BotProfileIn:
    bot = telegram.bot
    link = f"https://t.me/{bot.username}?start={{code}}"
    return BotProfileIn(name=bot.first_name[:120], link_template=link)


def main(settings: BotSettings) -> None:
    exporter.serve(METRICS.registry)

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
