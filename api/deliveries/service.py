"""The outbox: what a chat has to be told, kept until its bot says that it was shown."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

from structlog import get_logger

from api.db import Db, Sql
from api.deliveries import store
from api.deliveries.schemas import AckIn, AddressOut, DeliveryOut, FailIn, GenerationCompleted, GenerationFailed, Notice
from api.deliveries.store import Delivery, Target
from api.errors import Conflict
from api.generations.schemas import GenerationOut
from api.ids import new_id, now, token
from api.wake import Wake

log = get_logger("deliveries")

LEASE = timedelta(seconds=60)
LOOK_EVERY = 2.0
LOOK_EVERY_SHARED = 1.0
"""With PostgreSQL another process may have written the row, whose ring is not heard here."""
UNCERTAIN_WAIT = timedelta(seconds=60)
BACKOFF_MAX = timedelta(minutes=10)
ATTEMPTS_MAX = 50

Shown = tuple[GenerationOut, str | None]
"""A generation as its owner sees it, and the id of the chat message that is its waiting card."""
Render = Callable[[Sequence[str]], Awaitable[Mapping[str, Shown]]]


class DeliveryService:
    """`render` gives the generations that claimed rows are about, with fresh media links."""

    def __init__(self, db: Db, wake: Wake, render: Render) -> None:
        self._db = db
        self._wake = wake
        self._render = render

    async def start(self) -> None:
        """With the embedded engine nobody can hold a lease from before: what a dead bot had claimed is due at once."""
        if self._db.engine == "duckdb":
            await store.free_leases(self._db, now())

    async def announce(self, sql: Sql, generation_id: str, target: Target, event: str) -> None:
        """Write the row in the transaction that makes `event` true; `ring` after its commit."""
        key = f"{generation_id}:{target.platform}:{target.chat_id}:{event}"
        await store.insert(sql, target, dedupe_key=key, event=event, generation_id=generation_id, now=now())

    async def announce_notice(self, sql: Sql, generation_id: str, target: Target, code: str, facts: Mapping[str, str], number: int) -> None:
        """Tell the chat that waits for a generation a fact about it. `number` tells one time of the same fact from the next."""
        key = f"{generation_id}:{target.platform}:{target.chat_id}:{code}:{number}"
        notice = {"code": code, "facts": json.dumps(dict(facts))}
        await store.insert(sql, target, dedupe_key=key, event="notice", generation_id=generation_id, notice=notice, now=now())

    async def notify(self, sql: Sql, *, platform: str, chat_id: str, code: str, facts: Mapping[str, str]) -> None:
        """Tell a private chat a fact; part of the caller's transaction."""
        notice = {"code": code, "facts": json.dumps(dict(facts))}
        await store.insert(sql, Target(platform, chat_id, private=True), dedupe_key=new_id(), event="notice", notice=notice, now=now())

    def ring(self, platform: str) -> None:
        self._wake.ring(f"deliveries:{platform}")

    async def claim(self, platform: str, wait: float, limit: int, gone: Callable[[], Awaitable[bool]]) -> list[DeliveryOut]:
        """Leased rows, as soon as there are any, or none after `wait` seconds. `gone` tells that the bot has hung up:
        what it would never see is not claimed for it."""
        until = now() + timedelta(seconds=wait)
        look_every = LOOK_EVERY if self._db.engine == "duckdb" else LOOK_EVERY_SHARED
        with self._wake.listen(f"deliveries:{platform}") as listener:
            while not self._wake.closed and not await gone():
                due = await store.next_due(self._db, platform)
                if due is not None and due <= now():
                    rows = await store.claim(self._db, platform, token(128), now(), now() + LEASE, limit)
                    if rows:
                        return await self._out(rows)
                left = (until - now()).total_seconds()
                if left <= 0:
                    break
                until_due = (due - now()).total_seconds() if due else look_every
                await listener.wait(min(left, look_every, max(0.02, until_due)))
        return []

    async def _out(self, rows: Sequence[Delivery]) -> list[DeliveryOut]:
        shown = await self._render([row.generation_id for row in rows if row.generation_id])
        found = []
        for row in rows:
            about = shown.get(row.generation_id) if row.generation_id else None
            if about is None and row.notice is None:
                log.warning("delivery_without_generation", delivery=row.id)
                await store.dead(self._db, row.id, row.lease or "", "the generation was deleted", now())
                continue
            target = row.target
            address = AddressOut(
                platform=target.platform,
                chat_id=target.chat_id,
                thread_id=target.thread_id,
                message_id=target.message_id,
                card_message_id=about[1] if about else None,
                user_name=target.user_name,
                private=target.private,
            )
            found.append(DeliveryOut(id=row.id, lease=row.lease or "", attempt=row.attempt, address=address, event=_event(row, about)))
        return found

    async def ack(self, platform: str, delivery_id: str, body: AckIn) -> None:
        """Raises `Conflict` when the lease is over: somebody else may be showing it."""
        if not await self._leased(platform, delivery_id, body.lease):
            raise Conflict("This delivery is not leased to you any more.")
        await store.done(self._db, delivery_id, body.lease, body.message_ids, None, now())

    async def fail(self, platform: str, delivery_id: str, body: FailIn) -> None:
        """Due again later; dead when the chat can never take it; done after the second uncertain try, for two copies are the limit."""
        row = await self._leased(platform, delivery_id, body.lease)
        if row is None:
            raise Conflict("This delivery is not leased to you any more.")
        log.warning("delivery_failed", delivery=delivery_id, attempt=row.attempt, reason=body.reason, final=body.final)
        if body.final or row.attempt >= ATTEMPTS_MAX:
            await store.dead(self._db, delivery_id, body.lease, body.reason, now())
        elif body.uncertain and row.uncertain:
            await store.done(self._db, delivery_id, body.lease, [], "unconfirmed: " + body.reason, now())
        else:
            wait = UNCERTAIN_WAIT if body.uncertain else min(BACKOFF_MAX, timedelta(seconds=2.0 ** min(row.attempt, 10)))
            if body.retry_after is not None:
                wait = timedelta(seconds=body.retry_after)
            await store.again(self._db, delivery_id, body.lease, body.reason, now() + wait, body.uncertain)

    async def _leased(self, platform: str, delivery_id: str, lease: str) -> Delivery | None:
        return await store.leased(self._db, delivery_id, platform, lease)

    async def forget(self, sql: Sql, generation_id: str) -> None:
        await store.forget(sql, generation_id)


def _event(row: Delivery, about: Shown | None) -> GenerationCompleted | GenerationFailed | Notice:
    if about is None or row.event == "notice":
        notice = row.notice or {}
        return Notice(code=notice["code"], facts=json.loads(notice["facts"]))
    if row.event == "generation_completed":
        return GenerationCompleted(generation=about[0])
    return GenerationFailed(generation=about[0])
