"""Answers in text: money held first, the provider's stream passed on as it comes, the conversation kept at the end.

An answer runs in a task of its own. A client that goes away only stops it; what was used by then is still settled.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

import structlog

from api import ids
from api.auth.caller import Caller
from api.budget.service import BudgetService, group_of
from api.catalog.model import Model
from api.catalog.pricing import text_micro, tokens, used_text_micro
from api.catalog.service import Catalog
from api.db import Db, DbUnavailable, Sql
from api.errors import DomainError, InvalidRequest, NotFound, OptionUnsupported, OutcomeUnknown, PriceUnknown
from api.generations.schemas import ErrorOut
from api.media.service import MediaService
from api.provider.domain_errors import domain_error
from api.provider.types import ImageInput, Provider, ProviderError, TextAsk, TextDelta, TextDone, TextMessage, TextPart
from api.schemas import Page, usd
from api.text import store
from api.text.context import ANSWER_TOKENS, answer_tokens, fitting, title_of
from api.text.schemas import (
    ConversationDetailOut,
    ConversationOut,
    DeltaEvent,
    DoneEvent,
    ErrorEvent,
    MessageOut,
    StartEvent,
    TextIn,
    TextOut,
    UsageOut,
)
from api.text.store import Conversation, Message
from api.users.service import UserService

__all__ = ["ANSWER_TOKENS", "Answer", "TextService"]

log = structlog.get_logger("text")

Event = StartEvent | DeltaEvent | DoneEvent | ErrorEvent

PING_SECONDS = 15.0
REMEMBERED = 100
"""Messages of a conversation that may be sent along at most."""
SHOWN = 1_000
IMAGES_REMEMBERED = 4
SUBJECT = "text:"
STALE_AFTER = timedelta(minutes=30)
"""No answer takes so long: an open hold of this age belongs to a process that died."""
SWEEP_SECONDS = 600.0


@dataclass(eq=False, slots=True)
class Answer:
    """One running answer. `written` grows; `out` gets what happens, and None at the end."""

    id: str
    user_id: str
    conversation: Conversation
    is_new: bool
    question: Message
    model: Model
    ask: TextAsk
    chars: int
    hold_id: str
    out: asyncio.Queue[StartEvent | DeltaEvent | DoneEvent | Exception | None] = field(default_factory=asyncio.Queue)
    written: list[str] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    streaming: bool = False
    stopped: bool = False

    def stop(self) -> None:
        """Closes the provider's stream. Settling what was used is never interrupted."""
        self.stopped = True
        if self.streaming and self.task is not None:
            self.task.cancel()


