"""The desk at which answers are opened and ended, in rounds: one transaction for all that wait.

An answer is opened when its money is held, and ended when its cost is booked and its text is
stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from api import ids
from api.budget.moves import Bill, Movement, Want
from api.budget.service import BudgetService
from api.budget.store import Hold
from api.db import DbUnavailable, Sql
from api.db.rounds import Rounds
from api.errors import BudgetExceeded, NotFound
from api.fault_points import fault_point
from api.media.service import KeptFile, MediaService
from api.schemas import micro
from api.text import idempotency, store
from api.text.answer import Answer
from api.text.cost_lookups import Lookups, Unpriced
from api.text.idempotency import Claim
from api.text.schemas import TextOut
from api.text.store import Conversation, Message

SUBJECT = "text:"
"""The prefix of the subject of an answer's hold."""
TOUCHED_EVERY = timedelta(hours=1)
"""A conversation that was used so lately is not deleted for its age before an answer ends: that is
counted in days."""


@dataclass(frozen=True, slots=True)
class AnswerOpening:
    """`conversation`: an earlier one that goes on. `uploads` are media ids of what is sent along:
    both are marked as used, so that none of them is deleted for its age meanwhile."""

    want: Want
    claim: Claim | None
    conversation: Conversation | None
    uploads: Sequence[str]


@dataclass(frozen=True, slots=True)
class AnswerEnding:
    """`cost` None releases the hold. `failed`: nothing came of it, so that its cost is booked as
    that of a failure. `stored`: the text is stored, too."""

    running: Answer
    cost: int | None
    failed: bool
    kept: Sequence[KeptFile] = ()
    stored: bool = True


Item = AnswerOpening | AnswerEnding
Result = Hold | BudgetExceeded | TextOut


class Desk:
    def __init__(
        self, budget: BudgetService, media: MediaService, lookups: Lookups, *, sandbox: bool
    ) -> None:
        self._budget = budget
        self._media = media
        self._lookups = lookups
        self._sandbox = sandbox
        self._unsure: set[str] = set()
        self._rounds = Rounds[Item, Result](self._round, self._take_back)

    async def open(self, opening: AnswerOpening) -> str:
        """Return the id of the hold. Raises `BudgetExceeded`, `Duplicate` when its key is another
        request's, and `NotFound` when the conversation was deleted meanwhile."""
        try:
            hold = await self._rounds.do(opening)
        except DbUnavailable:
            self._unsure.add(opening.want.subject)
            raise
        if isinstance(hold, BudgetExceeded):
            raise hold
        return cast(Hold, hold).id

    async def free_unsure(self) -> None:
        """Release openings that were told as failed, because their commit may have been done all
        the same, and free their keys."""
        if not self._unsure:
            return
        subjects = sorted(self._unsure)
        async with self._budget.transaction() as sql:
            await self._budget.release_subjects(sql, subjects)
            await idempotency.free(sql, subjects)
        self._unsure.difference_update(subjects)

    async def end(self, ending: AnswerEnding) -> TextOut:
        """Return the answer, after the commit that keeps it."""
        return cast(TextOut, await self._rounds.do(ending))

    async def _round(self, items: Sequence[Item]) -> Sequence[Result]:
        openings = [item for item in items if isinstance(item, AnswerOpening)]
        endings = [item for item in items if isinstance(item, AnswerEnding)]
        async with self._budget.transaction() as sql:
            bills = [_bill(ending) for ending in endings]
            wants = [opening.want for opening in openings]
            moved = await self._budget.move(sql, bills, wants)
            await self._open(
                sql,
                [
                    opening
                    for opening, hold in zip(openings, moved.opened, strict=True)
                    if isinstance(hold, Hold)
                ],
            )
            answered = await self._end(sql, endings, moved)
            if endings:
                fault_point("ending")
        fault_point("ended" if endings else "opened")
        opened, ended = iter(moved.opened), iter(answered)
        return [next(opened) if isinstance(item, AnswerOpening) else next(ended) for item in items]

    async def _take_back(self, item: Item, result: Result) -> None:
        if isinstance(result, Hold):
            async with self._budget.transaction() as sql:
                await self._budget.release(sql, result.id)
                await idempotency.free(sql, [result.subject])

    async def _open(self, sql: Sql, openings: Sequence[AnswerOpening]) -> None:
        now = ids.now()
        claims = [opening.claim for opening in openings if opening.claim is not None]
        await idempotency.claim(sql, claims, now)
        used = {
            opening.conversation.id
            for opening in openings
            if opening.conversation is not None
            and opening.conversation.updated_at < now - TOUCHED_EVERY
        }
        if await store.touch(sql, used, now) != used:
            raise NotFound("conversation_unknown")
        await self._media.mark_used(sql, [each for opening in openings for each in opening.uploads])

    async def _end(
        self, sql: Sql, endings: Sequence[AnswerEnding], moved: Movement
    ) -> list[TextOut]:
        now = ids.now()
        answered, ended = [], []
        for ending in endings:
            running = ending.running
            # one that was closed before is the repetition of one whose commit was done
            is_new = running.hold_id in moved.closed
            paid = await (
                self._paid(sql, ending, moved)
                if is_new
                else self._budget.paid(sql, running.user_id, SUBJECT + running.id)
            )
            images = self._media.shown(self._media.listed(ending.kept))
            out = running.answered(paid, images, sandbox=self._sandbox)
            answered.append(out)
            if is_new:
                ended.append((ending, out))
        stored = [each for each in ended if each[0].stored]
        for ending, _ in stored:
            for file in ending.kept:
                await self._media.record(sql, file)
        await _remember(
            sql, [each for each in stored if each[0].running.written or each[0].kept], now
        )
        await _answer_keys(sql, ended)
        return answered

    async def _paid(self, sql: Sql, ending: AnswerEnding, moved: Movement) -> int:
        """Return the amount that the person pays."""
        running = ending.running
        if ending.failed:
            return await self._budget.give_back_failed(sql, moved, running.hold_id)
        if ending.cost is not None and (provider_id := running.unpriced) is not None:
            model = running.ran.id
            about = Unpriced(running.id, running.user_id, running.hold_id, model, "text")
            await self._lookups.add(sql, about, provider_id)
        return ending.cost or 0


