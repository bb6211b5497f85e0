"""The end of an answer: its cost is booked and its text is stored, in one transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

import structlog

from api import ids
from api.budget.service import BudgetService
from api.db import Db, DbUnavailable, Sql
from api.errors import DomainError
from api.media.service import KeptFile, MediaService
from api.schemas import micro
from api.text import idempotency, store
from api.text.answer import Answer
from api.text.cost_lookups import Lookups
from api.text.schemas import TextOut
from api.text.store import Message

T = TypeVar("T")
log = structlog.get_logger("text")

SUBJECT = "text:"
"""The prefix of the subject of an answer's hold."""
SETTLE_WAITS = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between the tries to store paid answers while the database is away."""
PICTURES_MOST = 16


class Endings:
    def __init__(
        self, db: Db, budget: BudgetService, media: MediaService, lookups: Lookups, *, sandbox: bool
    ) -> None:
        self._db = db
        self._budget = budget
        self._media = media
        self._lookups = lookups
        self._sandbox = sandbox

    async def finish(self, running: Answer, cost: int | None, *, failed: bool) -> TextOut:
        """Settle, and store the answer; it is settled, too, when it cannot be stored. `failed`:
        nothing came of it, so that its cost is booked as that of a failure."""
        kept = await self._keep_pictures(running)
        try:
            answered = await _patiently(lambda: self._close(running, cost, kept, failed=failed))
        except DbUnavailable:
            raise
        except Exception:
            log.exception("text_not_kept", answer_id=running.id)
            await self._media.discard(kept)
            answered = await _patiently(lambda: self._close_hold(running, cost, failed=failed))
        if cost is not None and running.unpriced is not None:
            self._lookups.wake()
        return answered

    async def _close(
        self, running: Answer, cost: int | None, kept: Sequence[KeptFile], *, failed: bool
    ) -> TextOut:
        images = self._media.shown(self._media.listed(kept))
        async with self._db.transaction() as sql:
            paid = await self._settle(sql, running, cost, failed=failed)
            answered = running.answered(paid or 0, images, sandbox=self._sandbox)
            if paid is None:
                return answered  # the repetition of one whose commit was done
            for file in kept:
                await self._media.record(sql, file)
            if running.written or kept:
                await _remember(sql, running, answered, [file.file.id for file in kept], ids.now())
            await _answer_key(sql, running, answered, paid)
        return answered

    async def _close_hold(self, running: Answer, cost: int | None, *, failed: bool) -> TextOut:
        async with self._db.transaction() as sql:
            paid = await self._settle(sql, running, cost, failed=failed)
            answered = running.answered(paid or 0, (), sandbox=self._sandbox)
            if paid is not None:
                await _answer_key(sql, running, answered, paid)
        return answered

    async def _settle(
        self, sql: Sql, running: Answer, cost: int | None, *, failed: bool
    ) -> int | None:
        """Return the amount that the person pays; None: it was settled before."""
        if cost is None:
            return 0 if await self._budget.release(sql, running.hold_id) else None
        if failed:
            return await self._budget.fail(
                sql, running.hold_id, cost_micro=cost, kind="text", model=running.model.id
            )
        if not await self._budget.settle(
            sql, running.hold_id, cost_micro=cost, kind="text", model=running.model.id
        ):
            return None
        if (provider_id := running.unpriced) is not None:
            await self._lookups.add(sql, running, provider_id)
        return cost

    async def _keep_pictures(self, running: Answer) -> list[KeptFile]:
        """One that cannot be kept is left out; the words are worth more."""
        kept = []
        for picture in running.pictures[:PICTURES_MOST]:
            try:
                kept.append(await self._media.keep_shown(running.user_id, picture.data))
            except (DomainError, OSError) as error:
                log.warning("picture_of_answer_not_kept", answer_id=running.id, error=str(error))
        return kept


async def _remember(
    sql: Sql, running: Answer, answered: TextOut, images: Sequence[str], now: datetime
) -> None:
    """Store question and answer, also an answer that was cut. A conversation that was deleted
    meanwhile stays deleted."""
    conversation = running.conversation
    if running.is_new:
        if conversation.chat is not None and await store.was_left(
            sql, running.user_id, conversation.chat, conversation.created_at
        ):
            conversation = replace(conversation, chat=None)
        await store.add_conversation(sql, conversation)
    elif not await store.touch(sql, conversation.id, now):
        return
    answer = Message(
        id=running.id,
        role="assistant",
        content=running.text,
        model=running.model.id,
        cost_micro=micro(answered.cost_usd),
        images=tuple(images),
        created_at=now,
        finish_reason=answered.finish_reason,
        citations=tuple(answered.citations),
    )
    for message in (running.question, answer):
        await store.add_message(sql, conversation.id, running.user_id, message)


async def _answer_key(sql: Sql, running: Answer, answered: TextOut, paid: int) -> None:
    """Give a paid answer to the next request with the same key; otherwise free the key for another
    try."""
    if running.key is None:
        return
    if running.finish is not None or (paid and running.has_begun):
        await idempotency.keep(sql, SUBJECT + running.id, answered.model_dump_json())
    else:
        await idempotency.free(sql, SUBJECT + running.id)


async def _patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Settle an answer; while the database is away for a moment, the write waits."""
    for wait in SETTLE_WAITS:
        try:
            return await work()
        except DbUnavailable as error:
            log.warning("text_waits_for_database", error=str(error))
        await asyncio.sleep(wait)
    return await work()
