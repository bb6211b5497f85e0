"""Deleting a generation with all that hangs on it."""

from collections.abc import Awaitable, Callable

from api.budget.service import BudgetService
from api.db import Db, Sql
from api.deliveries.outbox import DeliveryOutbox
from api.generations import store
from api.media.service import MediaService


class GenerationEraser:
    def __init__(
        self, db: Db, budget: BudgetService, outbox: DeliveryOutbox, media: MediaService
    ) -> None:
        self._db = db
        self._budget = budget
        self._outbox = outbox
        self._media = media

    async def erase(
        self, generation_id: str, also: Callable[[Sql], Awaitable[None]] | None = None
    ) -> None:
        """Delete the row, its deliveries and its files; `also` is done in the same transaction.

        One that the provider works on is booked with its estimate, because nobody will learn what
        it cost.
        """
        await self._erase(generation_id, also)

    async def erase_unless_kept(self, generation_id: str) -> bool:
        """Delete it as `erase` does, except a favourite, a shared one, and one that is not over.
        Returns whether it was deleted."""
        return await self._erase(generation_id, None, unless_kept=True)

    async def _erase(
        self,
        generation_id: str,
        also: Callable[[Sql], Awaitable[None]] | None,
        *,
        unless_kept: bool = False,
    ) -> bool:
        async with self._db.transaction() as sql:
            if unless_kept and not await store.hold_unkept(sql, generation_id):
                return False
            await self._outbox.forget(sql, generation_id)
            gone = await store.delete(sql, generation_id)
            if gone is not None and gone.phase == "submit":
                await self._budget.release(sql, gone.hold_id)
            elif gone is not None and gone.phase != "done":
                await self._budget.settle(
                    sql,
                    gone.hold_id,
                    cost_micro=gone.estimate_micro,
                    kind=gone.kind,
                    model=gone.model,
                )
            if also is not None:
                await also(sql)
        await self._media.erase_generation(generation_id)
        return True
