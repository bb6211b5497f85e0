"""The end of an answer: its pictures are kept, and it is ended at the desk, however long the
database is away."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import structlog

from api.db import DbUnavailable
from api.errors import DomainError
from api.media.service import KeptFile, MediaService
from api.text.answer import Answer
from api.text.cost_lookups import Lookups
from api.text.desk import AnswerEnding, Desk
from api.text.schemas import TextOut

T = TypeVar("T")
log = structlog.get_logger("text")

SETTLE_WAITS = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between the tries to store paid answers while the database is away."""
PICTURES_MOST = 16


class Endings:
    def __init__(self, desk: Desk, media: MediaService, lookups: Lookups) -> None:
        self._desk = desk
        self._media = media
        self._lookups = lookups

    async def finish(self, running: Answer, cost: int | None, *, failed: bool) -> TextOut:
        """Settle, and store the answer; it is settled, too, when it cannot be stored. `failed`:
        nothing came of it, so that its cost is booked as that of a failure."""
        kept = await self._keep_pictures(running)
        ending = AnswerEnding(running, cost, failed, kept)
        try:
            answered = await patiently(lambda: self._desk.end(ending))
        except DbUnavailable:
            raise
        except Exception:
            log.exception("text_not_kept", answer_id=running.id)
            await self._media.discard(kept)
            bare = replace(ending, kept=(), stored=False)
            answered = await patiently(lambda: self._desk.end(bare))
        if cost is not None and running.unpriced is not None:
            self._lookups.wake()
        return answered

    async def _keep_pictures(self, running: Answer) -> list[KeptFile]:
        """One that cannot be kept is left out; the words are worth more."""
        kept = []
        for picture in running.pictures[:PICTURES_MOST]:
            try:
                kept.append(await self._media.keep_shown(running.user_id, picture.data))
            except (DomainError, OSError) as error:
                log.warning("picture_of_answer_not_kept", answer_id=running.id, error=str(error))
        return kept


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Settle what was paid; while the database is away for a moment, the write waits."""
    for wait in SETTLE_WAITS:
        try:
            return await work()
        except DbUnavailable as error:
            log.warning("text_waits_for_database", error=str(error))
        await asyncio.sleep(wait)
    return await work()
