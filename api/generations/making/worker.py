"""The loop that claims due generations and runs their steps. A waiting generation is only a row,
never a task."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from structlog import get_logger

from api.background import Background
from api.db import Db
from api.generations import transitions
from api.generations.making.polls import Polls
from api.generations.making.steps import Steps
from api.generations.making.worker_lease import WorkerLease
from api.generations.states import Phase
from api.generations.store import Generation
from api.ids import now
from api.live_processes import RENEWED, LiveProcesses
from api.provider.types import VideoJob
from api.shutdown import Stop
from api.wake import Wake

log = get_logger("worker")


@dataclass(frozen=True, slots=True)
class WorkerTimes:
    """In seconds."""

    lease: float = 60.0
    beat: float = 10.0
    sweep: float = 300.0
    sweep_files: float = 6 * 3600.0
    look: float = 15.0
    look_unheard: float = 1.0
    """While the rings of other processes, which may add generations, are not heard here."""
    grace: float = 5.0
    """The time for unpaid steps at a stop."""
    pause_most: float = 5.0
    """Between looks while the database is away: people wait."""


LAPSED_BEATS = 1.5
"""A lease that is over is taken when it is still not renewed after so many beats. Until then its
worker may only have missed one, because the database was away or the clock has jumped: it lives,
and perhaps waits for an answer that is paid for."""

# Submits can take minutes each: they have places of their own, so that what follows them does not
# wait for them.
FOLLOW_PHASES: tuple[Phase, ...] = ("submitting", "submit_unknown", "fetch")
SUBMIT_PLACES = 24
FOLLOW_PLACES = 16


class Worker:
    """`start()` it once, `close()` it before the background's work is ended: steps under way are
    still kept alive then."""

    def __init__(
        self,
        db: Db,
        wake: Wake,
        steps: Steps,
        polls: Polls,
        stop: Stop,
        times: WorkerTimes,
        processes: LiveProcesses,
    ) -> None:
        self._db = db
        self._wake = wake
        self._steps = steps
        self._polls = polls
        self._stop = stop
        self._times = times
        self._background: Background | None = None
        self._closing = False
        self._seen_over: dict[tuple[str, datetime], float] = {}
        self._processes = processes
        # by it the others know what a dead one has left
        self._lease = WorkerLease(processes.name, times.lease)
        self._submits: dict[asyncio.Task[None], Generation] = {}
        self._follows: dict[asyncio.Task[None], Generation] = {}

    async def start(self, background: Background) -> None:
        self._background = background
        if self._db.engine == "duckdb":
            await transitions.free_leases(self._db, now())
        self._polls.start(background, self._lease, self._fetch, self._stops, self._look)
        background.add("worker", self.turn, most=self._times.pause_most, needed=True)
        background.add("polls", self._polls.turn, most=self._times.pause_most, needed=True)
        if self._db.engine == "postgresql":
            background.add("jobs-of-dead", self.free_dead, most=self._times.pause_most)
        background.add(
            "worker-heartbeat",
            self.beat,
            most=min(self._times.pause_most, self._times.beat / 2),
            needed=True,
        )

    async def close(self) -> None:
        """Take nothing new. Paid calls get their time to end: what they make would be lost and
        paid all the same. The rest goes on at the next start."""
        self._closing = True
        await self._stop.drained("jobs", list(self._submits))
        grace = 0.0 if self._stop.at_once else self._times.grace
        await asyncio.gather(self._polls.close(grace), self._end_steps(grace))

    async def _end_steps(self, grace: float) -> None:
        running = [*self._submits, *self._follows]
        if running:
            _, late = await asyncio.wait(running, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _stops(self) -> bool:
        return self._closing or self._stop.asked

    async def turn(self) -> float:
        """Look once, then wait until the next look is due or a ring comes."""
        with self._wake.listen("worker") as listener:
            await listener.wait(await self._round())
        return 0.0

    def _look(self) -> float:
        return self._wake.limit(self._times.look, self._times.look_unheard)

    async def _round(self) -> float:
        """Take what is due; returns how long there is nothing more to take, in seconds. A step that
        ends rings."""
        look = self._look()
        if self._stops():
            return look
        at = now()
        lease = (self._lease.token, at, self._lease.until(at))
        due = await transitions.due_steps(self._db, at, self._lease.lapsed)
        free = SUBMIT_PLACES - len(self._submits)
        if free > 0 and due.submits:
            rows = await transitions.claim_submits(self._db, *lease, free, self._lease.lapsed)
            if self._stops():
                # asked while they were claimed: nothing is sent, the next start takes them up
                return look
            self._begin(rows, self._submits)
        free = FOLLOW_PLACES - len(self._follows)
        if free > 0 and due.others:
            rows = await transitions.claim(
                self._db, FOLLOW_PHASES, *lease, free, self._lease.lapsed
            )
            self._begin(rows, self._follows)
        if due.next_due is None:
            return look
        return min(look, max(0.0, (due.next_due - now()).total_seconds()))

    def _fetch(self, row: Generation, video: VideoJob) -> bool:
        """Fetch a video of which a look has seen that it is done. False without a place, and once
        nothing new is begun here."""
        if self._stops() or len(self._follows) >= FOLLOW_PLACES:
            return False
        self._run(self._steps.completed(row, video), row, self._follows)
        return True

    def _begin(
        self, rows: Sequence[Generation], running: dict[asyncio.Task[None], Generation]
    ) -> None:
        """Run a step for each. One that breaks stops no other; its lease ends and it is claimed
        again, a few times."""
        for row in rows:
            self._run(self._steps.run(row), row, running)

    def _run(
        self,
        step: Coroutine[Any, Any, None],
        row: Generation,
        running: dict[asyncio.Task[None], Generation],
    ) -> None:
        assert self._background is not None
        task = self._background.once(
            "step", step, generation=row.id, phase=row.phase, attempt=row.attempt
        )
        running[task] = row
        task.add_done_callback(running.pop)
        task.add_done_callback(lambda _: self._place_is_free())

    def _place_is_free(self) -> None:
        """Look for the next one here; a worker that ends leaves it to the others."""
        (self._wake.ring if self._stops() else self._wake.ring_here)("worker")

    async def free_dead(self) -> float:
        """Take up what workers have left that are known to be dead, long before their leases
        end."""
        held_by = await transitions.lease_tokens(self._db, self._lease.token)
        dead = await self._processes.dead(held_by)
        if dead and (freed := await transitions.free_dead(self._db, dead, now())):
            log.warning("jobs_of_dead_worker", generations=freed)
            self._wake.ring("worker")
        return RENEWED

    async def beat(self) -> float:
        """Renew the leases of what is under way here, and see whose were not renewed elsewhere."""
        steps = [row.id for row in (*self._submits.values(), *self._follows.values())]
        ids = [*steps, *self._polls.ids]
        self._lease.lapsed = []
        if ids:
            until = self._lease.until(now())
            await transitions.extend(self._db, ids, self._lease.token, until)
        patience = 0.0 if self._db.engine == "duckdb" else self._times.beat * LAPSED_BEATS
        if brought := await transitions.bring_back(self._db, now()):
            log.warning("clock_was_set_back", generations=brought)
            self._wake.ring_here("worker")
        over = [key for key in await transitions.over(self._db, now()) if key[0] not in ids]
        at = time.monotonic()
        self._seen_over = {key: self._seen_over.get(key, at) for key in over}
        self._lease.lapsed = [
            key[0] for key, since in self._seen_over.items() if at - since >= patience
        ]
        if self._lease.lapsed:
            self._wake.ring_here("worker")
        return self._times.beat
