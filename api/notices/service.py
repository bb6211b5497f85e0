"""Notices that nobody asked for: a budget that is nearly or wholly used up, and the digest of an
admin. Each is said once, in the transaction that notes it."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from api import ids
from api.budget.moves import month_of
from api.db import Db, Row
from api.deliveries.outbox import DeliveryOutbox
from api.notices import store
from api.schemas import usd
from api.users.preferences import Preferences
from api.users.service import UserService

THRESHOLDS = {100: 99, 80: 80}
"""Thresholds as they are told, and the percent from which on they count: after 99 percent there is
no room for a usual request."""
LOOKED_EVERY = 60.0
KEPT = timedelta(days=70)
DIGEST_AT = 7
"""The hour (UTC) of a day from which on its digest is sent."""


class Notices:
    def __init__(
        self, db: Db, users: UserService, preferences: Preferences, outbox: DeliveryOutbox
    ) -> None:
        self._db = db
        self._users = users
        self._preferences = preferences
        self._outbox = outbox

    async def turn(self) -> float:
        """Say what is due. Returns the seconds until the next look."""
        now = ids.now()
        await self._warn(now)
        for user_id in await self._users.admins():
            await self._digest(user_id, now)
        await store.forget(self._db, now - KEPT)
        return LOOKED_EVERY

    async def _warn(self, now: datetime) -> None:
        month = month_of(now)
        for percent, spent in THRESHOLDS.items():
            for row in await store.people(self._db, month, spent):
                chat = await store.chat_of_person(self._db, row["id"])
                await self._say_once(f"user:{row['id']}", percent, month, row, chat)
            for row in await store.places(self._db, month, spent):
                chat = await store.chat_of_place(self._db, row["id"])
                await self._say_once(f"place:{row['id']}", percent, month, row, chat)

    async def _say_once(
        self, scope: str, percent: int, month: str, row: Row, chat: Row | None
    ) -> None:
        """The higher threshold is looked at first, and takes the place of the lower one."""
        of_place = scope.startswith("place:")
        facts = {"spent_usd": f"{usd(row['spent']):.6f}", "limit_usd": f"{usd(row['most']):.6f}"}
        now = ids.now()
        async with self._db.transaction() as sql:
            if not await store.once(sql, f"{scope} {percent}", month, now):
                return
            if percent > min(THRESHOLDS):
                await store.once(sql, f"{scope} {min(THRESHOLDS)}", month, now)
            if chat is None:
                return
            code = f"budget_{'place' if of_place else 'own'}_{percent}"
            await self._outbox.notify(
                sql,
                platform=chat["platform"],
                chat_id=chat["chat_id"],
                code=code,
                facts=facts,
                user_id=None if of_place else row["id"],
            )
        self._outbox.ring(chat["platform"])

    async def _digest(self, user_id: str, now: datetime) -> None:
        wish = (await self._preferences.show(user_id, "admin")).digest
        if wish is None or now.hour < DIGEST_AT or (wish == "weekly" and now.weekday() != 0):
            return
        since = now - timedelta(days=7 if wish == "weekly" else 1)
        chat = await store.chat_of_person(self._db, user_id)
        if chat is None:
            return
        found = await store.figures(self._db, since)
        facts: Mapping[str, str] = {
            "days": "7" if wish == "weekly" else "1",
            "spent_usd": f"{usd(found.pop('spent')):.6f}",
            **{name: str(number) for name, number in found.items()},
        }
        async with self._db.transaction() as sql:
            if not await store.once(sql, f"digest {user_id}", f"{now:%Y-%m-%d}", now):
                return
            await self._outbox.notify(
                sql,
                platform=chat["platform"],
                chat_id=chat["chat_id"],
                code="digest",
                facts=facts,
                user_id=user_id,
            )
        self._outbox.ring(chat["platform"])
