"""The operator's view of deliveries: the stuck ones, their reasons, and ways to their owners. Each
act is in the audit log."""

from collections.abc import Sequence
from dataclasses import fields

from api.callers import Caller
from api.db import Db
from api.deliveries import fallback, lists, store
from api.deliveries.lists import AdminFilter
from api.deliveries.outbox import DeliveryOutbox
from api.deliveries.owners import Owners
from api.deliveries.schemas import DeliveryRowOut, DeliverySort, ToDmIn, TryOut
from api.deliveries.service import About, Render
from api.deliveries.store import Delivery
from api.errors import Conflict, NotFound
from api.ids import now
from api.schemas import Page
from api.users import audit


class DeliveryAdmin:
    """`render` as in `DeliveryService`."""

    def __init__(self, db: Db, outbox: DeliveryOutbox, render: Render, owners: Owners) -> None:
        self._db = db
        self._outbox = outbox
        self._render = render
        self._owners = owners

    async def page(
        self, wanted: AdminFilter, limit: int, sort: DeliverySort
    ) -> Page[DeliveryRowOut]:
        rows, cursor = await lists.page(self._db, wanted, limit, sort)
        return Page(items=await self._outs(rows), next_cursor=cursor)

    async def one(self, delivery_id: str) -> DeliveryRowOut:
        """Raises `NotFound`."""
        return (await self._outs([await self._row(delivery_id)]))[0]

    async def retry(self, admin: Caller, delivery_id: str) -> DeliveryRowOut:
        """Try it again at once, at the first address. Raises `NotFound`, `Conflict`."""
        row = await self._movable(delivery_id)
        noted = fallback.tried(row, "retry", "retried_by_operator", now())
        await self._act(admin, "delivery_retry", row, fallback.to_first_address(noted, now()))
        return await self.one(row.id)

    async def to_dm(self, admin: Caller, delivery_id: str, body: ToDmIn) -> DeliveryRowOut:
        """Send it to the owner's linked private chat. Raises `NotFound`, `Conflict` when it is
        over, or when there is no such chat."""
        row = await self._movable(delivery_id)
        platform = body.platform or row.target.platform
        owner = await self._owners.find(row.target.user_id)
        found = await self._owners.chats(row.target.user_id or "", platform)
        if owner is None or owner.guest or not found:
            raise Conflict("owner_without_chat")
        noted = fallback.tried(row, "to_dm", "moved_by_operator", now())
        moved = fallback.to_private_chat(noted, found[0], platform, now())
        await self._act(admin, "delivery_to_dm", row, moved)
        return await self.one(row.id)

    async def _act(self, admin: Caller, action: str, row: Delivery, after: Delivery) -> None:
        async with self._db.transaction() as sql:
            if not await store.move(sql, row, after):
                raise Conflict("delivery_moved_on")
            was, is_now = _facts(row), _facts(after)
            await audit.record(
                sql, action, actor_id=admin.user_id, subject=row.id, before=was, after=is_now
            )
        self._outbox.ring(after.target.platform)

    async def _row(self, delivery_id: str) -> Delivery:
        row = await store.get(self._db, delivery_id)
        if row is None:
            raise NotFound("delivery_unknown")
        return row

    async def _movable(self, delivery_id: str) -> Delivery:
        row = await self._row(delivery_id)
        if row.state == "done":
            raise Conflict("delivery_over")
        if row.leased(now()):
            raise Conflict("delivery_shown_now")
        if row.generation_id is not None and not await self._render([row.generation_id]):
            raise Conflict("delivery_gone")
        return row

    async def _outs(self, rows: Sequence[Delivery]) -> list[DeliveryRowOut]:
        about = await self._render([row.generation_id for row in rows if row.generation_id])
        names = await self._owners.names([row.target.user_id for row in rows if row.target.user_id])
        return [
            _out(row, about.get(row.generation_id or ""), names.get(row.target.user_id or ""))
            for row in rows
        ]


def _facts(row: Delivery) -> audit.Facts:
    target = row.target
    return {"state": row.state, "platform": target.platform, "user_id": target.user_id}


_COLUMNS = {field.name for field in fields(Delivery)} - {"notice", "trail"}
_PLAIN = DeliveryRowOut.model_fields.keys() & _COLUMNS
"""The columns that are shown as they are."""


def _out(row: Delivery, about: About | None, user: str | None) -> DeliveryRowOut:
    return DeliveryRowOut(
        **{name: getattr(row, name) for name in _PLAIN},
        notice=row.notice["code"] if row.notice else None,
        short_id=about.generation.short_id if about else None,
        kind=about.generation.kind if about else None,
        user_id=row.target.user_id,
        user=user,
        platform=row.target.platform,
        chat_id=row.target.chat_id,
        private=row.target.private,
        moved=row.origin is not None,
        leased=row.leased(now()),
        maybe_shown=row.doubts > 0,
        trail=[TryOut.model_validate(one) for one in row.trail],
    )
