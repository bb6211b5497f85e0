"""The operator's acts on all generations, each written to the audit log in its own transaction."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from structlog import get_logger

from api.admin.studio_settings import StudioSettings
from api.budget.service import BudgetService
from api.callers import Caller
from api.db import Db, Sql
from api.errors import Conflict, InvalidRequest, OutcomeUnknown, TimedOut
from api.generations import lists, store, transitions
from api.generations.accepting.request import Origin
from api.generations.accepting.service import GenerationService
from api.generations.announcer import Announcer
from api.generations.erasure import GenerationEraser
from api.generations.lists import GenerationFilter, GenerationSort
from api.generations.making.ending import close_failed
from api.generations.making.steps import PROVIDER_TIME_MAX
from api.generations.reader import GenerationReader
from api.generations.schemas import (
    AdminGenerationOut,
    AgainIn,
    GenerationOut,
    PurgeIn,
    RefundIn,
    ResolveIn,
)
from api.generations.store import Generation, Listed
from api.ids import now
from api.schemas import Page
from api.users import audit
from api.users.service import UserService
from api.wake import Wake

log = get_logger("admin")

_OWN = AdminGenerationOut.model_fields.keys() - GenerationOut.model_fields.keys()
_BESIDE = _OWN - {"user_name", "hidden"}


class GenerationAdmin:
    def __init__(
        self,
        db: Db,
        wake: Wake,
        users: UserService,
        studio: StudioSettings,
        budget: BudgetService,
        announcer: Announcer,
        eraser: GenerationEraser,
        reader: GenerationReader,
        generations: GenerationService,
    ) -> None:
        self._db = db
        self._wake = wake
        self._users = users
        self._studio = studio
        self._budget = budget
        self._announcer = announcer
        self._eraser = eraser
        self._reader = reader
        self._generations = generations

    async def page(
        self, wanted: GenerationFilter, limit: int, sort: GenerationSort = "newest"
    ) -> Page[AdminGenerationOut]:
        """While content is hidden, words of a prompt find nothing."""
        shows = await self._studio.shows_content()
        wanted = replace(lists.within(wanted, sort, now()), prompts=shows)
        rows, cursor = await lists.page(self._db, wanted, limit, sort)
        return Page(items=await self._outs(rows), next_cursor=cursor)

    async def one(self, generation_id: str) -> AdminGenerationOut:
        return (await self._outs([await self._reader.known(generation_id)]))[0]

    async def _outs(self, rows: Sequence[Listed]) -> list[AdminGenerationOut]:
        names = await self._users.names({row.user_id for row in rows})
        shows = await self._studio.shows_content()
        outs = await self._reader.outs(rows)
        return [
            AdminGenerationOut(
                **(out.__dict__ if shows else _without_content(out)),
                **{name: getattr(row, name) for name in _BESIDE},
                user_name=names.get(row.user_id, ""),
                hidden=not shows,
            )
            for row, out in zip(rows, outs, strict=True)
        ]

    async def resolve(
        self, admin: Caller, generation_id: str, body: ResolveIn
    ) -> AdminGenerationOut:
        """Write down the outcome that an operator has found out. Raises `Conflict` unless it still
        has an unknown outcome: a webhook or another operator may have been quicker."""
        row = await self._reader.known(generation_id)
        if (body.outcome == "provider_id") != (body.provider_id is not None):
            raise InvalidRequest("provider_id_alone", field="provider_id")
        async with self._db.transaction() as sql:
            if body.provider_id is not None:
                done = await transitions.adopt_provider_id(sql, row.id, body.provider_id, now())
            else:
                done = await self._lost(sql, row, charged=body.outcome == "failed_charged")
            if not done:
                raise Conflict("outcome_known")
            after: audit.Facts = {"outcome": body.outcome, "provider_id": body.provider_id}
            await self._record(sql, "generation_resolve", admin, row, after)
        self._ring(row)
        return await self.one(row.id)

    async def _lost(self, sql: Sql, row: Generation, *, charged: bool) -> bool:
        cost = row.estimate_micro if charged else None
        error = OutcomeUnknown("charged_and_lost" if charged else "outcome_lost")
        ended = await transitions.end(
            sql, row.id, ("submit_unknown", "needs_review"), now(), cost_micro=cost, error=error
        )
        if ended is None:
            return False
        await close_failed(sql, self._budget, ended, ended.status, cost)
        await self._announce(sql, ended)
        return True

    async def _announce(self, sql: Sql, ended: Generation) -> None:
        """Announce a failed one. A cancelled one was announced when it was cancelled."""
        if ended.status == "failed":
            await self._announcer.announce(sql, ended, "generation_failed")

    async def cancel(self, admin: Caller, generation_id: str) -> AdminGenerationOut:
        row = await self._reader.known(generation_id)
        await self._generations.stop(row, self._recorder("generation_cancel", admin, row))
        return await self.one(row.id)

    async def retry(self, admin: Caller, generation_id: str) -> AdminGenerationOut:
        """Make it once more for the same user with a new hold. A second retry returns the same new
        generation."""
        row = await self._reader.known(generation_id)
        if row.phase != "done" or row.status == "completed":
            raise Conflict("not_repeatable")
        owner = Caller(row.user_id, "user", platform=row.platform, chat_id=row.chat_id)
        body = AgainIn(address=self._generations.address_of(row), confirm=True)
        origin = Origin(row.source, f"retry:{row.id}")
        made = await self._generations.repeat(owner, row, body, origin)
        async with self._db.transaction() as sql:
            await self._record(sql, "generation_retry", admin, row, {"new": made.id})
        return await self.one(made.id)

    async def refund(self, admin: Caller, generation_id: str, body: RefundIn) -> AdminGenerationOut:
        row = await self._reader.known(generation_id)
        async with self._db.transaction() as sql:
            if not await store.mark_refunded(sql, row.id, now()):
                raise Conflict("not_refundable")
            micro = await self._budget.refund(sql, row.hold_id)
            after: audit.Facts = {"cost_micro": micro, "reason": body.reason}
            await self._record(sql, "generation_refund", admin, row, after)
        return await self.one(row.id)

    async def delete(self, admin: Caller, generation_id: str) -> None:
        row = await self._reader.known(generation_id)
        if row.phase != "done":
            raise Conflict("not_over")
        await self._eraser.erase(row.id, self._recorder("generation_delete", admin, row))

    async def purge(self, admin: Caller, body: PurgeIn) -> int:
        at = now()
        before = at - timedelta(days=body.older_than_days)
        found = await store.old_ids(self._db, before, body.status, at - store.COST_ASKED_FOR)
        for generation_id in found:
            await self._eraser.erase(generation_id)
        async with self._db.transaction() as sql:
            after: audit.Facts = {**body.model_dump(), "count": len(found)}
            await audit.record(
                sql, "generation_purge", actor_id=admin.user_id, subject="generations", after=after
            )
        return len(found)

    async def time_out(self, admin: Caller) -> int:
        """Fail generations that are past their deadline at the provider."""
        late = 0
        for generation_id in await transitions.overdue_ids(self._db, int(PROVIDER_TIME_MAX * 1000)):
            async with self._db.transaction() as sql:
                error = TimedOut("timed_out")
                row = await transitions.end(
                    sql, generation_id, ("poll", "fetch"), now(), cost_micro=None, error=error
                )
                if row is None:
                    continue
                await self._budget.release(sql, row.hold_id)
                await self._announce(sql, row)
                await self._record(sql, "generation_timed_out", admin, row, {"status": row.status})
            self._ring(row)
            late += 1
        return late

    def _recorder(
        self, action: str, admin: Caller, row: Generation
    ) -> Callable[[Sql], Awaitable[None]]:
        return lambda sql: self._record(sql, action, admin, row, None)

    async def _record(
        self, sql: Sql, action: str, admin: Caller, row: Generation, after: audit.Facts | None
    ) -> None:
        before: audit.Facts = {"user_id": row.user_id, "status": row.status, "phase": row.phase}
        await audit.record(
            sql, action, actor_id=admin.user_id, subject=row.id, before=before, after=after
        )

    def _ring(self, row: Generation) -> None:
        self._wake.ring("worker")
        self._announcer.ring(row)


def _without_content(out: GenerationOut) -> dict[str, Any]:
    options = {name: value for name, value in out.options.items() if name != "negative_prompt"}
    files: dict[str, Any] = {"images": [], "video": None, "video_url": None, "thumbnail_url": None}
    return {**out.__dict__, "prompt": "", "options": options, **files}
