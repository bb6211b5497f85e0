"""The loop that takes due jobs and runs their steps. No job has a task of its own while it waits: only its row does."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from structlog import get_logger

from api.db import Db, DbUnavailable
from api.generations import moves
from api.generations.states import Phase
from api.generations.steps import Steps
from api.generations.store import Generation
from api.generations.sweep import Sweeper
from api.ids import now, token
from api.wake import Wake

log = get_logger("worker")

LEASE = timedelta(seconds=60)
HEARTBEAT = 10.0
SWEEP_EVERY = 300.0
IDLE_LOOK = 15.0
IDLE_LOOK_SHARED = 1.0
"""With PostgreSQL another process may add jobs, whose ring is not heard here."""

# Submits can take minutes each, polls take milliseconds: each has its own places, so that neither waits for the other.
FOLLOW_PHASES: tuple[Phase, ...] = ("submitting", "submit_unknown", "poll", "fetch")
SUBMIT_PLACES = 24
FOLLOW_PLACES = 16
FOLLOWS_PER_SECOND = 40.0
"""Polls over all jobs together, so that thousands of videos under way flood neither the provider nor the database."""


class Pace:
    """At most `rate` a second, never more than a second's worth at once."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left = rate
        self._at = time.monotonic()

    def allowed(self) -> int:
        """How many may start now."""
        at = time.monotonic()
        self._left = min(self._rate, self._left + (at - self._at) * self._rate)
        self._at = at
        return int(self._left)

    def take(self, number: int) -> None:
        self._left -= number

    @property
    def wait(self) -> float:
        """Seconds until some more may start: not for each one, because a look costs more than a poll."""
        return max(0.0, (min(self._rate, self._rate / 5 + 1) - self._left) / self._rate)


class Worker:
    """`run()` until cancelled; steps that are under way then get `GRACE` seconds."""

    GRACE = 5.0

    def __init__(self, db: Db, wake: Wake, steps: Steps, sweeper: Sweeper) -> None:
        self._db = db
        self._wake = wake
        self._steps = steps
        self._sweeper = sweeper
        self._lease_token = token(128)
        self._submits: dict[asyncio.Task[None], Generation] = {}
        self._follows: dict[asyncio.Task[None], Generation] = {}
        self._pace = Pace(FOLLOWS_PER_SECOND)

    async def run(self) -> None:
        if self._db.engine == "duckdb":
            await moves.free_leases(self._db, now())
        beside = [
            asyncio.create_task(self._heartbeat(), name="worker-heartbeat"),
            asyncio.create_task(self._sweep(), name="worker-sweep"),
        ]
        try:
            with self._wake.listen("worker") as listener:
                while True:
                    await listener.wait(await self._round())
        finally:
            for task in beside:
                task.cancel()
            await self._wind_down()

    async def _round(self) -> float:
        """Take what is due; returns how long there is nothing more to take, in seconds. A step that ends rings."""
        look = IDLE_LOOK if self._db.engine == "duckdb" else IDLE_LOOK_SHARED
        at = now()
        try:
            free = SUBMIT_PLACES - len(self._submits)
            if free > 0:
                self._begin(await moves.claim_submits(self._db, self._lease_token, at, at + LEASE, free), self._submits)
            look = min(look, await self._follow(at, look))
            due = await moves.next_due(self._db, at)
        except DbUnavailable as error:
            log.warning("database_unavailable", error=str(error))
            return 1.0
        return look if due is None else min(look, max(0.0, (due - now()).total_seconds()))

    async def _follow(self, at: datetime, look: float) -> float:
        """Take due follow-ups; returns when to look again for what the pace held back."""
        free = FOLLOW_PLACES - len(self._follows)
        if free <= 0:
            return look
        allowed = self._pace.allowed()
        if allowed < 1:
            return self._pace.wait
        wanted = min(free, allowed)
        jobs = await moves.claim(self._db, FOLLOW_PHASES, self._lease_token, at, at + LEASE, wanted)
        self._pace.take(len(jobs))
        self._begin(jobs, self._follows)
        return self._pace.wait if len(jobs) == wanted < free else look

    def _begin(self, jobs: Sequence[Generation], running: dict[asyncio.Task[None], Generation]) -> None:
        for job in jobs:
            task = asyncio.create_task(self._step(job), name=f"step-{job.id}")
            running[task] = job
            task.add_done_callback(running.pop)

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
                    await moves.extend(self._db, ids, self._lease_token, now() + LEASE)
                except DbUnavailable as error:
                    log.warning("heartbeat_failed", error=str(error))

    async def _sweep(self) -> None:
        while True:
            # not at once: a start has jobs and people waiting, and nothing that is swept is urgent
            await asyncio.sleep(SWEEP_EVERY)
            try:
                await self._sweeper.run()
            except (DbUnavailable, OSError) as error:
                log.warning("sweep_failed", error=str(error))

    async def _wind_down(self) -> None:
        running = [*self._submits, *self._follows]
        if running:
            _, late = await asyncio.wait(running, timeout=self.GRACE)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
