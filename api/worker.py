"""The worker as a process of its own, beside one or more apis with `WORKER=off`: PostgreSQL only."""

import asyncio
import signal
from contextlib import AsyncExitStack

from structlog import get_logger

from api import log
from api.app import start
from api.refusal import CannotStart
from api.settings import Settings
from api.users.passwords import Cost


def main(settings: Settings) -> None:
    """Raises `CannotStart`."""
    log.configure()
    if not settings.is_postgres:
        raise CannotStart("DATABASE_URL should be postgresql://...: with DuckDB the worker runs inside the api.")
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        await start(settings, stack, Cost(), worker=True)
        get_logger("worker").info("worker_ready")
        await stop.wait()


if __name__ == "__main__":
    main(Settings())
