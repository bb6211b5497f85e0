"""The end of an answer: what it cost is booked and what there is of it is kept, in one transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from api import idempotency, ids
from api.budget.service import BudgetService
from api.db import Db, DbUnavailable, Sql
from api.errors import DomainError
from api.media.service import KeptFile, MediaService
from api.schemas import micro
from api.text import store
from api.text.answer import Answer
from api.text.lookups import Lookups
from api.text.schemas import TextOut
from api.text.store import Message

log = structlog.get_logger("text")

SUBJECT = "text:"
"""What the subject of an answer's hold begins with."""
SETTLE_WAITS = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between the tries to write down what was paid for, when the database is away."""
PICTURES_MOST = 16


class Endings:
    def __init__(self, db: Db, budget: BudgetService, media: MediaService, lookups: Lookups, *, sandbox: bool) -> None:
        self._db = db
        self._budget = budget
        self._media = media
        self._lookups = lookups
        self._sandbox = sandbox

    async def finish(self, running: Answer, cost: int | None) -> TextOut:
        """Settle, and keep what there is. Where that cannot be kept, it is settled all the same."""
        kept = await self._keep_pictures(running)
        images = self._media.shown(self._media.listed(kept))
        answered = running.answered(cost or 0, images, sandbox=self._sandbox)
        try:
            await _patiently(lambda: self._close(running, answered, cost, kept))
        except DbUnavailable:
            raise
        except Exception:
            log.exception("text_not_kept", answer=running.id)
            await self._media.discard(kept)
            answered = running.answered(cost or 0, (), sandbox=self._sandbox)
            await _patiently(lambda: self._close_hold(running, cost))
        if cost is not None and running.unpriced is not None:
            self._lookups.wake()
        return answered

    async def _close(self, running: Answer, answered: TextOut, cost: int | None, kept: Sequence[KeptFile]) -> None:
        async with self._db.transaction() as sql:
            if not await self._settle(sql, running, cost):
                return  # this is the repetition of one whose commit was done
            for file in kept:
                await self._media.record(sql, file)
            if running.written or kept:
                await _remember(sql, running, answered, [file.file.id for file in kept], ids.now())
            if running.key is not None:
                # what was paid for is given again; where nothing was, the key is free for another try
                if running.finish is not None or (cost and running.has_begun):
                    await idempotency.keep(sql, SUBJECT + running.id, answered.model_dump_json())
                else:
                    await idempotency.free(sql, SUBJECT + running.id)

    async def _close_hold(self, running: Answer, cost: int | None) -> None:
        async with self._db.transaction() as sql:
            await self._settle(sql, running, cost)
            await idempotency.free(sql, SUBJECT + running.id)

    async def _settle(self, sql: Sql, running: Answer, cost: int | None) -> bool:
        """False: it was settled before."""
        if cost is None:
            return await self._budget.release(sql, running.hold_id)
        if not await self._budget.settle(sql, running.hold_id, cost_micro=cost, kind="text", model=running.model.id):
            return False
        if (provider_id := running.unpriced) is not None:
            await self._lookups.add(sql, running, provider_id)
        return True

    async def _keep_pictures(self, running: Answer) -> list[KeptFile]:
        """One that cannot be kept is left out; the words are worth more."""
        kept = []
        for picture in running.pictures[:PICTURES_MOST]:
            try:
                kept.append(await self._media.keep_shown(running.user_id, picture.data))
            except (DomainError, OSError) as error:
                log.warning("picture_of_answer_not_kept", answer=running.id, error=str(error))
        return kept


async def _remember(sql: Sql, running: Answer, answered: TextOut, images: Sequence[str], now: datetime) -> None:
    """Question and answer, also an answer that was cut. A conversation that was deleted meanwhile stays deleted."""
    conversation = running.conversation
    if running.is_new:
        if conversation.chat is not None and await store.was_left(sql, running.user_id, conversation.chat, conversation.created_at):
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


async def _patiently(work: Callable[[], Awaitable[None]]) -> None:
    """While the database is away for a moment, what was paid for waits to be written."""
    for wait in SETTLE_WAITS:
        try:
            await work()
        except DbUnavailable as error:
            log.warning("text_waits_for_database", error=str(error))
            await asyncio.sleep(wait)
        else:
            return
    await work()
