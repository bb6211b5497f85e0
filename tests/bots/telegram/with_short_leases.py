"""The Telegram bot's process, except that its leases are short: `python -m
tests.bots.telegram.with_short_leases`."""

import asyncio

from bots.core.presence import PresenceTimes
from bots.core.process import open_api, stop_on_signals
from bots.settings import BotSettings
from bots.telegram.__main__ import run
from telemetry import logs

TIMES = PresenceTimes(lease=3.0, beat=0.6, look=0.3)


async def main() -> None:
    logs.configure("telegram")
    settings, stop = BotSettings(_env_file=None), stop_on_signals()
    async with open_api(settings) as api:
        await run(settings, api, stop, TIMES)


if __name__ == "__main__":
    asyncio.run(main())
