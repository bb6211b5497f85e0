"""The operator's figures. Counts over whole tables are kept for a minute, because an open board
asks often."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Generic, TypeVar

from api import ids
from api.admin import schemas, store
from api.auth.bearers import GONE_AFTER
from api.bots.schemas import BotProcessOut
from api.bots.service import BotProcesses
from api.budget import spending
from api.budget.breakdown import TOP
from api.budget.schemas import DayOut
from api.db import Db, Row

T = TypeVar("T")

COUNTED_EVERY = timedelta(minutes=1)
TYPICAL_OF = timedelta(days=7)
DAYS = 31


class _AtOnce(Generic[T]):
    """One read for all callers that ask while it runs: a board asks for its figures and for its
    warnings at the same moment."""

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self._read = read
        self._reading: asyncio.Future[T] | None = None

    async def __call__(self) -> T:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(self._read())
        return await asyncio.shield(self._reading)


class Stats:
    def __init__(self, db: Db, bot_processes: BotProcesses) -> None:
        self._db = db
        self._bot_processes = bot_processes
        self.queue = _AtOnce(self._queue)
        """Jobs that are not over, by kind."""
        self.deliveries = _AtOnce(self._deliveries)
        """Those that are not done."""
        self._counted: schemas.StatsOut | None = None
        self._counting = asyncio.Lock()

    async def all(self) -> schemas.StatsOut:
        """Return all figures: fresh where that is cheap, else up to a minute old. Today, the month
        and the days are of one moment, because people compare them."""
        async with self._counting:
            if self._counted is None or self._counted.counted_at < ids.now() - COUNTED_EVERY:
                self._counted = await self._count()
                return self._counted
        delivered = [each for each in self._counted.deliveries if each.state == "done"]
        queue, deliveries = await self.queue(), [*await self.deliveries(), *delivered]
        fresh = {"at": ids.now(), "queue": queue, "deliveries": deliveries}
        return self._counted.model_copy(update=fresh)

    async def _count(self) -> schemas.StatsOut:
        at, db = ids.now(), self._db
        spent = {each.day: each for each in await spending.by_day(db, spending.start_of(DAYS))}
        return schemas.StatsOut(
            at=at,
            counted_at=at,
            users=[schemas.UserCountOut(**row) for row in await store.users(db)],
            tokens=schemas.TokenCountsOut(**await store.tokens(db, at)),
            generations=[schemas.GenerationCountOut(**row) for row in await store.generations(db)],
            today=await self._spend(1),
            month=await self._spend(at.day),
            days=[
                schemas.DaySpendOut.model_validate(
                    spent.get(day) or DayOut(day=day, spent_usd=Decimal(0), count=0)
                )
                for day in spending.days_since(spending.start_of(DAYS))
            ],
            queue=await self.queue(),
            deliveries=[*await self.deliveries(), *_deliveries(await store.delivered(db))],
            typical=[_typical(row) for row in await store.typical(db, at - TYPICAL_OF)],
        )

    async def _spend(self, days: int) -> schemas.SpendOut:
        since = spending.start_of(days)
        models = await spending.by_model(self._db, since)
        users = await spending.by_user(self._db, since)
        return schemas.SpendOut(
            since=since,
            spent_usd=sum((each.spent_usd for each in models), Decimal(0)),
            count=sum(each.count for each in models),
            users=[schemas.SpenderOut.model_validate(each) for each in users],
            models=[schemas.ModelSpendOut.model_validate(each) for each in models[:TOP]],
        )

    async def _queue(self) -> list[schemas.QueueOut]:
        at = ids.now()
        return [
            schemas.QueueOut(
                **{name: row[name] for name in ("kind", "queued", "processing", "needs_review")},
                waiting_seconds=_since(row["oldest"], at),
                running_seconds=_since(row["first_started"], at),
            )
            for row in await store.queue(self._db)
        ]

    async def _deliveries(self) -> list[schemas.DeliveryCountOut]:
        return _deliveries(await store.deliveries(self._db))

    async def bots(self) -> list[schemas.BotOut]:
        """One for each platform that has a key."""
        running = await self._bot_processes.running()
        return [
            _bot(row, [one for one in running if one.platform == row["platform"]])
            for row in await store.bots(self._db)
        ]


def _since(moment: datetime | None, at: datetime) -> int | None:
    return None if moment is None else max(0, round((at - moment).total_seconds()))


def _deliveries(rows: Sequence[Row]) -> list[schemas.DeliveryCountOut]:
    at = ids.now()
    return [
        schemas.DeliveryCountOut(
            platform=row["platform"],
            state=row["state"],
            count=row["count"],
            waiting_seconds=_since(row["oldest"], at),
        )
        for row in rows
    ]


def _typical(row: Row) -> schemas.TypicalOut:
    named = {name: row[name] for name in ("kind", "model", "count")}
    half, most = round(row["half"], 1), round(row["most"], 1)
    return schemas.TypicalOut(**named, half_seconds=half, most_seconds=most)


def _bot(row: Row, processes: list[BotProcessOut]) -> schemas.BotOut:
    seen = row["last_seen_at"]
    connected = seen is not None and seen > ids.now() - GONE_AFTER
    return schemas.BotOut(
        platform=row["platform"],
        connected=connected,
        since=row["connected_at"] if connected else seen,
        last_seen_at=seen,
        name=row["name"],
        link_template=row["link_template"],
        processes=processes,
    )
