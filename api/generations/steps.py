"""What a worker does with one leased job: one step, then a fenced write. The states and their moves are drawn in ARCHITECTURE.md.

A paid call is made at most once: `submitting` is committed before it, and a job found in `submitting` is never sent again.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from structlog import get_logger

from api.budget.service import BudgetService
from api.catalog.service import Catalog
from api.db import Db, Sql
from api.deliveries.service import DeliveryService
from api.deliveries.store import Target
from api.errors import (
    ContentRefused,
    DomainError,
    OutcomeUnknown,
    ProviderUnavailable,
    StorageFull,
    StorageUnavailable,
    TimedOut,
)
from api.fault_points import fault_point
from api.generations import moves, store
from api.generations.schemas import GenerationStatus
from api.generations.states import Phase
from api.generations.store import Generation
from api.ids import now
from api.media.service import KeptFile, MediaService
from api.provider.domain_errors import domain_error
from api.provider.types import ImageAsk, ImageInput, ImageResult, Provider, ProviderError, VideoAsk, VideoJob
from api.schemas import Reason
from api.wake import Wake

log = get_logger("worker")

RESCUES_MAX = 3
SUBMIT_TRIES_MAX = 3
RETRY_FIRST = 1.0
FETCH_TRIES_MAX = 8
PROVIDER_TIME_MAX = timedelta(minutes=60)
POLL_FIRST = 1.0
POLL_QUICK = 2.0
POLL_QUICK_FOR = 180.0
POLL_SLOWEST = 10.0
POLL_BEHIND_WEBHOOKS = 30.0


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Where the provider reports finished videos; None when webhooks are off."""

    base_url: str

    def url(self, job: Generation) -> str:
        return f"{self.base_url}/webhooks/openrouter/{job.callback_token}"


