"""10,000 videos under way for one worker: its polls a second, its tasks and its processor time, by
`python -m tests.bench.videos_in_flight [seconds]`.

Ends with 1 when the worker polls faster than its limit or keeps a task per job.
"""

import asyncio
import resource
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from api.generations import store
from api.generations.making import worker
from api.metrics import Metrics
from api.services import start
from api.settings import Settings
from api.shutdown import Stop
from api.users.passwords import Cost
from tests.api.generations.test_states import job
from tests.sandbox_server import sandbox_server

JOBS = 10_000
OWN = {
    "id": "id || '-' || n",
    "short_id": "short_id || n",
    "callback_token": "callback_token || n",
    "provider_id": "provider_id || n",
}


async def fill(settings: Settings, cost: Cost) -> None:
    async with AsyncExitStack() as stack:
        services = await start(settings, stack, cost, Metrics(), Stop(0), worker=None)
        await store.insert(services.db, replace(job("processing", "poll"), provider_id="gen-vid-"))
        columns = ", ".join(OWN.get(name, name) for name in store.COLUMNS.split(", "))
        await services.db.execute(
            f"INSERT INTO generations ({store.COLUMNS}) SELECT {columns} FROM generations, "
            f"range(1, {JOBS}) AS numbers(n)"
        )


async def measure(settings: Settings, cost: Cost, seconds: float) -> tuple[int, float]:
    """Return the highest number of tasks, and the processor seconds."""
    async with AsyncExitStack() as stack:
        await start(settings, stack, cost, Metrics(), Stop(0), worker=worker.WorkerTimes())
        before, most = resource.getrusage(resource.RUSAGE_SELF), 0
        end = asyncio.get_running_loop().time() + seconds
        while (left := end - asyncio.get_running_loop().time()) > 0:
            most = max(most, len(asyncio.all_tasks()))
            await asyncio.wait([asyncio.create_task(asyncio.sleep(min(0.2, left)))])
        after = resource.getrusage(resource.RUSAGE_SELF)
    return most, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    cost = Cost(time=1, memory=8, lanes=1)
    with tempfile.TemporaryDirectory() as folder, sandbox_server() as sandbox:
        settings = Settings(_env_file=None, data_dir=Path(folder), openrouter_base_url=sandbox.url)
        asyncio.run(fill(settings, cost))
        tasks, busy = asyncio.run(measure(settings, cost, seconds))
        rate = len(sandbox.calls("videos.status")) / seconds
    print(
        f"{JOBS} videos: {rate:.1f} polls/s of {worker.FOLLOWS_PER_SECOND:g}, {tasks} tasks, "
        f"{busy / seconds:.0%} of a core"
    )
    # a second's worth may come at once at the start
    return int(rate > worker.FOLLOWS_PER_SECOND * (1 + 1 / seconds) + 1 or tasks > 100 or rate == 0)


if __name__ == "__main__":
    sys.exit(main())
