"""Deleting a generation with all that hangs on it."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from api.budget.service import BudgetService
from api.db import Db, Sql
from api.deliveries.outbox import DeliveryOutbox
from api.fault_points import fault_point
from api.generations import aged, store
from api.generations.aged import Aged
from api.generations.store import Generation
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

    async def count_aged(self, before: datetime) -> Aged:
        """Count those that `erase_aged` would delete."""
        return await aged.count(self._db, before)

    async def erase_aged(self, before: datetime, most: int) -> int:
        """Delete the oldest that were over before then, as `erase` does, and return their number.
        Favourites and shared ones stay, and those whose cost, money or delivery is still open."""
        found = await aged.found(self._db, before, most)
        return sum([await self._erase(each, None, aged_before=before) for each in found])

    async def _erase(
        self,
        generation_id: str,
        also: Callable[[Sql], Awaitable[None]] | None,
        *,
        aged_before: datetime | None = None,
    ) -> bool:
        async with self._db.transaction() as sql:
            if aged_before is not None and not await aged.hold(sql, generation_id, aged_before):
                return False
            await self._outbox.forget(sql, generation_id)
            gone = await store.delete(sql, generation_id)
            files = await self._media.drop_generation(sql, generation_id)
            if gone is not None:
                await self._close_hold(sql, gone)
            if also is not None:
                await also(sql)
        fault_point("erased")
        await self._media.delete_files(files)
        return True

    async def _close_hold(self, sql: Sql, gone: Generation) -> None:
        """Close the hold with the cost that is known. That of a job that is over is closed already,
        unless something went wrong."""
        cost = {"submit": None, "done": gone.cost_micro}.get(gone.phase, gone.estimate_micro)
        if not cost:
            await self._budget.release(sql, gone.hold_id)
        else:
            await self._budget.settle(
                sql, gone.hold_id, cost_micro=cost, kind=gone.kind, model=gone.model
            )