class Steps:
    """Each method leaves the job released, finished, or somebody else's."""

    def __init__(
        self,
        db: Db,
        wake: Wake,
        provider: Provider,
        catalog: Catalog,
        budget: BudgetService,
        media: MediaService,
        deliveries: DeliveryService,
        callbacks: Callbacks | None,
    ) -> None:
        self._db = db
        self._wake = wake
        self._provider = provider
        self._catalog = catalog
        self._budget = budget
        self._media = media
        self._deliveries = deliveries
        self._callbacks = callbacks

    async def run(self, job: Generation) -> None:
        if job.rescues > RESCUES_MAX:
            await self._give_up(job)
        elif job.phase == "submit":
            await self._submit(job)
        elif job.phase == "submit_unknown":
            await self._unknown(job)
        elif job.phase == "poll":
            await self._poll(job)
        else:
            await self._fetch(job, job.cost_micro)

    async def _submit(self, job: Generation) -> None:
        try:
            await self._media.room.require()
            inputs = [await self._media.input_image(job.user_id, item.media_id) for item in job.inputs]
            ask = self._image_ask(job, inputs) if job.kind == "image" else self._video_ask(job, inputs)
        except DomainError as error:
            await self._fail(job, error)
            return
        if not await moves.advance(self._db, job, "submitting", status="processing", started_at=job.started_at or now()):
            return
        fault_point("submitting")
        self._wake.ring(f"generation:{job.id}")
        try:
            answer = await (self._provider.image(ask) if isinstance(ask, ImageAsk) else self._provider.start_video(ask))
        except ProviderError as error:
            await self.submit_failed(job, error)
            return
        fault_point("answered")
        if isinstance(answer, ImageResult):
            await self._keep_images(job, answer)
        else:
            await self._follow(job, answer)

    def _image_ask(self, job: Generation, inputs: Sequence[ImageInput]) -> ImageAsk:
        model = self._catalog.resolve("image", job.model).info
        options = job.options
        return ImageAsk(
            model=job.model,
            route=model.route or self._provider.guess_route(job.model),
            prompt=job.prompt,
            n=_int(options.get("n")) or 1,
            size=_text(options.get("size")),
            aspect_ratio=_text(options.get("aspect_ratio")),
            image_size=_text(options.get("image_size")),
            seed=_int(options.get("seed")),
            inputs=tuple(inputs),
            modalities=model.modalities or ("image",),
            user=job.user_id,
        )

    def _video_ask(self, job: Generation, inputs: Sequence[ImageInput]) -> VideoAsk:
        frames = {item.frame: image for item, image in zip(job.inputs, inputs, strict=True)}
        options = job.options
        audio = options.get("generate_audio")
        return VideoAsk(
            model=job.model,
            prompt=job.prompt,
            duration=_int(options.get("duration")),
            resolution=_text(options.get("resolution")),
            aspect_ratio=_text(options.get("aspect_ratio")),
            generate_audio=audio if isinstance(audio, bool) else None,
            seed=_int(options.get("seed")),
            first_frame=frames.get("first_frame"),
            last_frame=frames.get("last_frame"),
            callback_url=self._callbacks.url(job) if self._callbacks else None,
            user=job.user_id,
        )

    async def submit_failed(self, job: Generation, error: ProviderError) -> None:
        """What a failed paid call means for its job."""
        log.warning("submit_failed", job=job.id, code=error.code, outcome=error.outcome, status=error.status, tries=job.tries + 1)
        if error.outcome == "unknown":
            if job.kind == "video" and await moves.advance(self._db, job, "submit_unknown"):
                await self._unknown(job)
            elif job.kind == "image":
                await self._fail(job, _unknown_outcome(error.reason or "connection_lost"))
        elif error.retryable and job.tries + 1 < SUBMIT_TRIES_MAX:
            wait = error.retry_after if error.retry_after is not None else RETRY_FIRST * 2.0**job.tries * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
            if not await self._release(job, "submit", wait, status="queued", tries=job.tries + 1):
                await self._fail(job, domain_error(error))  # cancelled meanwhile: it is not tried again
        else:
            await self._fail(job, domain_error(error))

    async def _unknown(self, job: Generation) -> None:
        """The answer to a paid submit was lost. A webhook may name the job, or may have named it before we knew that we would need it.
        Without one an image ends here, not charged to the user; a video, which costs much more, is left to the operator."""
        if job.kind == "image":
            log.error("outcome_unknown", job=job.id, model=job.model, estimate_micro=job.estimate_micro)
            await self._fail(job, _unknown_outcome("server_stopped"))
        elif (provider_id := await store.reported_provider_id(self._db, job.id)) is not None:
            await self._follow(job, VideoJob(provider_id, "running", "reported"))
        elif self._callbacks and now() < (until := (job.started_at or job.created_at) + PROVIDER_TIME_MAX):
            await self._release(job, "submit_unknown", (until - now()).total_seconds())
        else:
            await self._review(job)

    async def _give_up(self, job: Generation) -> None:
        """The process died with it again and again."""
        if job.kind == "video" and job.phase != "submit":
            await self._review(job)
        else:
            sentence = "The server stopped several times while this was being made. It was not repeated."
            await self._fail(job, OutcomeUnknown(sentence, reason="server_stopped"))

    async def _review(self, job: Generation) -> None:
        """Only a person can tell what became of it: the hold stays, and whoever waits is told so once."""
        log.error("needs_review", job=job.id, model=job.model, phase=job.phase, estimate_micro=job.estimate_micro)
        async with self._db.transaction() as sql:
            if not await moves.release(sql, job, "needs_review", now(), now()):
                return
            target = target_of(job)
            if target is not None and (await self._status(sql, job)) == "processing":
                await self._deliveries.announce_notice(sql, job.id, target, "needs_review", {"short_id": job.short_id}, job.attempt)
        self._ring(job)

    async def _follow(self, job: Generation, video: VideoJob) -> None:
        await self._release(
            job,
            "poll",
            POLL_FIRST,
            provider_id=video.provider_id,
            provider_state=video.raw_status,
            submitted_at=now(),
            deadline_at=now() + PROVIDER_TIME_MAX,
            tries=0,
        )

    async def _poll(self, job: Generation) -> None:
        try:
            video = await self._provider.check_video(job.provider_id or "")
        except ProviderError as error:
            await self._poll_failed(job, error)
            return
        if video.state == "completed":
            if await moves.advance(self._db, job, "fetch", cost_micro=video.cost_micro, provider_state=video.raw_status, tries=0):
                await self._fetch(job, video.cost_micro)
        elif video.state == "running":
            if job.deadline_at is not None and now() > job.deadline_at:
                await self._fail(job, TimedOut("The provider did not finish this video within an hour."))
            else:
                await self._release(job, "poll", self._interval(job), provider_state=video.raw_status, tries=0)
        else:
            await self._fail(job, _video_error(video))

    def _interval(self, job: Generation) -> float:
        """Quick while most videos finish, then 5 % of the age; a backstop only when webhooks come."""
        if self._callbacks:
            return POLL_BEHIND_WEBHOOKS
        age = (now() - (job.submitted_at or job.created_at)).total_seconds()
        return POLL_QUICK if age < POLL_QUICK_FOR else min(POLL_SLOWEST, age * 0.05)

    async def _poll_failed(self, job: Generation, error: ProviderError) -> None:
        """The provider works on although we cannot see it: keep asking until the deadline, unless it does not know the job."""
        log.warning("poll_failed", job=job.id, code=error.code, status=error.status, tries=job.tries + 1)
        gone = error.status in {404, 410} and job.tries + 1 >= SUBMIT_TRIES_MAX
        if gone or (job.deadline_at is not None and now() > job.deadline_at):
            await self._fail(job, ProviderUnavailable("The provider lost this video.", reason="provider_failed"))
            return
        wait = error.retry_after if error.retry_after is not None else min(30.0, 2.0**job.tries)
        await self._release(job, "poll", wait, tries=job.tries + 1)

    async def _fetch(self, job: Generation, cost_micro: int | None) -> None:
        cost = cost_micro if cost_micro is not None else job.estimate_micro
        if (await self._status(self._db, job)) == "cancelled":
            await self._complete(job, [], cost)
            return
        try:
            kept = await self._media.keep_video(job.user_id, job.id, self._provider.fetch_video(job.provider_id or ""))
        except (ProviderError, DomainError) as error:
            log.warning("fetch_failed", job=job.id, error=str(error), tries=job.tries + 1)
            if job.tries + 1 < FETCH_TRIES_MAX:
                await self._release(job, "fetch", min(30.0, 2.0**job.tries), tries=job.tries + 1)
            else:
                failure = (
                    error
                    if isinstance(error, StorageFull | StorageUnavailable)
                    else ProviderUnavailable("The finished video could not be fetched.", reason="not_fetched")
                )
                await self._fail(job, failure)
            return
        fault_point("kept")
        await self._complete(job, [kept], cost)

    async def _status(self, sql: Sql, job: Generation) -> str | None:
        row = await store.get(sql, job.id)
        return row.status if row else None

    async def _keep_images(self, job: Generation, result: ImageResult) -> None:
        kept = []
        try:
            for position, image in enumerate(result.images):
                kept.append(await self._media.keep_image(job.user_id, job.id, position, image.data))
        except (StorageFull, StorageUnavailable) as error:
            await self._fail(job, error)
            return
        except DomainError as error:
            log.warning("unusable_image", job=job.id, model=job.model, error=error.detail)
            await self._fail(job, ProviderUnavailable("The provider's answer held no usable image.", reason="unusable_image"))
            return
        fault_point("kept")
        await self._complete(job, kept, result.cost_micro if result.cost_micro is not None else job.estimate_micro)

    async def _complete(self, job: Generation, kept: Sequence[KeptFile], cost_micro: int) -> None:
        """Result, money and delivery in one transaction; a cancelled job only settles."""
        files = self._media.listed(kept) if kept else None
        async with self._db.transaction() as sql:
            outcome = {"status": "completed", "cost_micro": cost_micro, "finished_at": now(), "files_json": files}
            finished = await moves.finish(sql, job, outcome)
            status, owner_id = finished or (None, job.user_id)
            if status is not None:
                await self._budget.settle(sql, job.hold_id, cost_micro=cost_micro, kind=job.kind, model=job.model)
            if status == "completed":
                for file in kept:
                    await self._media.record(sql, file, owner_id)
                await self._announce(job, sql, "generation_completed")
        if status is None:
            await self._stale(job, kept)
            return
        fault_point("finished")
        if status == "cancelled":
            await self._media.discard(kept)
        self._ring(job)
        log.info("generation_done", job=job.id, kind=job.kind, model=job.model, status=status, cost_micro=cost_micro)

    async def _stale(self, job: Generation, kept: Sequence[KeptFile]) -> None:
        """Somebody else has the job, and writes the same files under the same names; unless it was deleted, then they are nobody's."""
        log.warning("stale_worker", job=job.id, attempt=job.attempt)
        if await store.get(self._db, job.id) is None:
            await self._media.discard(kept)

    async def _fail(self, job: Generation, error: DomainError) -> None:
        async with self._db.transaction() as sql:
            outcome = {
                "status": "failed",
                "error_code": error.code,
                "error_message": error.detail,
                "error_reason": error.reason,
                "finished_at": now(),
            }
            finished = await moves.finish(sql, job, outcome)
            if finished is None:
                log.warning("stale_worker", job=job.id, attempt=job.attempt)
                return
            status, _ = finished
            await self._budget.release(sql, job.hold_id)
            if status == "failed":
                await self._announce(job, sql, "generation_failed")
        self._ring(job)
        log.info("generation_failed", job=job.id, kind=job.kind, model=job.model, code=error.code)

    async def _announce(self, job: Generation, sql: Sql, event: str) -> None:
        if (target := target_of(job)) is not None:
            await self._deliveries.announce(sql, job.id, target, event)

    def _ring(self, job: Generation) -> None:
        self._wake.ring(f"generation:{job.id}")
        if job.platform:
            self._deliveries.ring(job.platform)

    async def _release(
        self, job: Generation, phase: Phase, seconds: float, *, status: GenerationStatus | None = None, **changes: object
    ) -> bool:
        done = await moves.release(self._db, job, phase, now() + timedelta(seconds=seconds), now(), status=status, **changes)
        self._wake.ring("worker")
        return done


def target_of(job: Generation) -> Target | None:
    """The chat that waits for it; None when it was asked for elsewhere."""
    if job.platform is None or job.chat_id is None:
        return None
    return Target(job.platform, job.chat_id, job.thread_id, job.message_id, job.user_name, bool(job.chat_private), job.user_id)


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _unknown_outcome(reason: Reason) -> OutcomeUnknown:
    return OutcomeUnknown(
        "Whether the provider made this is not known, because its answer did not arrive. It was not repeated. "
        "Ask again if you still want it.",
        reason=reason,
    )


def _video_error(video: VideoJob) -> DomainError:
    said = f": {video.error}" if video.error else "."
    if video.refused:
        return ContentRefused(f"The provider refused this{said}")
    if video.state == "expired":
        return TimedOut("The provider gave up on this video because it took too long.")
    return ProviderUnavailable(f"The provider could not make this video{said}", reason="provider_failed")
