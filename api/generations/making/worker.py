"""The loop that claims due generations and runs their steps. A waiting generation is only a row,
never a task."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from structlog import get_logger

from api.background import Background
from api.db import Db
from api.generations import transitions
from api.generations.making.steps import Steps
from api.generations.states import Phase
from api.generations.store import Generation
from api.ids import now, token
from api.live_processes import LiveProcesses
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

# Submits can take minutes each, polls take milliseconds: each has its own places, so that neither
# waits for the other.
FOLLOW_PHASES: tuple[Phase, ...] = ("submitting", "submit_unknown", "poll", "fetch")
SUBMIT_PLACES = 24
FOLLOW_PLACES = 16
FOLLOWS_PER_SECOND = 40.0
"""Polls over all generations and workers together, so that thousands of videos under way flood
neither the provider nor the database."""


class Pace:
    """At most `rate` a second, never more than a second's worth at once."""

    def __init__(self, rate: float) -> None:
        self._whole = self._rate = rate
        self._left = rate
        self._at = time.monotonic()

    def share(self, workers: int) -> None:
        """Keep to one part of the whole rate."""
        self._rate = self._whole / workers

    def allowed(self) -> int:
        """Return how many may start now."""
        at = time.monotonic()
        self._left = min(self._rate, self._left + (at - self._at) * self._rate)
        self._at = at
        return int(self._left)

    def take(self, number: int) -> None:
        self._left -= number

    @property
    def wait(self) -> float:
        """Return the seconds until some more may start: not for each one, because a look costs more
        than a poll."""
        return max(0.0, (min(self._rate, self._rate / 5 + 1) - self._left) / self._rate)


class Worker:
    """`start()` it once, `close()` it before the background's work is ended: steps under way are
    still kept alive then."""

    def __init__(
        self,
        db: Db,
        wake: Wake,
        steps: Steps,
        stop: Stop,
        times: WorkerTimes,
        processes: LiveProcesses,
    ) -> None:
        self._processes = processes
        self._db = db
        self._wake = wake
        self._steps = steps
        self._stop = stop
        self._times = times
        self._background: Background | None = None
        self._closing = False
        self._seen_over: dict[tuple[str, datetime], float] = {}
        self._lapsed: list[str] = []
        self._lease_token = token(128)
        self._submits: dict[asyncio.Task[None], Generation] = {}
        self._follows: dict[asyncio.Task[None], Generation] = {}
        self._pace = Pace(FOLLOWS_PER_SECOND)

    async def start(self, background: Background) -> None:
        self._background = background
        if self._db.engine == "duckdb":
            await transitions.free_leases(self._db, now())
        background.add("worker", self.turn, most=self._times.pause_most, needed=True)
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
        running = [*self._submits, *self._follows]
        if running:
            _, late = await asyncio.wait(
                running, timeout=0 if self._stop.at_once else self._times.grace
            )
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

    async def _round(self) -> float:
        """Take what is due; returns how long there is nothing more to take, in seconds. A step that
        ends rings."""
        look = self._wake.limit(self._times.look, self._times.look_unheard)
        if self._stops():
            return look
        at = now()
        free = SUBMIT_PLACES - len(self._submits)
        if free > 0:
            rows = await transitions.claim_submits(
                self._db, self._lease_token, at, self._until(at), free, self._lapsed
            )
            if self._stops():
                # asked while they were claimed: nothing is sent, the next start takes them up
                return look
            self._begin(rows, self._submits)
        look = min(look, await self._follow(at, look))
        due = await transitions.next_due(self._db, at)
        return look if due is None else min(look, max(0.0, (due - now()).total_seconds()))

    def _until(self, at: datetime) -> datetime:
        return at + timedelta(seconds=self._times.lease)

    async def _follow(self, at: datetime, look: float) -> float:
        """Take due follow-ups; returns when to look again for what the pace held back."""
        free = FOLLOW_PLACES - len(self._follows)
        if free <= 0:
            return look
        self._pace.share(self._processes.workers)
        allowed = self._pace.allowed()
        if allowed < 1:
            return self._pace.wait
        wanted = min(free, allowed)
        rows = await transitions.claim(
            self._db, FOLLOW_PHASES, self._lease_token, at, self._until(at), wanted, self._lapsed
        )
        self._pace.take(len(rows))
        self._begin(rows, self._follows)
        return self._pace.wait if len(rows) == wanted < free else look

    def _begin(
        self, rows: Sequence[Generation], running: dict[asyncio.Task[None], Generation]
    ) -> None:
        """Run a step for each. One that breaks stops no other; its lease ends and it is claimed
        again, a few times."""
        assert self._background is not None
        for row in rows:
            task = self._background.once(
                "step",
                self._steps.run(row),
                generation=row.id,
                phase=row.phase,
                attempt=row.attempt,
            )
            running[task] = row
            task.add_done_callback(running.pop)
            task.add_done_callback(lambda _: self._place_is_free())

    def _place_is_free(self) -> None:
        """Look for the next one here; a worker that ends leaves it to the others."""
        (self._wake.ring if self._stops() else self._wake.ring_here)("worker")

    async def beat(self) -> float:
        """Renew the leases of what is under way here, and see whose were not renewed elsewhere."""
        ids = [row.id for row in (*self._submits.values(), *self._follows.values())]
        self._lapsed = []
        if ids:
            await transitions.extend(self._db, ids, self._lease_token, self._until(now()))
        patience = 0.0 if self._db.engine == "duckdb" else self._times.beat * LAPSED_BEATS
        if brought := await transitions.bring_back(self._db, now()):
            log.warning("clock_was_set_back", generations=brought)
            self._wake.ring_here("worker")
        over = [key for key in await transitions.over(self._db, now()) if key[0] not in ids]
        at = time.monotonic()
        self._seen_over = {key: self._seen_over.get(key, at) for key in over}
        self._lapsed = [key[0] for key, since in self._seen_over.items() if at - since >= patience]
        if self._lapsed:
            self._wake.ring_here("worker")
        return self._times.beat