def _bill(ending: AnswerEnding) -> Bill:
    running = ending.running
    # what nobody billed costs nobody anything
    cost = (ending.cost or None) if ending.failed else ending.cost
    # another process frees an answer whose process seems dead: one that comes back with a cost
    # books it all the same
    is_paid = cost is not None
    return Bill(running.hold_id, cost, "text", running.ran.id, at_any_time=is_paid)


async def _remember(sql: Sql, ended: Sequence[tuple[AnswerEnding, TextOut]], now: datetime) -> None:
    """Store questions and answers, also an answer that was cut. A conversation that was deleted
    meanwhile stays deleted."""
    going_on = {each.running.conversation.id for each, _ in ended if not each.running.is_new}
    left = await store.touch(sql, going_on, now)
    begun: list[Conversation] = []
    said: list[tuple[Conversation, Message]] = []
    for ending, out in ended:
        running, conversation = ending.running, ending.running.conversation
        if running.is_new:
            if conversation.chat is not None and await store.was_left(
                sql, running.user_id, conversation.chat, conversation.created_at
            ):
                conversation = replace(conversation, chat=None)
            begun.append(conversation)
        elif conversation.id not in left:
            continue
        said += [(conversation, running.question), (conversation, _message(ending, out, now))]
    await store.add_conversations(sql, begun)
    await store.add_messages(sql, said)


def _message(ending: AnswerEnding, out: TextOut, now: datetime) -> Message:
    running = ending.running
    return Message(
        id=running.id,
        role="assistant",
        content=running.text,
        model=running.ran.id,
        cost_micro=micro(out.cost_usd),
        images=tuple(file.file.id for file in ending.kept),
        created_at=now,
        finish_reason=out.finish_reason,
        citations=tuple(out.citations),
        thought_ms=round(out.usage.thinking_seconds * 1000) or None,
    )


async def _answer_keys(sql: Sql, ended: Sequence[tuple[AnswerEnding, TextOut]]) -> None:
    """Give a paid answer to the next request with the same key; otherwise free the key for another
    try."""
    kept, freed = [], []
    for ending, out in ended:
        running = ending.running
        if running.key is None:
            continue
        subject = SUBJECT + running.id
        if running.finish is not None or (out.cost_usd and running.has_begun):
            key = idempotency.key_of(running.user_id, running.key)
            kept.append((key, subject, out.model_dump_json()))
        else:
            freed.append(subject)
    await idempotency.keep(sql, kept)
    await idempotency.free(sql, freed)
