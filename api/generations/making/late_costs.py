"""Costs that the provider bills after a generation was over: a video after our deadline, a broken
answer, an outcome that was told later."""

from datetime import timedelta

from structlog import get_logger

from api import ids
from api.budget.service import BudgetService
from api.db import Db
from api.generations import store
from api.generations.making.ending import close_failed
from api.generations.store import Generation
from api.provider.types import Provider, ProviderError

log = get_logger("late")

BEGUN_WITHIN = timedelta(days=7)
AT_ONCE = 200
ASKED_EVERY = 300.0


class LateCosts:
    def __init__(self, db: Db, provider: Provider, budget: BudgetService) -> None:
        self._db = db
        self._provider = provider
        self._budget = budget
        self._after = ""

    async def run(self) -> float:
        """Ask the provider about generations that ended without their cost, until it says how they
        ended there. Returns when to ask again, in seconds."""
        at = ids.now()
        begun, ended = at - BEGUN_WITHIN, at - store.COST_ASKED_FOR
        rows = await store.uncounted(self._db, begun, ended, self._after, AT_ONCE)
        # the next turn goes on behind them, for some never get an answer
        self._after = rows[-1].id if len(rows) == AT_ONCE else ""
        for row in rows:
            provider_id = row.provider_id or await store.reported_provider_id(self._db, row.id)
            if provider_id is not None:
                await self._ask(row, provider_id)
        return ASKED_EVERY

    async def _ask(self, row: Generation, provider_id: str) -> None:
        try:
            cost = await (
                self._cost_of_video(row, provider_id)
                if row.kind == "video"
                else self._provider.cost_of(provider_id)
            )
        except ProviderError as error:
            log.info(
                "late_cost_not_known", generation=row.id, reason=error.reason, status=error.status
            )
            return
        if cost is None:
            return
        async with self._db.transaction() as sql:
            if await store.count_late(sql, row.id, cost):
                await close_failed(sql, self._budget, row, row.status, cost, late=True)
        log.warning("late_cost", generation=row.id, kind=row.kind, model=row.model, cost_micro=cost)

    async def _cost_of_video(self, row: Generation, provider_id: str) -> int | None:
        """Return the cost; None while it is made."""
        video = await self._provider.check_video(provider_id)
        if video.state == "running":
            return None
        if video.cost_micro is not None:
            return video.cost_micro
        return row.estimate_micro if video.state == "completed" else 0
