"""Warnings for operators: each with a code, a count, and the page where it is fixed."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from api import ids
from api.admin import store
from api.admin.backups import Backups
from api.admin.schemas import DeliveryCountOut, WarningCode, WarningOut
from api.admin.stats import Stats
from api.budget.service import BudgetService
from api.db import Db, home
from api.errors import DomainError
from api.media.service import MediaService
from api.provider.domain_errors import domain_error
from api.provider.types import KeyState, Provider, ProviderError

NEARLY_PERCENT = 90
STUCK_SECONDS = 15 * 60
LATE_SECONDS = 10 * 60
LATE_TIMES = 3
"""A generation is late after so many times its model's median."""
LATE_UNKNOWN_SECONDS = 30 * 60
"""For a model of which nothing was completed lately."""
KEY_ENDS_WITHIN = timedelta(days=7)
CREDIT_LOW_MICRO = 5_000_000
FREE_BYTES_LEAST = 1_000_000_000
LOOKED_BACK = timedelta(hours=24)
ASKED_EVERY = timedelta(minutes=1)
ASKED_WITHIN = 5.0

_GRAVEST = (
    "books_differ",
    "storage_unavailable",
    "storage_full",
    "disk_nearly_full",
    "provider_out_of_credit",
    "provider_down",
    "needs_review",
    "jobs_waiting",
    "jobs_late",
    "deliveries_dead",
    "deliveries_stuck",
    "budget_nearly_used",
    "files_missing",
    "store_shared",
    "database_elsewhere",
    "backup_place_away",
    "backup_no_room",
    "backup_missing",
    "backup_old",
    "provider_credit_low",
    "provider_key_expiring",
)