class TextService:
    def __init__(
        self, db: Db, provider: Provider, catalog: Catalog, budget: BudgetService, media: MediaService, users: UserService
    ) -> None:
        self._db = db
        self._provider = provider
        self._catalog = catalog
        self._budget = budget
        self._media = media
        self._users = users
        self._running: set[Answer] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep now and then."""
        while not stop.is_set():
            try:
                await self.sweep()
            except DbUnavailable as error:
                log.warning("stale_text_holds_not_looked_for", error=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), SWEEP_SECONDS)

    async def sweep(self) -> None:
        """Release the holds of answers that died with their process."""
        if released := await self._budget.release_stale(SUBJECT, STALE_AFTER):
            log.warning("stale_text_holds_released", count=released)

    async def close(self) -> None:
        """Stop what runs, and settle it. Call it before the database is closed."""
        running = list(self._running)
        for answer in running:
            answer.stop()
        await asyncio.gather(*(answer.task for answer in running if answer.task is not None))

    async def answer(self, caller: Caller, body: TextIn) -> TextOut:
        """The whole answer. Raises the errors of `begin` and of the provider."""
        running = await self.begin(caller, body)
        while (event := await running.out.get()) is not None:
            if isinstance(event, Exception):
                raise event
            if isinstance(event, DoneEvent):
                return event.answer
        raise OutcomeUnknown("The server was stopped while this was being answered.")

    async def events(self, running: Answer) -> AsyncIterator[Event | None]:
        """What happens, as it happens; None now and then while nothing does, so that proxies keep the connection."""
        while True:
            try:
                async with asyncio.timeout(PING_SECONDS):
                    event = await running.out.get()
            except TimeoutError:
                yield None
                continue
            if event is None:
                return
            yield _error_event(event) if isinstance(event, Exception) else event

    async def begin(self, caller: Caller, body: TextIn) -> Answer:
        """Check, hold the money, and start. Raises before anything is asked of the provider:

        `ModelUnavailable`, `OptionUnsupported`, `NotFound` (conversation, image), `InvalidRequest`, `PriceUnknown`, `BudgetExceeded`.
        """
        model = self._catalog.resolve("text", body.model, caller.role)
        images = body.images or []
        most = model.info.capabilities.max_input_images
        if len(images) > most:
            raise OptionUnsupported(f"{model.name} can look at {most or 'no'} image{'' if most == 1 else 's'}.", field="images")
        conversation = await self._conversation(caller.user_id, body)
        history = await store.messages(self._db, conversation.id, REMEMBERED) if body.conversation_id else []
        history = fitting(model, history, len(body.prompt) + len(body.system or ""), len(images))
        messages = await self._messages(caller.user_id, model, history, body)
        chars = sum(len(message.text) for message in messages)
        limit = answer_tokens(model)
        amount = text_micro(model, chars=chars, max_tokens=limit, images=sum(len(message.images) for message in messages))
        if amount is None:
            raise PriceUnknown(f"The price of {model.name} is not known, so it cannot be used before an admin sets one.")
        question = Message(ids.new_id(), "user", body.prompt, None, None, tuple(images), ids.now())
        answer_id = ids.new_id()
        hold_id = await self._hold(caller.user_id, amount, answer_id)
        running = Answer(
            id=answer_id,
            user_id=caller.user_id,
            conversation=conversation,
            is_new=body.conversation_id is None,
            question=question,
            model=model,
            ask=TextAsk(model.id, tuple(messages), max_tokens=limit, user=caller.user_id),
            chars=chars,
            hold_id=hold_id,
        )
        running.out.put_nowait(StartEvent(id=answer_id, conversation_id=conversation.id, model=model.id))
        running.task = asyncio.create_task(self._run(running), name=f"text {answer_id}")
        self._running.add(running)
        return running

    async def _conversation(self, user_id: str, body: TextIn) -> Conversation:
        if body.conversation_id is not None:
            return await self._own(user_id, body.conversation_id)
        now = ids.now()
        return Conversation(ids.new_id(), user_id, title_of(body.prompt), now, now)

    async def _messages(self, user_id: str, model: Model, history: Sequence[Message], body: TextIn) -> list[TextMessage]:
        images = [await self._media.input_image(user_id, media_id) for media_id in body.images or ()]
        room = min(IMAGES_REMEMBERED, model.info.capabilities.max_input_images - len(images))
        earlier: list[TextMessage] = []
        for message in reversed(history):
            seen = await self._seen(user_id, message.images[:room])
            room -= len(seen)
            earlier.append(TextMessage(message.role, message.content, seen))
        system = [TextMessage("system", body.system)] if body.system else []
        return [*system, *reversed(earlier), TextMessage("user", body.prompt, tuple(images))]

    async def _seen(self, user_id: str, media_ids: Sequence[str]) -> tuple[ImageInput, ...]:
        """Images of earlier messages; one that was deleted since is left out."""
        found = []
        for media_id in media_ids:
            try:
                found.append(await self._media.input_image(user_id, media_id))
            except NotFound:
                continue
        return tuple(found)

    async def _hold(self, user_id: str, amount: int, answer_id: str) -> str:
        user = await self._users.find(user_id)
        if user is None:
            raise NotFound("This account does not exist any more.")
        async with self._db.transaction() as sql:
            return await self._budget.reserve(
                sql,
                user_id=user_id,
                monthly_micro=user.monthly_micro,
                group=group_of(user.role, guest=user.guest),
                amount=amount,
                subject=SUBJECT + answer_id,
            )

    async def _run(self, running: Answer) -> None:
        try:
            await self._work(running)
        except Exception as error:
            log.exception("text_failed", answer=running.id)
            running.out.put_nowait(error)
        finally:
            running.out.put_nowait(None)
            self._running.discard(running)

    async def _work(self, running: Answer) -> None:
        if running.stopped:
            await self._finish(running, None)
            return
        done: TextDone | None = None
        failure: ProviderError | None = None
        running.streaming = True
        try:
            done = await self._stream(running)
        except ProviderError as error:
            failure = error
        except asyncio.CancelledError:
            log.info("text_stopped", answer=running.id, parts=len(running.written))
        running.streaming = False
        cost = _cost(running, done, failure)
        await self._finish(running, cost)
        if failure is not None:
            running.out.put_nowait(domain_error(failure))
        elif done is not None:
            running.out.put_nowait(DoneEvent(answer=self._out(running, done, cost or 0)))

    async def _stream(self, running: Answer) -> TextDone | None:
        stream = cast(AsyncGenerator[TextPart, None], self._provider.text(running.ask))
        done = None
        async with aclosing(stream) as parts:
            async for part in parts:
                if isinstance(part, TextDelta):
                    text = part.text.replace("\x00", "")  # PostgreSQL keeps no NUL
                    running.written.append(text)
                    running.out.put_nowait(DeltaEvent(text=text))
                else:
                    done = part
        return done

    async def _finish(self, running: Answer, cost: int | None) -> None:
        async with self._db.transaction() as sql:
            if cost is None:
                await self._budget.release(sql, running.hold_id)
            else:
                await self._budget.settle(sql, running.hold_id, cost_micro=cost, kind="text", model=running.model.id)
            if running.written:
                await _remember(sql, running, cost or 0, ids.now())

    def _out(self, running: Answer, done: TextDone, cost: int) -> TextOut:
        usage = done.usage
        return TextOut(
            id=running.id,
            conversation_id=running.conversation.id,
            text="".join(running.written),
            model=done.model,
            usage=UsageOut(
                prompt_tokens=usage.prompt_tokens if usage else tokens(running.chars),
                completion_tokens=usage.completion_tokens if usage else tokens(len("".join(running.written))),
            ),
            cost_usd=usd(cost),
            sandbox=self._provider.is_sandbox,
        )

    async def conversations(self, user_id: str, cursor: str | None, limit: int) -> Page[ConversationOut]:
        """Last used first."""
        found = await store.page(self._db, user_id, _place(cursor), limit + 1)
        shown = found[:limit]
        next_cursor = store.cursor_of(shown) if len(found) > limit else None
        return Page(items=[ConversationOut.model_validate(each) for each in shown], next_cursor=next_cursor)

    async def conversation(self, user_id: str, conversation_id: str) -> ConversationDetailOut:
        """Raises `NotFound`, also for another user's."""
        found = await self._own(user_id, conversation_id)
        messages = [
            MessageOut(
                role=message.role,
                text=message.content,
                model=message.model,
                cost_usd=None if message.cost_micro is None else usd(message.cost_micro),
                created_at=message.created_at,
            )
            for message in await store.messages(self._db, conversation_id, SHOWN)
        ]
        return ConversationDetailOut(
            id=found.id, title=found.title, created_at=found.created_at, updated_at=found.updated_at, messages=messages
        )

    async def delete_conversation(self, user_id: str, conversation_id: str) -> None:
        await self._own(user_id, conversation_id)
        async with self._db.transaction() as sql:
            await store.delete(sql, conversation_id)

    async def erase_user(self, user_id: str) -> None:
        async with self._db.transaction() as sql:
            await store.delete_of_user(sql, user_id)

    async def _own(self, user_id: str, conversation_id: str) -> Conversation:
        found = await store.conversation(self._db, conversation_id)
        if found is None or found.user_id != user_id:
            raise NotFound("There is no such conversation among yours.")
        return found


