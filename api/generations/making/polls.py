"""The looks at videos that the provider works on.

Rounds claim what is due, many videos at a time, and release together what goes on. A video between
two looks is only a row. docs/decisions/0102-polls-in-rounds.md has the arithmetic of the pace.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from structlog import get_logger
from structlog.contextvars import bound_contextvars

from api.background import Background
from api.db import Db, DbUnavailable
from api.generations import followed, store
from api.generations.followed import Followed, Look
from api.generations.making.poll_pace import (
    PER_SECOND,
    PLACES,
    STEADY_PER_SECOND,
    ModelShares,
    Pace,
)
from api.generations.making.steps import (
    LOOK_AGAIN_MOST,
    PROVIDER_TIME_MAX,
    RESCUES_MAX,
    SUBMIT_TRIES_MAX,
    Steps,
)
from api.generations.making.worker_lease import WorkerLease
from api.generations.store import Generation
from api.ids import now
from api.live_processes import LiveProcesses
from api.provider.shared_pauses import Pauses
from api.provider.types import Provider, ProviderError, VideoJob
from api.wake import Wake
from telemetry.requests import of_request
from telemetry.spans import span

log = get_logger("worker")

POLL_LEAST, POLL_SLOWEST = 1.0, 10.0
POLL_PART = 0.05
"""The part of a video's age that passes until the next look, between the bounds above."""
POLL_BEHIND_WEBHOOKS = 30.0
"""With webhooks a look is only the safety net."""
ROUND_SHARE, ROUND_PAUSE_MOST = 4.0, 0.1
"""After a round follows a pause of so many times its own length, of so many seconds at most: the
more there is to do, the more is done by one statement."""
STATUS_GONE = (404, 410)

HandOver = Callable[[Generation, VideoJob], bool]
"""Take over a video that is done, with its lease. False: there is no place for it now."""


