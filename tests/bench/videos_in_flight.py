"""10,000 videos under way for one process with the embedded engine: polls a second, processor time
a poll, and how late after its due time each video is looked at.

`python -m tests.bench.videos_in_flight [--seconds 45] [--videos 10000] [--backlog]`. With a backlog
all of them are due at the start, as after an outage. Ends with 1 above the limits of 3 ms a poll,
one processor and 30 seconds, or when there is a task for each video.
"""

import argparse
import asyncio
import json
import logging
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from api.db import Sql
from api.generations import followed, store
from api.generations.making import poll_pace, worker
from api.ids import now
from api.metrics import Metrics
from api.services import start
from api.settings import Settings
from api.shutdown import Stop
from api.users.passwords import Cost
from tests.api.generations.test_states import job
from tests.bench.measured import Measured

VIDEOS = 10_000
MODELS = 7
OLD = 600_000
"""Milliseconds that the videos are under way already: their usual interval is the longest one."""
PROVIDER_SECONDS = 0.15
LIMITS = {"cpu_ms_a_poll": 3.0, "cores": 1.0, "late_most": 30.0}
OWN = {
    "id": "id || '-' || n",
    "short_id": "short_id || n",
    "callback_token": "callback_token || n",
    "provider_id": "provider_id || n",
    "model": f"'model-' || (n % {MODELS})",
    "run_at": "run_at + n * $1::bigint * INTERVAL '1 microsecond'",
}


def provide(ready: Connection, polls: Any) -> None:
    """Run a provider for which every video goes on for ever. `polls` is a shared number."""

    async def video(request: web.Request) -> web.Response:
        polls.value += 1
        await asyncio.sleep(PROVIDER_SECONDS)
        about = {"id": request.match_info["id"], "status": "in_progress"}
        return web.Response(text=json.dumps(about), content_type="application/json")

    async def other(_: web.Request) -> web.Response:
        return web.json_response({"data": []})

    async def serve() -> None:
        app = web.Application()
        app.router.add_get("/api/v1/videos/models", other)
        app.router.add_get("/api/v1/videos/{id}", video)
        app.router.add_get("/{path:.*}", other)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ready.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(serve())


@contextmanager
def provider() -> Iterator[tuple[str, Any]]:
    """Give the address of a provider in a process of its own, and its number of polls."""
    context = get_context("spawn")
    mine, theirs = context.Pipe()
    polls = context.Value("q", 0)
    process = context.Process(target=provide, args=(theirs, polls), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{mine.recv()}/api/v1", polls
    finally:
        process.kill()
        process.join()


async def fill(settings: Settings, cost: Cost, videos: int, *, backlog: bool) -> None:
    """Write the videos, with due times spread over one interval."""
    interval = max(10.0, videos / poll_pace.STEADY_PER_SECOND)
    apart = 0 if backlog else round(interval / videos * 1e6)
    async with AsyncExitStack() as stack:
        services = await start(settings, stack, cost, Metrics(), Stop(0), worker=None)
        first = replace(
            job("processing", "poll"), provider_id="gen-vid-", followed_ms=OLD, run_at=now()
        )
        await store.insert(services.db, first)
        columns = ", ".join(OWN.get(name, name) for name in store.COLUMNS.split(", "))
        await services.db.execute(
            f"INSERT INTO generations ({store.COLUMNS}) SELECT {columns} FROM generations, "
            f"range(1, {videos}) AS numbers(n)",
            apart,
        )


@contextmanager
def noting_lateness() -> Iterator[list[float]]:
    """Give the seconds between due time and look of every video that is looked at meanwhile."""
    late: list[float] = []
    asked = followed.due

    async def due(sql: Sql, at: object, *args: object) -> list[followed.Due]:
        found: list[followed.Due] = await asked(sql, at, *args)  # type: ignore[arg-type]
        here = now()
        late.extend((here - each.run_at) / timedelta(seconds=1) for each in found)
        return found

    followed.due = due  # type: ignore[assignment]
    try:
        yield late
    finally:
        followed.due = asked


async def watch(settings: Settings, cost: Cost, seconds: float) -> tuple[int, float]:
    """Return the highest number of tasks, and the processor seconds."""
    async with AsyncExitStack() as stack:
        await start(settings, stack, cost, Metrics(), Stop(0), worker=worker.WorkerTimes())
        before, most = resource.getrusage(resource.RUSAGE_SELF), 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            most = max(most, len(asyncio.all_tasks()))
            await asyncio.wait([asyncio.create_task(asyncio.sleep(0.2))])
        after = resource.getrusage(resource.RUSAGE_SELF)
    return most, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def part(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


async def measure(
    seconds: float = 45.0, videos: int = VIDEOS, *, backlog: bool = False
) -> dict[str, float]:
    """Return the figures by name; times in seconds, except processor time in milliseconds."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    cost = Cost(time=1, memory=8, lanes=1)
    with (
        tempfile.TemporaryDirectory() as folder,
        provider() as (url, polls),
        noting_lateness() as late,
    ):
        settings = Settings(_env_file=None, data_dir=Path(folder), openrouter_base_url=url)
        await fill(settings, cost, videos, backlog=backlog)
        tasks, busy = await watch(settings, cost, seconds)
        number = polls.value
    return {
        "videos": videos,
        "polls_a_second": number / seconds,
        "cpu_ms_a_poll": busy * 1000 / max(1, number),
        "cores": busy / seconds,
        "late_p50": part(late, 0.5),
        "late_p99": part(late, 0.99),
        "late_most": max(late, default=0.0),
        "tasks": tasks,
    }


async def bench(into: Measured) -> None:
    seconds = 30.0 if into.quick else 60.0
    into.parameter("videos under way", VIDEOS)
    for of, backlog in (("due in turn", False), ("all due at once", True)):
        found = await measure(seconds, backlog=backlog)
        into.add(of, "polls", found["polls_a_second"], "req/s")
        cpu_most = LIMITS["cpu_ms_a_poll"]
        into.add(of, "a poll", found["cpu_ms_a_poll"], "ms of CPU", at_most=cpu_most)
        into.add(of, "processors", found["cores"], "", at_most=LIMITS["cores"])
        into.add(of, "late, p50", found["late_p50"], "s")
        into.add(of, "late, p99", found["late_p99"], "s")
        into.add(of, "late, most", found["late_most"], "s", at_most=LIMITS["late_most"])


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=45.0)
    parser.add_argument("--videos", type=int, default=VIDEOS)
    parser.add_argument("--backlog", action="store_true")
    given = parser.parse_args()
    found = asyncio.run(measure(given.seconds, given.videos, backlog=given.backlog))
    print(", ".join(f"{name} {value:.3g}" for name, value in found.items()))
    above = [name for name, most in LIMITS.items() if found[name] > most]
    many = found["tasks"] > poll_pace.PLACES + 100
    return int(bool(above) or many or not found["polls_a_second"])


if __name__ == "__main__":
    sys.exit(main())
