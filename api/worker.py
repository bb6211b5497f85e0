"""The worker as a process of its own, beside one or more apis with `WORKER=off`: PostgreSQL
only."""

import asyncio
import signal
import sys
from contextlib import AsyncExitStack

from structlog import get_logger

from api import malloc
from api.generations.making.worker import WorkerTimes
from api.metrics import Metrics
from api.services import start
from api.settings import Settings
from api.shutdown import Stop
from api.start_errors import CannotStart
from api.users.passwords import Cost
from telemetry.exporter import exporter


def main(settings: Settings) -> None:
    """Raises `CannotStart`."""
    malloc.give_back()
    if not settings.is_postgres:
        raise CannotStart(
            "DATABASE_URL should be postgresql://...: with DuckDB the worker runs inside the api."
        )
    if code := asyncio.run(_run(settings)):
        sys.exit(code)


async def _run(settings: Settings) -> int:
    """Run until the end is asked for, and return the exit code."""
    stop = Stop(settings.drain_seconds)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.ask)
    async with AsyncExitStack() as stack:
        metrics = Metrics()
        services = await start(settings, stack, Cost(), metrics, stop, worker=WorkerTimes())
        await stack.enter_async_context(metrics.watching_loop())
        exporter.serve(metrics.registry)
        get_logger("worker").info("worker_ready")
        waits = [
            asyncio.create_task(wait) for wait in (stop.wait(), services.background.broken.wait())
        ]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
    return 1 if services.background.broken.is_set() else 0


if __name__ == "__main__":
    main(Settings())