class Polls:
    """`start()` it with the lease of its worker, then `turn` after turn."""

    def __init__(
        self,
        db: Db,
        wake: Wake,
        provider: Provider,
        steps: Steps,
        pauses: Pauses,
        processes: LiveProcesses,
        *,
        webhooks: bool,
    ) -> None:
        self._db = db
        self._wake = wake
        self._provider = provider
        self._steps = steps
        self._processes = processes
        self._webhooks = webhooks
        self._pace = Pace(PER_SECOND)
        self._shares = ModelShares(pauses)
        self._running: dict[asyncio.Task[None], Followed] = {}
        self._looks: list[Look] = []
        self._releasing = asyncio.Lock()
        self._in_flight = 0

    def start(
        self,
        background: Background,
        lease: WorkerLease,
        hand_over: HandOver,
        stops: Callable[[], bool],
        look: Callable[[], float],
    ) -> None:
        """`stops`: nothing new is taken any more. `look`: seconds between looks while nobody
        rings."""
        self._background = background
        self._lease = lease
        self._hand_over = hand_over
        self._stops = stops
        self._look = look

    @property
    def ids(self) -> list[str]:
        """The videos that this process has claimed."""
        return [
            *(each.id for each in self._running.values()),
            *(each.video.id for each in self._looks),
        ]

    async def close(self, grace: float) -> None:
        """Release every video: looks that go on after `grace` seconds are given up."""
        tasks = list(self._running.items())
        if tasks:
            _, late = await asyncio.wait([task for task, _ in tasks], timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            self._looks += [_unseen(each) for task, each in tasks if task in late]
        try:
            if self._looks:
                await self._release()
                self._wake.ring("worker")
        except DbUnavailable as error:
            log.warning("videos_not_released", number=len(self._looks), error=str(error))

    async def turn(self) -> float:
        """Make a round, then wait until the next one is due or a ring comes."""
        with self._wake.listen("polls", "worker") as listener:
            began = time.monotonic()
            wait = await self.round()
            pause = (time.monotonic() - began) * ROUND_SHARE
            await asyncio.sleep(min(pause, ROUND_PAUSE_MOST))
            await listener.wait(wait - pause)
        return 0.0

    async def round(self) -> float:
        """Release what was seen and look at what is due; returns in how many seconds more is due. A
        look that ends rings."""
        await self._release()
        look = self._look()
        if self._stops():
            return look
        at = now()
        self._in_flight, due = await followed.ahead(self._db, at)
        if due is not None:
            look = min(look, max(0.0, (due - now()).total_seconds()))
        return min(look, await self._begin_due(at)) if self._in_flight else look

    async def _begin_due(self, at: datetime) -> float:
        """Return when more may begin, in seconds, for what is held back by the pace or a pause."""
        self._pace.share(self._processes.workers)
        running = Counter(each.model for each in self._running.values())
        free, allowed = PLACES - running.total(), self._pace.allowed()
        if free < 1:
            return self._look()
        if allowed < 1:
            return self._pace.wait
        wanted, lease = min(free, allowed), self._lease
        without = self._shares.full(running)
        found = await followed.due(self._db, at, lease.lapsed, without, wanted)
        if ids := self._shares.choose(found, running):
            videos = await followed.claim(
                self._db, ids, lease.token, at, lease.until(at), lease.lapsed
            )
            self._pace.take(len(videos))
            if self._stops():
                # asked while they were claimed
                self._looks += map(_unseen, videos)
                await self._release()
                return self._look()
            for video in videos:
                self._begin(video)
        if len(found) == wanted < free:
            return self._pace.wait
        pause = self._shares.pause
        return self._look() if pause is None else pause

    def _begin(self, video: Followed) -> None:
        task = self._background.once(
            "poll", self._poll(video), generation=video.id, attempt=video.attempt
        )
        self._running[task] = video
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._wake.ring_here("polls")

    async def _release(self) -> None:
        async with self._releasing:
            looks = self._looks[:]
            if looks:
                await followed.release(self._db, looks, self._lease.token, now())
                del self._looks[: len(looks)]
            if any(look.phase == "fetch" for look in looks):
                self._wake.ring("worker")

    async def _poll(self, video: Followed) -> None:
        """Look at one video, under the name of the request that asked for it. While the database is
        away it is kept for the next release."""
        with (
            of_request(video.request_id),
            bound_contextvars(generation=video.id),
            span("step poll", generation=video.id, kind_of="video", model=video.model),
        ):
            try:
                await self._look_at(video)
            except DbUnavailable:
                self._looks.append(_unseen(video))
                raise

    async def _look_at(self, video: Followed) -> None:
        if video.rescues > RESCUES_MAX:
            await self._with_row(video, self._steps.run)
            return
        try:
            seen = await self._provider.check_video(video.provider_id or "")
        except ProviderError as error:
            await self._failed(video, error)
            return
        self._shares.answered(video.model)
        if seen.state != "running":
            await self._over(video, seen)
            return
        self._steps.expect_file("video")
        if _waited_enough(video):
            await self._with_row(video, self._steps.timed_out)
        else:
            self._wait(video, self._interval(video), 0, seen.raw_status)

    async def _over(self, video: Followed, seen: VideoJob) -> None:
        """End the video here if it has failed; else have it fetched, now or as soon as there is a
        place."""
        if seen.state != "completed":
            await self._with_row(video, lambda row: self._steps.failed(row, seen))
            return
        row = await self._whole(video)
        if row is not None and not self._hand_over(row, seen):
            kept = (video.followed_ms or 0, 0, seen.raw_status, seen.cost_micro)
            self._looks.append(Look(video, "fetch", now(), *kept))

    async def _failed(self, video: Followed, error: ProviderError) -> None:
        """The provider works on although we cannot see it: ask again until the deadline, unless it
        does not know the video."""
        log.warning(
            "poll_failed",
            generation=video.id,
            code=error.code,
            status=error.status,
            tries=video.tries + 1,
        )
        if error.code == "rate_limited":
            running = sum(each.model == video.model for each in self._running.values())
            self._shares.refused(video.model, error, running)
        gone = error.status in STATUS_GONE and video.tries + 1 >= SUBMIT_TRIES_MAX
        if gone or _waited_enough(video):
            await self._with_row(video, self._steps.lost)
            return
        wait = error.retry_after
        if wait is None:
            wait = min(30.0, 2.0 ** min(video.tries, 5))
        self._wait(video, max(POLL_LEAST, wait), video.tries + 1)

    def _wait(
        self, video: Followed, seconds: float, tries: int, provider_state: str | None = None
    ) -> None:
        """Look again after `seconds`, which count towards the deadline."""
        seconds = min(seconds, LOOK_AGAIN_MOST)
        followed_ms = (video.followed_ms or 0) + round(seconds * 1000)
        at = now() + timedelta(seconds=seconds)
        self._looks.append(Look(video, "poll", at, followed_ms, tries, provider_state))

    def _interval(self, video: Followed) -> float:
        """Return the seconds until the next look: a part of the video's age, and more where there
        are so many videos that the rate would not do."""
        age = (video.followed_ms or 0) / 1000
        usual = min(POLL_SLOWEST, max(POLL_LEAST, age * POLL_PART))
        if self._webhooks:
            usual = POLL_BEHIND_WEBHOOKS
        return max(usual, self._in_flight / STEADY_PER_SECOND)

    async def _whole(self, video: Followed) -> Generation | None:
        """Return the row; None once it is another worker's."""
        row = await store.get(self._db, video.id)
        mine = row and (row.attempt, row.lease_token) == (video.attempt, self._lease.token)
        if not mine:
            log.warning("stale_worker", generation=video.id, attempt=video.attempt)
        return row if mine else None

    async def _with_row(
        self, video: Followed, work: Callable[[Generation], Awaitable[None]]
    ) -> None:
        row = await self._whole(video)
        if row is not None:
            await work(row)


def _waited_enough(video: Followed) -> bool:
    return (video.followed_ms or 0) >= PROVIDER_TIME_MAX * 1000


def _unseen(video: Followed) -> Look:
    """Return a look that changes nothing, after which the video is due at once."""
    return Look(video, "poll", now(), video.followed_ms or 0, video.tries)
