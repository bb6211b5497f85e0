"""The Discord bot's process, except that its leases are short: `python -m
tests.bots.discord.with_short_leases`. `TURN_SECONDS` is the time between two connects."""

import asyncio
import os

from bots.core.presence import PresenceTimes
from bots.core.process import open_api, stop_on_signals
from bots.discord import shards
from bots.discord.__main__ import run
from bots.settings import BotSettings
from telemetry import logs

TIMES = PresenceTimes(lease=3.0, beat=0.6, look=0.3)


async def main() -> None:
    logs.configure("discord")
    shards.TURN_SECONDS = float(os.environ["TURN_SECONDS"])
    settings, stop = BotSettings(_env_file=None), stop_on_signals()
    async with open_api(settings) as api:
        await run(settings, api, stop, TIMES)


if __name__ == "__main__":
    asyncio.run(main())