class Warnings:
    def __init__(
        self,
        db: Db,
        stats: Stats,
        budget: BudgetService,
        provider: Provider,
        backups: Backups,
        media: MediaService,
    ) -> None:
        self._db = db
        self._stats = stats
        self._budget = budget
        self._provider = provider
        self._backups = backups
        self._media = media
        self._asked: tuple[datetime, list[WarningOut]] | None = None
        self._asking = asyncio.Lock()

    async def now(self) -> list[WarningOut]:
        """The gravest first."""
        found = [
            *await self._jobs(),
            *_deliveries(await self._stats.deliveries()),
            *await self._budgets(),
            *await self._of_provider(),
            *await self._storage(),
            *await self._database(),
            *await self._backup(),
        ]
        return sorted(found, key=lambda each: _GRAVEST.index(each.code))

    async def _jobs(self) -> list[WarningOut]:
        queue = await self._stats.queue()
        count = sum(each.needs_review for each in queue)
        found = (
            [WarningOut(code="needs_review", count=count, target="generations")] if count else []
        )
        longest = max((each.waiting_seconds or 0 for each in queue), default=0)
        if longest > STUCK_SECONDS:
            waiting, facts = sum(each.queued for each in queue), {"minutes": str(longest // 60)}
            found.append(
                WarningOut(code="jobs_waiting", count=waiting, target="queue", facts=facts)
            )
        if max((each.running_seconds or 0 for each in queue), default=0) > LATE_SECONDS:
            found += await self._late()
        return found

    async def _late(self) -> list[WarningOut]:
        usual = {
            (each.kind, each.model): each.half_seconds * LATE_TIMES
            for each in (await self._stats.all()).typical
        }
        at, late = ids.now(), []
        for row in await store.running(self._db, at - timedelta(seconds=LATE_SECONDS)):
            seconds = (at - row["started_at"]).total_seconds()
            if seconds > max(
                LATE_SECONDS, usual.get((row["kind"], row["model"]), LATE_UNKNOWN_SECONDS)
            ):
                late.append(seconds)
        if not late:
            return []
        return [
            WarningOut(
                code="jobs_late",
                count=len(late),
                target="running",
                facts={"minutes": str(int(max(late) // 60))},
            )
        ]

    async def _budgets(self) -> list[WarningOut]:
        found = []
        for each in await self._budget.shared():
            used = each.spent_usd + each.held_usd
            if each.monthly_usd is not None and used * 100 >= each.monthly_usd * NEARLY_PERCENT:
                percent = 100 if each.monthly_usd == 0 else int(used * 100 / each.monthly_usd)
                facts = {"scope": each.scope, "percent": str(percent)}
                found.append(
                    WarningOut(code="budget_nearly_used", count=1, target="budgets", facts=facts)
                )
        if differences := len((await self._budget.compared())[1]):
            found.append(WarningOut(code="books_differ", count=differences, target="budgets"))
        return found

    async def _of_provider(self) -> list[WarningOut]:
        """Jobs that wait for credit are counted each time: the queue stands still for them."""
        found, waiting = (
            await self._provider_kept(),
            await store.waiting_for(self._db, "out_of_credit"),
        )
        if not waiting:
            return found
        others = [
            each
            for each in found
            if each.code not in {"provider_out_of_credit", "provider_credit_low"}
        ]
        return [*others, _provider("provider_out_of_credit", {}, count=waiting)]

    async def _provider_kept(self) -> list[WarningOut]:
        """Ask the provider at most once a minute, and do not wait long, because an open board asks
        often."""
        async with self._asking:
            if self._asked is None or self._asked[0] < ids.now() - ASKED_EVERY:
                self._asked = (ids.now(), await self._ask_provider())
            return self._asked[1]

    async def _ask_provider(self) -> list[WarningOut]:
        try:
            async with asyncio.timeout(ASKED_WITHIN):
                key = await self._provider.key()
        except TimeoutError:
            return [_provider("provider_down", {"reason": "timed_out"})]
        except ProviderError as error:
            code = (
                "provider_out_of_credit"
                if error.code == "provider_out_of_credit"
                else "provider_down"
            )
            return [_provider(code, _why(domain_error(error)))]
        refused = await store.failed_with(
            self._db, "provider_out_of_credit", ids.now() - LOOKED_BACK
        )
        return _of_key(key, refused)

    async def _database(self) -> list[WarningOut]:
        if self._db.engine != "postgresql" or await home.is_home(self._db):
            return []
        return [WarningOut(code="database_elsewhere", count=1, target="health")]

    async def _backup(self) -> list[WarningOut]:
        """Warn of a due backup that the disk has no room for, and of one that was not made for as
        long as a backup may get old."""
        due, found = await self._backups.due_at(), await self._backups.all(lately=True)
        if (trouble := self._backups.trouble) is not None:
            facts = {"detail": trouble.detail}
            return [WarningOut(code="backup_place_away", count=1, target="backups", facts=facts)]
        if due is None or due > ids.now():
            return []
        if lacking := await self._backups.lacking():
            facts = {"lacking_mb": str(-(-lacking // 1_000_000))}
            return [WarningOut(code="backup_no_room", count=1, target="backups", facts=facts)]
        if due + timedelta(hours=found.every_hours) > ids.now():
            return []
        if not found.items:
            return [WarningOut(code="backup_missing", count=1, target="backups")]
        days = (ids.now() - found.items[0].created_at).days
        return [WarningOut(code="backup_old", count=1, target="backups", facts={"days": str(days)})]

    async def _storage(self) -> list[WarningOut]:
        found, state, space = [], self._media.files.state, await self._media.disk_space.tightest()
        if state.trouble is not None:
            facts = {**_why(state.trouble), "waiting": str(state.waiting)}
            found.append(
                WarningOut(code="storage_unavailable", count=1, target="health", facts=facts)
            )
        if state.others:
            found.append(WarningOut(code="store_shared", count=state.others, target="health"))
        if lacking := await self._media.missing_files():
            found.append(WarningOut(code="files_missing", count=lacking, target="health"))
        if space.free < max(FREE_BYTES_LEAST, space.floor):
            facts = {
                "free_mb": str(space.free // 1_000_000),
                "floor_mb": str(space.floor // 1_000_000),
            }
            code: WarningCode = "storage_full" if space.short else "disk_nearly_full"
            found.append(WarningOut(code=code, count=1, target="health", facts=facts))
        return found


def _deliveries(counts: Sequence[DeliveryCountOut]) -> list[WarningOut]:
    found = [
        WarningOut(
            code="deliveries_dead",
            count=each.count,
            target="deliveries",
            facts={"platform": each.platform},
        )
        for each in counts
        if each.state == "dead"
    ]
    for each in counts:
        if each.state == "pending" and (each.waiting_seconds or 0) > STUCK_SECONDS:
            facts = {"platform": each.platform, "minutes": str((each.waiting_seconds or 0) // 60)}
            found.append(
                WarningOut(code="deliveries_stuck", count=each.count, target="bots", facts=facts)
            )
    return found


def _why(error: DomainError) -> dict[str, str]:
    """Return the reason of an error and its params, for a sentence in the reader's language."""
    return {"reason": error.reason, **{name: str(each) for name, each in error.params.items()}}


def _of_key(key: KeyState, refused: int) -> list[WarningOut]:
    found = []
    left = key.left_micro
    if refused or (left is not None and left <= 0):
        found.append(_provider("provider_out_of_credit", {}, count=max(1, refused)))
    elif left is not None and left < CREDIT_LOW_MICRO:
        found.append(_provider("provider_credit_low", {"left_usd": f"{left / 1_000_000:.2f}"}))
    if key.expires_at is not None and key.expires_at < ids.now() + KEY_ENDS_WITHIN:
        days = max(0, (key.expires_at - ids.now()).days)
        found.append(_provider("provider_key_expiring", {"days": str(days)}))
    return found


def _provider(code: str, facts: dict[str, str], count: int = 1) -> WarningOut:
    return WarningOut.model_validate(
        {"code": code, "count": count, "target": "health", "facts": facts}
    )
