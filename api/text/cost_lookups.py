"""Costs of answers that were cut or stopped, and of speech: the provider names them a while later,
and they replace the estimates.

Open lookups are rows, so that a restart loses none.
"""

import asyncio
from contextlib import suppress
from dataclasses import astuple, dataclass
from datetime import timedelta

import structlog

from api import ids
from api.budget.service import BudgetService
from api.db import Db, Row, Sql
from api.provider.types import Provider, ProviderError
from api.schemas import Kind
from api.text import store

log = structlog.get_logger("text")

AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class LookupTimes:
    """Seconds. `waits`: before each try; after the last one the estimate stands for good. `lease`:
    how long one try may take. `look`: between two looks at the rows, for those that another process
    has left."""

    waits: tuple[float, ...] = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0)
    lease: float = 120.0
    look: float = 60.0


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Something that is booked with an estimate: its id, and what its hold is for."""

    id: str
    user_id: str
    hold_id: str
    model: str
    kind: Kind


class Lookups:
    def __init__(
        self, db: Db, provider: Provider, budget: BudgetService, times: LookupTimes | None = None
    ) -> None:
        self._db = db
        self._provider = provider
        self._budget = budget
        self._times = times or LookupTimes()
        self._new = asyncio.Event()

    async def add(self, sql: Sql, unpriced: Unpriced, provider_id: str) -> None:
        """`provider_id`: the names of all its calls, with blanks between them."""
        query = (
            "INSERT INTO text_lookups "
            "(id, user_id, hold_id, model, kind, provider_id, tries, due_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, 0, $7)"
        )
        due = ids.now() + timedelta(seconds=self._times.waits[0])
        await sql.execute(query, *astuple(unpriced), provider_id, due)

    def wake(self) -> None:
        """A row was added."""
        self._new.set()

    async def turn(self) -> float:
        """Ask for all that is due, then wait for what is next. Returns after how many seconds the
        next turn is due."""
        self._new.clear()
        while due := await self._due():
            await asyncio.gather(*(self._ask(row) for row in due))
        row = await self._db.fetch_one("SELECT min(due_at) AS next FROM text_lookups")
        due_at = None if row is None else row["next"]
        until = self._times.look if due_at is None else (due_at - ids.now()).total_seconds()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._new.wait(), max(0.0, min(until, self._times.look)))
        return 0.0

    async def _due(self) -> list[Row]:
        """Taken for the time of one try."""
        now = ids.now()
        query = f"""
            UPDATE text_lookups SET due_at = $2, tries = tries + 1
            WHERE due_at <= $1 AND id IN (SELECT id FROM text_lookups
            WHERE due_at <= $1 ORDER BY due_at LIMIT $3 {self._db.skip_locked})
            RETURNING id, hold_id, model, kind, provider_id, tries"""
        return list(
            await self._db.fetch(query, now, now + timedelta(seconds=self._times.lease), AT_ONCE)
        )

    async def _ask(self, row: Row) -> None:
        try:
            cost = await self._cost(row["provider_id"].split())
        except ProviderError as error:
            log.info("text_price_not_said", answer_id=row["id"], error=str(error))
            cost = None
        if cost is not None:
            await self._book(row, cost)
        elif row["tries"] >= len(self._times.waits):
            log.warning("text_price_never_said", answer_id=row["id"])
            await self._db.execute("DELETE FROM text_lookups WHERE id = $1", row["id"])
        else:
            due = ids.now() + timedelta(seconds=self._times.waits[row["tries"]])
            await self._db.execute(
                "UPDATE text_lookups SET due_at = $2 WHERE id = $1", row["id"], due
            )

    async def _cost(self, names: list[str]) -> int | None:
        """Return the sum of the costs of several calls; None until all are known."""
        costs = [await self._provider.cost_of(name) for name in names]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(names) else None

    async def _book(self, row: Row, cost: int) -> None:
        async with self._db.transaction() as sql:
            query = "DELETE FROM text_lookups WHERE id = $1 RETURNING id"
            if await sql.fetch_one(query, row["id"]) is None:
                return
            change = await self._budget.correct(
                sql, row["hold_id"], cost, kind=row["kind"] or "text", model=row["model"]
            )
            await store.set_cost(sql, row["id"], cost)
        log.info("text_price_said", answer_id=row["id"], cost=cost, change=change)
