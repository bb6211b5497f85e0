"""The steps of a worker with one leased generation: one step, then a fenced write. ARCHITECTURE.md
draws the states and their moves.

A paid call is made at most once: `submitting` is committed before it, and a generation found in
`submitting` is never sent again.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

from structlog import get_logger
from structlog.contextvars import bound_contextvars

from api.background import until_back
from api.budget.service import BudgetService
from api.catalog.service import Catalog
from api.db import Db, Sql
from api.errors import (
    BudgetExceeded,
    Conflict,
    DomainError,
    ModelUnavailable,
    OutcomeUnknown,
    ProviderUnavailable,
    StorageFull,
    StorageUnavailable,
    TimedOut,
)
from api.fault_points import fault_point
from api.generations import store, transitions
from api.generations.announcer import Announcer
from api.generations.making.asks import Callbacks, image_ask, video_ask
from api.generations.making.ending import Ending
from api.generations.making.failures import billed, cause, video_error
from api.generations.making.paid_pictures import PaidPictures
from api.generations.making.provider_waits import Credit, may_wait, next_wait, pause
from api.generations.schemas import GenerationStatus
from api.generations.states import Phase
from api.generations.store import Generation
from api.ids import now
from api.media.service import KeptFile, MediaService
from api.provider.domain_errors import domain_error
from api.provider.shared_pauses import Pauses
from api.provider.types import (
    ImageAsk,
    ImageInput,
    ImageResult,
    Provider,
    ProviderError,
    VideoAsk,
    VideoJob,
)
from api.users.service import UserService
from api.wake import Wake
from telemetry.requests import of_request
from telemetry.spans import span

log = get_logger("worker")

RESCUES_MAX = 3
SUBMIT_TRIES_MAX = 3
"""Of a call whose answer may be better the next time, though the provider works."""
FETCH_TRIES_MAX = 8
ACCOUNT_TRIES_MAX = 60
"""Tries to fetch a video while the provider refuses the whole account: half an hour, for a person
has to put that right."""
FETCH_FIRST = 1.0
PROVIDER_TIME_MAX = 3600.0
"""Seconds, as the waits between the looks add up. No clock is asked, for it may jump while a video
that is paid for is made."""
UNKNOWN_LOOK = 300.0
POLL_FIRST = 1.0
LOOK_AGAIN_MOST = 300.0
"""The longest wait that the provider may ask for: a longer one would be taken for a clock that was
set back."""


class Steps:
    """Each step leaves the generation released, finished, or with another worker."""

    def __init__(
        self,
        db: Db,
        wake: Wake,
        provider: Provider,
        catalog: Catalog,
        budget: BudgetService,
        users: UserService,
        media: MediaService,
        announcer: Announcer,
        callbacks: Callbacks | None,
        pauses: Pauses,
    ) -> None:
        self._db = db
        self._wake = wake
        self._provider = provider
        self._catalog = catalog
        self._budget = budget
        self._users = users
        self._media = media
        self._announcer = announcer
        self._callbacks = callbacks
        self._ending = Ending(db, budget, media, announcer)
        self._pictures = PaidPictures(media, self._ending)
        self._credit = Credit(pauses)

    async def run(self, row: Generation) -> None:
        """Run the step under the name of the request that asked for the generation."""
        with (
            of_request(row.request_id),
            bound_contextvars(generation=row.id),
            span(f"step {row.phase}", generation=row.id, kind_of=row.kind, model=row.model),
        ):
            await self._step(row)

    async def _step(self, row: Generation) -> None:
        if row.rescues > RESCUES_MAX:
            await self._give_up(row)
        elif row.phase == "submit":
            await self._submit(row)
        elif row.phase == "submit_unknown":
            await self._unknown(row)
        else:
            await self._end_fetch(row, await self._fetched(row), row.cost_micro)

    async def _submit(self, row: Generation) -> None:
        try:
            await self._media.disk_space.require()
            await self._within_limit(row)
            inputs = [
                await self._media.input_image(row.user_id, item.media_id) for item in row.inputs
            ]
            ask = await self._ask(row, inputs)
        except DomainError as error:
            await self._ending.fail(row, error, 0)
            return
        if not await transitions.advance(
            self._db, row, "submitting", status="processing", started_at=row.started_at or now()
        ):
            return
        fault_point("submitting")
        began = time.monotonic()
        self._wake.ring(f"generation:{row.id}")
        self.expect_file(row.kind)
        try:
            async with self._credit.asking():
                answer = await (
                    self._provider.image(ask)
                    if isinstance(ask, ImageAsk)
                    else self._provider.start_video(ask)
                )
        except ProviderError as error:
            tried = replace(
                row, followed_ms=(row.followed_ms or 0) + round((time.monotonic() - began) * 1000)
            )
            await until_back(partial(self.submit_failed, tried, error))
            return
        fault_point("answered")
        if isinstance(answer, ImageResult):
            await self._pictures.keep(row, answer)
        else:
            await until_back(partial(self._follow, row, answer))

    async def _within_limit(self, row: Generation) -> None:
        """Raise `BudgetExceeded` when earlier requests have cost more than was held for them and
        the limit is reached."""
        user = await self._users.find(row.user_id)
        if user is not None and await self._budget.is_over(
            user.id, user.monthly_micro, row.created_at
        ):
            raise BudgetExceeded("budget_spent")

    async def _ask(self, row: Generation, inputs: Sequence[ImageInput]) -> ImageAsk | VideoAsk:
        """Raises `ModelUnavailable`."""
        if row.kind == "video":
            return video_ask(row, inputs, self._callbacks.url(row) if self._callbacks else None)
        try:
            info = self._catalog.resolve("image", row.model).info
        except ModelUnavailable:
            # the process that took the request may have known the model a moment earlier
            await self._catalog.reload()
            info = self._catalog.resolve("image", row.model).info
        return image_ask(row, inputs, info, info.route or self._provider.guess_route(row.model))

    async def submit_failed(self, row: Generation, error: ProviderError) -> None:
        """Retry after a failed paid call where that is safe, else end the generation."""
        log.warning(
            "submit_failed",
            generation=row.id,
            code=error.code,
            outcome=error.outcome,
            status=error.status,
            tries=row.tries + 1,
        )
        if error.outcome == "unknown":
            if row.kind == "video" and await transitions.advance(self._db, row, "submit_unknown"):
                await self._unknown(row)
            elif row.kind == "image":
                await self._ending.fail(
                    row,
                    OutcomeUnknown(error.reason),
                    billed(row, error),
                    error.provider_id,
                )
        elif not await self._tried_again(row, error):
            await self._ending.fail(row, domain_error(error), billed(row, error))

    async def _tried_again(self, row: Generation, error: ProviderError) -> bool:
        """Queue it again. False when it is over: tried in vain, or cancelled meanwhile."""
        changes: dict[str, object]
        if may_wait(error):
            if (seconds := next_wait(row, error)) is None:
                return False
            # it has not begun: neither for whoever waits nor for how long its model usually takes
            followed_ms = (row.followed_ms or 0) + round(seconds * 1000)
            changes = {
                "followed_ms": followed_ms,
                "started_at": None,
                "provider_state": error.reason,
            }
        elif error.retryable and row.tries + 1 < SUBMIT_TRIES_MAX:
            seconds, changes = pause(row, error), {}
        else:
            return False
        done = await self._release(
            row, "submit", seconds, status="queued", tries=row.tries + 1, **changes
        )
        self._wake.ring(f"generation:{row.id}")
        return done

    async def _unknown(self, row: Generation) -> None:
        """The answer to a paid submit was lost. A webhook may name the provider's job, now or
        before. Without one an image ends here; a video, which costs much more, is left to the
        operator."""
        if row.kind == "image":
            log.error(
                "outcome_unknown",
                generation=row.id,
                model=row.model,
                estimate_micro=row.estimate_micro,
            )
            await self._ending.fail(row, OutcomeUnknown("server_stopped"), None)
        elif (provider_id := await store.reported_provider_id(self._db, row.id)) is not None:
            await self._follow(row, VideoJob(provider_id, "running", "reported"))
        elif self._callbacks and not _waited_enough(row):
            await self._wait(row, "submit_unknown", UNKNOWN_LOOK)
        else:
            await self._review(row)

    async def _give_up(self, row: Generation) -> None:
        """End a generation with which the process died again and again."""
        if row.kind == "video" and row.phase != "submit":
            await self._review(row)
        else:
            await self._ending.fail(
                row,
                OutcomeUnknown("server_stopped"),
                0 if row.phase == "submit" else None,
            )

    async def _review(self, row: Generation) -> None:
        """Leave it to an operator, who can find out its outcome: the hold stays, and the chat that
        waits is told once."""
        log.error(
            "needs_review",
            generation=row.id,
            model=row.model,
            phase=row.phase,
            estimate_micro=row.estimate_micro,
        )
        async with self._db.transaction() as sql:
            if not await transitions.release(sql, row, "needs_review", now(), now()):
                return
            if (await self._status(sql, row)) == "processing":
                await self._announcer.needs_review(sql, row)
        self._announcer.ring(row)

    async def _follow(self, row: Generation, video: VideoJob) -> None:
        about = {"provider_id": video.provider_id, "provider_state": video.raw_status}
        if not await self._release(
            row,
            "poll",
            POLL_FIRST,
            status=None,
            submitted_at=now(),
            followed_ms=0,
            tries=0,
            **about,
        ):
            await self._adopt(row, video)

    async def _adopt(self, row: Generation, video: VideoJob) -> None:
        """The lease was lost while the provider took a video that is paid for: give the provider's
        id to the worker that has the generation now."""
        about = {
            "generation": row.id,
            "provider_id": video.provider_id,
            "model": row.model,
            "estimate_micro": row.estimate_micro,
        }
        if await transitions.adopt_provider_id(self._db, row.id, video.provider_id, now()):
            log.warning("video_adopted", **about)
            self._wake.ring_here("worker")
        elif not await transitions.name_provider_id(self._db, row.id, video.provider_id):
            log.error("paid_video_of_no_job", **about)
        elif (now_is := await store.get(self._db, row.id)) is not None and now_is.phase == "done":
            log.error("paid_video_of_ended_job", status=now_is.status, **about)

    async def completed(self, row: Generation, video: VideoJob) -> None:
        """Fetch a video that the provider has made. That it is made is noted meanwhile: every later
        write is fenced, and comes to nothing where this one did."""
        noted = asyncio.create_task(until_back(partial(self._note_made, row, video)))
        try:
            found = await self._fetched(row)
        finally:
            await noted
        await self._end_fetch(row, found, video.cost_micro)

    async def _note_made(self, row: Generation, video: VideoJob) -> None:
        await transitions.advance(
            self._db,
            row,
            "fetch",
            cost_micro=video.cost_micro,
            provider_state=video.raw_status,
            tries=0,
        )

    def expect_file(self, kind: str) -> None:
        """Prepare for a file that the provider may have soon."""
        self._media.expect_file(is_video=kind == "video")

    async def failed(self, row: Generation, video: VideoJob) -> None:
        """End a video that the provider has given up."""
        await self._ending.fail(row, video_error(video), video.cost_micro or 0)

    async def lost(self, row: Generation) -> None:
        """End a video that the provider does not show any more."""
        await self._ending.fail(row, ProviderUnavailable("provider_failed"), None)

    async def timed_out(self, row: Generation) -> None:
        await self._ending.fail(row, TimedOut("timed_out"), None)

    async def _fetched(self, row: Generation) -> list[KeptFile] | ProviderError | DomainError:
        """Return the file of a video, none for a cancelled one, or why there is none."""
        if row.status == "cancelled":
            return []
        chunks = self._provider.fetch_video(row.provider_id or "")
        try:
            return [await self._media.keep_video(row.user_id, row.id, chunks)]
        except (ProviderError, DomainError) as error:
            return error

    async def _end_fetch(
        self,
        row: Generation,
        found: list[KeptFile] | ProviderError | DomainError,
        cost_micro: int | None,
    ) -> None:
        cost = cost_micro if cost_micro is not None else row.estimate_micro
        if not isinstance(found, list):
            await self._fetch_failed(row, found, cost)
            return
        fault_point("kept")
        await until_back(partial(self._ending.complete, row, found, cost))

    async def _fetch_failed(
        self, row: Generation, error: ProviderError | DomainError, cost: int
    ) -> None:
        """Fetching costs nothing, so failures that may pass are tried again. An unusable file stays
        unusable."""
        log.warning(
            "fetch_failed",
            generation=row.id,
            error=str(error),
            reason=error.reason,
            tries=row.tries + 1,
        )
        most = FETCH_TRIES_MAX
        if isinstance(error, ProviderError):
            passing = error.passing or error.status == 404
            if error.code == "provider_out_of_credit" or error.reason == "key_refused":
                passing, most = True, ACCOUNT_TRIES_MAX
            failure: DomainError = ProviderUnavailable(
                "cut_short" if error.reason == "cut_short" else "not_fetched"
            )
        else:
            passing = error.reason == "cut_short" or isinstance(
                error, StorageFull | StorageUnavailable | Conflict
            )
            of_store = isinstance(error, StorageFull | StorageUnavailable)
            failure = error if of_store else ProviderUnavailable(cause(error, "unusable_video"))
        if passing and row.tries + 1 < most:
            wait = error.retry_after
            if wait is None:
                wait = min(30.0, FETCH_FIRST * 2.0 ** min(row.tries, 5))
            wait = min(max(FETCH_FIRST, wait), LOOK_AGAIN_MOST)
            await self._release(row, "fetch", wait, tries=row.tries + 1)
        else:
            await self._ending.fail(row, failure, cost)

    async def _status(self, sql: Sql, row: Generation) -> str | None:
        found = await store.get(sql, row.id)
        return found.status if found else None

    async def _wait(self, row: Generation, phase: Phase, seconds: float, **changes: object) -> None:
        """Look again after `seconds`, which count towards the deadline."""
        seconds = min(seconds, LOOK_AGAIN_MOST)
        followed_ms = (row.followed_ms or 0) + round(seconds * 1000)
        await self._release(row, phase, seconds, status=None, followed_ms=followed_ms, **changes)

    async def _release(
        self,
        row: Generation,
        phase: Phase,
        seconds: float,
        *,
        status: GenerationStatus | None = None,
        **changes: object,
    ) -> bool:
        done = await transitions.release(
            self._db,
            row,
            phase,
            now() + timedelta(seconds=seconds),
            now(),
            status=status,
            **changes,
        )
        self._wake.ring_here("worker")
        return done


def _waited_enough(row: Generation) -> bool:
    return (row.followed_ms or 0) >= PROVIDER_TIME_MAX * 1000
