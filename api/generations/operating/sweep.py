"""The sweep of leftovers of crashes and lost files, every few minutes: leaked holds, files without
a row, old events."""

from datetime import timedelta

from structlog import get_logger

from api.budget.service import BudgetService
from api.db import Db
from api.duties import Duties
from api.generations import store
from api.generations.accepting import drafts
from api.ids import now
from api.media.orphans import MediaSweep

log = get_logger("sweep")

EVENTS_KEPT = timedelta(hours=48)


class Sweeper:
    def __init__(self, db: Db, budget: BudgetService, media: MediaSweep) -> None:
        self._db = db
        self._budget = budget
        self._media = media

    def start(self, duties: Duties, every: float, files_every: float) -> None:
        """Sweep at these intervals, in seconds. The first time comes after one: a start has people
        waiting, and nothing of this is urgent."""

        async def turn() -> float:
            await self.run()
            return every

        async def turn_of_files() -> float:
            await self.files()
            return files_every

        duties.add("sweep", turn, first=every)
        duties.add("sweep-files", turn_of_files, first=every, most=files_every)

    async def run(self) -> None:
        """Sweep everything except files. Each part may be repeated at any time, also by several
        workers. Raises `DbUnavailable`."""
        await self._close_holds()
        await store.forget_events(self._db, now() - EVENTS_KEPT)
        await drafts.purge(self._db, now() - drafts.KEPT)

    async def files(self) -> None:
        """Sweep files: more work, and some stores charge for it. Raises `StorageUnavailable`,
        too."""
        await store.forget_files(self._db, await self._media.run())

    async def _close_holds(self) -> None:
        """Close holds of generations that are over. Both end in one transaction, so there is
        nothing to find unless something went wrong."""
        for row in await store.leaked_holds(self._db):
            async with self._db.transaction() as sql:
                if row.cost_micro:
                    closed = await self._budget.settle(
                        sql, row.hold_id, cost_micro=row.cost_micro, kind=row.kind, model=row.model
                    )
                else:
                    closed = await self._budget.release(sql, row.hold_id)
            if closed:
                log.error(
                    "leaked_hold", generation=row.id, hold=row.hold_id, cost_micro=row.cost_micro
                )
