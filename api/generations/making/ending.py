"""The end of a generation: result, money and announcement in one transaction."""

from collections.abc import Sequence

from structlog import get_logger

from api.budget.service import BudgetService
from api.db import Db, Sql
from api.errors import DomainError
from api.fault_points import fault_point
from api.generations import store, transitions
from api.generations.announcer import Announcer
from api.generations.store import Generation
from api.ids import now
from api.media.service import KeptFile, MediaService

log = get_logger("worker")


class Ending:
    def __init__(
        self, db: Db, budget: BudgetService, media: MediaService, announcer: Announcer
    ) -> None:
        self._db = db
        self._budget = budget
        self._media = media
        self._announcer = announcer

    async def complete(
        self, row: Generation, kept: Sequence[KeptFile], cost_micro: int, surplus_micro: int = 0
    ) -> None:
        """Store the result; a cancelled generation only settles. `surplus_micro` is the part of the
        cost for pictures beyond the request, which its person does not pay."""
        files = self._media.listed(kept) if kept else None
        paid = cost_micro - surplus_micro
        async with self._db.transaction() as sql:
            outcome = {
                "status": "completed",
                "cost_micro": paid,
                "finished_at": now(),
                "files_json": files,
            }
            finished = await transitions.finish(sql, row, outcome)
            status, owner_id = finished or (None, row.user_id)
            if status is not None:
                await self._budget.settle(
                    sql,
                    row.hold_id,
                    cost_micro=cost_micro,
                    kind=row.kind,
                    model=row.model,
                    surplus_micro=surplus_micro,
                )
            if status == "completed":
                for file in kept:
                    await self._media.record(sql, file, owner_id)
                await self._announcer.announce(sql, row, "generation_completed")
        if status is None:
            await self._stale(row, kept)
            return
        fault_point("finished")
        if status == "cancelled":
            await self._media.discard(kept)
        self._announcer.ring(row)
        log.info(
            "generation_done",
            generation=row.id,
            kind=row.kind,
            model=row.model,
            status=status,
            cost_micro=paid,
        )

    async def _stale(self, row: Generation, kept: Sequence[KeptFile]) -> None:
        """Another worker has the generation now and writes the same files under the same names.
        Only the files of a deleted one are discarded."""
        log.warning("stale_worker", generation=row.id, attempt=row.attempt)
        if await store.get(self._db, row.id) is None:
            await self._media.discard(kept)

    async def fail(
        self,
        row: Generation,
        error: DomainError,
        cost_micro: int | None,
        provider_id: str | None = None,
    ) -> None:
        """`cost_micro`: the amount that the provider bills all the same, paid by its person after a
        cancellation; None: not known yet. `provider_id`: by it the provider can be asked later."""
        async with self._db.transaction() as sql:
            outcome = {
                "status": "failed",
                "cost_micro": cost_micro,
                **transitions.error_columns(error),
                "provider_id": provider_id,
                "finished_at": now(),
            }
            finished = await transitions.finish(sql, row, outcome)
            if finished is None:
                log.warning("stale_worker", generation=row.id, attempt=row.attempt)
                return
            status, _ = finished
            await close_failed(sql, self._budget, row, status, cost_micro)
            if status == "failed":
                await self._announcer.announce(sql, row, "generation_failed")
        self._announcer.ring(row)
        log.info(
            "generation_failed",
            generation=row.id,
            kind=row.kind,
            model=row.model,
            code=error.code,
            reason=error.reason,
            cost_micro=cost_micro,
        )


async def close_failed(
    sql: Sql,
    budget: BudgetService,
    row: Generation,
    status: str,
    cost_micro: int | None,
    *,
    late: bool = False,
) -> None:
    """Settle the money of a generation that came to nothing, as
    docs/decisions/0026-who-pays-for-a-failure.md says. `late`: it was over already."""
    if status == "cancelled" and cost_micro:
        book = budget.book_late if late else budget.settle
        await book(sql, row.hold_id, cost_micro=cost_micro, kind=row.kind, model=row.model)
        return
    paid = await budget.fail(
        sql, row.hold_id, cost_micro=cost_micro, kind=row.kind, model=row.model, late=late
    )
    if cost_micro and not paid:
        await store.mark_refunded(sql, row.id, now())
