"""The member's side of deliveries: an inbox of results that no chat took, and results sent to a
chat."""

from api.callers import Caller
from api.db import Db, Duplicate
from api.deliveries import lists, store
from api.deliveries.outbox import DeliveryOutbox
from api.deliveries.owners import Owners
from api.deliveries.schemas import InboxItemOut, InboxOut, SendIn, SentOut
from api.deliveries.service import Render, event_of
from api.deliveries.store import DeliveryTarget
from api.errors import Conflict, NotFound, NotLinked
from api.ids import new_id, now
from api.links.service import PrivateChat
from telemetry.requests import request_id


class Inbox:
    """`render` as in `DeliveryService`."""

    def __init__(self, db: Db, outbox: DeliveryOutbox, render: Render, owners: Owners) -> None:
        self._db = db
        self._outbox = outbox
        self._render = render
        self._owners = owners

    async def page(self, caller: Caller, cursor: str | None, limit: int) -> InboxOut:
        shown, more = await lists.inbox(self._db, caller.user_id, cursor, limit)
        about = await self._render([row.generation_id for row in shown if row.generation_id])
        items = [
            InboxItemOut(
                id=row.id,
                event=event_of(row, about.get(row.generation_id or "")),
                platform=row.target.platform,
                reason=row.reason,
                said=row.said,
                maybe_shown=row.doubts > 0,
                read=row.read_at is not None,
                created_at=row.created_at,
            )
            for row in shown
            if row.notice is not None or row.generation_id in about
        ]
        unread = await lists.unread(self._db, caller.user_id)
        return InboxOut(items=items, next_cursor=more, unread=unread)

    async def read(self, caller: Caller, delivery_id: str | None) -> None:
        """Mark a message as read; None means all of them. Raises `NotFound`."""
        if (
            not await lists.read(self._db, caller.user_id, delivery_id, now())
            and delivery_id is not None
        ):
            raise NotFound("message_unknown")

    async def put_aside(self, caller: Caller, delivery_id: str) -> None:
        """Raises `NotFound`. What was made stays in the gallery."""
        if not await lists.put_aside(self._db, caller.user_id, delivery_id, now()):
            raise NotFound("message_unknown")

    async def send(
        self, caller: Caller, generation_id: str, body: SendIn, key: str | None
    ) -> SentOut:
        """Put a finished generation of the caller's into a linked private chat; the same `key`, or
        one that is on its way already, is not sent again. Raises `NotFound`, `NotLinked`,
        `Conflict` (nothing to send)."""
        about = (await self._render([generation_id])).get(generation_id)
        if about is None or about.user_id != caller.user_id:
            raise NotFound("generation_unknown")
        if about.generation.status != "completed":
            raise Conflict("not_finished")
        chat = await self._chat(caller, body)
        under_way = await store.pending_of(self._db, generation_id, body.platform, chat.chat_id)
        delivery_id = under_way or await self._insert(
            caller, generation_id, body.platform, chat, key or new_id()
        )
        self._outbox.ring(body.platform)
        return SentOut(delivery_id=delivery_id, platform=body.platform, chat=chat.name)

    async def _chat(self, caller: Caller, body: SendIn) -> PrivateChat:
        owner = await self._owners.find(caller.user_id)
        found = await self._owners.chats(caller.user_id, body.platform)
        chat = next(
            (one for one in found if body.platform_user_id in (None, one.platform_user_id)), None
        )
        if chat is None or owner is None or owner.guest:
            raise NotLinked("link_first")
        return chat

    async def _insert(
        self, caller: Caller, generation_id: str, platform: str, chat: PrivateChat, key: str
    ) -> str:
        target = DeliveryTarget(platform, chat.chat_id, private=True, user_id=caller.user_id)
        whole = f"{store.REQUESTED}{caller.user_id}:{generation_id}:{platform}:{chat.chat_id}:{key}"
        try:
            return await store.insert(
                self._db,
                target,
                dedupe_key=whole,
                event="generation_completed",
                generation_id=generation_id,
                now=now(),
                request_id=request_id(),
            )
        except Duplicate:
            row = await store.by_key(self._db, whole)
            return row.id if row else ""