async def _remember(sql: Sql, running: Answer, cost: int, now: datetime) -> None:
    """Question and answer, also an answer that was cut. A conversation that was deleted meanwhile stays deleted."""
    conversation = running.conversation
    if running.is_new:
        await store.add_conversation(sql, conversation)
    elif not await store.touch(sql, conversation.id, now):
        return
    answer = Message(running.id, "assistant", "".join(running.written), running.model.id, cost, (), now)
    for message in (running.question, answer):
        await store.add_message(sql, conversation.id, running.user_id, message)


def _cost(running: Answer, done: TextDone | None, failure: ProviderError | None) -> int | None:
    """What to book; None: nothing, the hold is released.

    A provider charges nothing for a request that it refused or that ended in an error. An answer that was stopped, or whose
    connection broke after it had begun, is charged for what was written by then.
    """
    if failure is not None and (failure.outcome != "unknown" or not running.written):
        return None
    usage = done.usage if done is not None else None
    if usage is not None and usage.cost_micro is not None:
        return usage.cost_micro
    if usage is not None:
        prompt, completion = usage.prompt_tokens, usage.completion_tokens
    else:
        prompt, completion = tokens(running.chars), tokens(sum(map(len, running.written)))
    return used_text_micro(running.model, prompt_tokens=prompt, completion_tokens=completion)


def _error_event(error: Exception) -> ErrorEvent:
    if isinstance(error, DomainError):
        return ErrorEvent(error=ErrorOut(code=error.code, message=error.detail), retry_after=error.retry_after)
    return ErrorEvent(error=ErrorOut(code="internal_error", message="Something went wrong here. The operator finds it in the log."))


def _place(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    moment, _, last = cursor.partition("~")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError as error:
        raise InvalidRequest("This cursor is not valid.", field="cursor") from error
    if at.tzinfo is None or not last:
        raise InvalidRequest("This cursor is not valid.", field="cursor")
    return at, last
