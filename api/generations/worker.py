"""The loop that takes due jobs and runs their steps. No job has a task of its own while it waits: only its row does."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from structlog import get_logger

from api.db import Db, DbUnavailable
from api.generations import store
from api.generations.steps import Steps
from api.generations.store import Generation, Phase
from api.ids import now, token
from api.wake import Wake

log = get_logger("worker")

LEASE = timedelta(seconds=60)
HEARTBEAT = 10.0
IDLE_LOOK = 15.0
IDLE_LOOK_SHARED = 1.0
"""With PostgreSQL another process may add jobs, whose ring is not heard here."""

# Submits can take minutes each, polls take milliseconds: each has its own places, so that neither waits for the other.
SUBMIT_PHASES: tuple[Phase, ...] = ("submit", "submitting", "submit_unknown")
FOLLOW_PHASES: tuple[Phase, ...] = ("poll", "fetch", "store")
SUBMIT_PLACES = 24
FOLLOW_PLACES = 16


class Worker:
    """`run()` until cancelled; steps that are under way then get `GRACE` seconds."""

    GRACE = 5.0

    def __init__(self, db: Db, wake: Wake, steps: Steps) -> None:
        self._db = db
        self._wake = wake
        self._steps = steps
        self._lease_token = token(128)
        self._submits: dict[asyncio.Task[None], Generation] = {}
        self._follows: dict[asyncio.Task[None], Generation] = {}

    async def run(self) -> None:
        if self._db.engine == "duckdb":
            await store.free_leases(self._db, now())
        heartbeat = asyncio.create_task(self._heartbeat(), name="worker-heartbeat")
        try:
            with self._wake.listen("worker") as listener:
                while True:
                    await listener.wait(await self._round())
        finally:
            heartbeat.cancel()
            await self._wind_down()

    async def _round(self) -> float:
        """Take what is due; returns how long there is nothing more to take, in seconds."""
        look = IDLE_LOOK if self._db.engine == "duckdb" else IDLE_LOOK_SHARED
        try:
            full = await self._take(SUBMIT_PHASES, SUBMIT_PLACES, self._submits)
            full = await self._take(FOLLOW_PHASES, FOLLOW_PLACES, self._follows) or full
            due = await store.next_due(self._db)
        except DbUnavailable as error:
            log.warning("database_unavailable", error=str(error))
            return 1.0
        if full or due is None:
            return look
        return min(look, max(0.0, (due - now()).total_seconds()))

    async def _take(self, phases: Sequence[Phase], places: int, running: dict[asyncio.Task[None], Generation]) -> bool:
        """True when no place is left: a step that ends rings."""
        free = places - len(running)
        if free > 0:
            for job in await store.claim(self._db, phases, self._lease_token, now(), now() + LEASE, free):
                task = asyncio.create_task(self._step(job), name=f"step-{job.id}")
                running[task] = job
                task.add_done_callback(running.pop)
        return len(running) >= places

    async def _step(self, job: Generation) -> None:
        """A process edge: whatever one job does, the others go on; its lease ends and it is taken again, a few times."""
        try:
            await self._steps.run(job)
        except Exception:
            log.exception("step_failed", job=job.id, phase=job.phase, attempt=job.attempt)
        finally:
            self._wake.ring("worker")

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            ids = [job.id for job in (*self._submits.values(), *self._follows.values())]
            if ids:
                try:
                    await store.extend(self._db, ids, self._lease_token, now() + LEASE)
                except DbUnavailable as error:
                    log.warning("heartbeat_failed", error=str(error))

    async def _wind_down(self) -> None:
        running = [*self._submits, *self._follows]
        if running:
            _, late = await asyncio.wait(running, timeout=self.GRACE)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
