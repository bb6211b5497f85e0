"""Answers in text: money held first, the provider's stream passed on as it comes, the conversation
kept at the end.

An answer runs in a task of its own. A client that goes away only stops it; the part made by then is
still settled.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import cast

import structlog

from api import errors, ids
from api.budget.moves import Want
from api.budget.service import BudgetService, group_of
from api.callers import Caller
from api.catalog.model import Model
from api.catalog.options import check_inputs
from api.catalog.pricing import text_micro
from api.db import Db, Duplicate
from api.live_processes import LiveProcesses
from api.media.service import MediaService
from api.places.rules import PlaceRules
from api.places.service import PlaceService
from api.provider.domain_errors import domain_error
from api.provider.types import (
    ImageInput,
    PdfEngine,
    Provider,
    ProviderError,
    TextAsk,
    TextMessage,
    TextPart,
)
from api.schemas import micro
from api.shutdown import Stop
from api.text import idempotency, store
from api.text.answer import Answer, context_chars, cost_of, error_event, is_empty, no_answer
from api.text.choices import Choices, able, chosen, dated
from api.text.context import ANSWER_TOKENS, fitting
from api.text.conversations import Conversations
from api.text.cost_lookups import Lookups
from api.text.dead_answers import free_dead
from api.text.desk import SUBJECT, AnswerOpening, Desk
from api.text.enclosures import Enclosures
from api.text.endings import Endings
from api.text.schemas import DoneEvent, Event, StartEvent, TextIn, TextOut
from api.text.stops import Stops
from api.text.store import Conversation, Message
from api.users.preferences import Preferences
from api.users.service import UserService
from api.wake import Wake

__all__ = ["ANSWER_TOKENS", "TextService"]

log = structlog.get_logger("text")

PING_SECONDS = 15.0
REMEMBERED = 100
"""Messages of a conversation that may be sent along at most."""
IMAGES_REMEMBERED = 4
BUSY_SECONDS = 2.0
STALE_AFTER = timedelta(minutes=30)
"""No answer takes so long: an open hold of this age belongs to a process that died."""
SWEEP_SECONDS = 600.0
FREED_EVERY = 5.0
PICTURE_ONLY = "[picture]"
"""The stand-in for an earlier answer without words: providers take no empty ones."""


class TextService:
    def __init__(
        self,
        db: Db,
        provider: Provider,
        preferences: Preferences,
        budget: BudgetService,
        media: MediaService,
        users: UserService,
        conversations: Conversations,
        processes: LiveProcesses,
        wake: Wake,
        places: PlaceService,
        fallbacks: Sequence[str] = (),
    ) -> None:
        self._db = db
        self._provider = provider
        self._preferences = preferences
        self._places = places
        self._budget = budget
        self._media = media
        self._users = users
        self._running: set[Answer] = set()
        self._conversations = conversations
        self._processes = processes
        self._fallbacks = fallbacks
        self._enclosures = Enclosures(media.documents)
        self.stops = Stops(budget, wake)
        self.lookups = Lookups(db, provider, budget)
        self._desk = Desk(budget, media, self.lookups, sandbox=provider.is_sandbox)
        self._endings = Endings(self._desk, media, self.lookups)

    async def start(self) -> None:
        """With the embedded engine there is one api: whatever another one was answering has ended
        with it, and may be asked again."""
        if self._db.engine == "duckdb":
            await self.sweep(timedelta(0))

    async def sweep(self, age: timedelta = STALE_AFTER) -> float:
        """Release the holds of answers that died with their process."""
        # answers that run here live, whatever the clock says
        await idempotency.purge(
            self._db, ids.now(), age, but_not=[SUBJECT + running.id for running in self._running]
        )
        here = {running.hold_id for running in self._running}
        if released := await self._budget.release_stale(SUBJECT, age, but_not=here):
            log.warning("stale_text_holds_released", count=released)
        return SWEEP_SECONDS

    async def free_dead(self) -> float:
        """Free keys and money of answers whose process is dead: they may be asked again. Each
        process does it, because the one that does the duties may be the dead one."""
        await free_dead(self._db, self._budget, self._processes, SUBJECT)
        return FREED_EVERY

    async def drain(self, stop: Stop) -> None:
        """Let running answers end by themselves, and stop them when there is no time for that:
        their readers are told."""
        await stop.drained(
            "answers", [answer.task for answer in self._running if answer.task is not None]
        )
        await self.close()

    async def close(self) -> None:
        """Stop the running answers, and settle them. Call it before the database is closed."""
        running = list(self._running)
        for answer in running:
            answer.stop()
        await asyncio.gather(*(answer.task for answer in running if answer.task is not None))

    async def answer(self, caller: Caller, body: TextIn, key: str | None = None) -> TextOut:
        """Return the whole answer. Raises the errors of `begin` and of the provider."""
        if (earlier := await self.earlier(caller, body, key)) is not None:
            return earlier
        running = await self.begin(caller, body, key, is_told=False)
        while (event := await running.out.get()) is not None:
            if isinstance(event, Exception):
                raise event
            if isinstance(event, DoneEvent):
                return event.answer
        raise errors.OutcomeUnknown("server_stopped")

    async def events(self, running: Answer) -> AsyncIterator[list[Event]]:
        """Yield the events as they come, together those that are there at the same moment, and none
        now and then in between, so that proxies keep the connection."""
        while True:
            try:
                async with asyncio.timeout(PING_SECONDS):
                    told = [await running.out.get(), *running.told()]
            except TimeoutError:
                yield []
                continue
            if events := [_shown(event) for event in told if event is not None]:
                yield events
            if told[-1] is None:
                return

    async def earlier(self, caller: Caller, body: TextIn, key: str | None) -> TextOut | None:
        """Return the answer to the same request with this key. Raises `Conflict` while it is being
        answered, and when the request was another; `NoAnswer` once more when it ended without a
        word."""
        await self._desk.free_unsure()
        if key is None:
            return None
        found = await idempotency.recall(self._db, idempotency.key_of(caller.user_id, key))
        if found is None:
            return None
        if found.body_hash != _hash(body):
            raise errors.Conflict("key_of_other_request")
        if found.answer_json is None:
            raise errors.Conflict("answered_already", retry_after=BUSY_SECONDS)
        answered = TextOut.model_validate_json(found.answer_json)
        if is_empty(answered):
            raise no_answer(answered)
        fresh = await self._media.own_images(
            caller.user_id, [image.id for image in answered.images]
        )
        return answered.model_copy(
            update={"images": [fresh[image.id] for image in answered.images if image.id in fresh]}
        )

    async def begin(
        self, caller: Caller, body: TextIn, key: str | None = None, *, is_told: bool = True
    ) -> Answer:
        """Check, hold the money, and start. `is_told`: its reader wants the parts as they come, not
        only the end. Raises before anything is asked of the provider:

        `ModelUnavailable`, `OptionUnsupported`, `NotFound` (conversation, image), `InvalidRequest`,
        `PriceUnknown`, `BudgetExceeded`, `Conflict` (the same key at once), `StorageFull`.
        """
        await self._media.disk_space.require()
        conversation, is_new = await self._conversations.asked_in(caller, body)
        asked_in = await self._places.asked_in(caller, "text")
        model, choices = await self._chosen(caller, body, asked_in)
        images = body.images or []
        check_inputs(model, len(images), "images")
        history: list[Message] = []
        if not is_new:
            history = await store.messages(self._db, conversation.id, REMEMBERED, body.after)
        enclosed = await self._enclosures.of(caller.user_id, model, history, body)
        told = dated(body, choices)
        chars = len(told.prompt) + len(told.system or "") + enclosed.chars
        history = fitting(model, history, chars + choices.chars, len(images))
        messages = await self._messages(caller.user_id, model, history, told)
        messages = enclosed.put_into(messages, history, 1 if told.system else 0)
        amount = _most_micro(model, messages, choices)
        amount += enclosed.extra_micro
        question = _question(body)
        answer_id = ids.new_id()
        going_on = None if is_new else conversation
        hold_id = await self._hold(caller, body, amount, answer_id, key, going_on, asked_in)
        ask = _ask(caller, conversation, model, messages, choices, enclosed.engine)
        running = Answer(
            id=answer_id,
            user_id=caller.user_id,
            conversation=conversation,
            is_new=is_new,
            question=question,
            model=model,
            ask=ask,
            hold_id=hold_id,
            key=key,
            fallbacks=choices.fallbacks,
            sent_files=enclosed.sent_files,
            is_told=is_told,
        )
        if running.is_told:
            running.out.put_nowait(
                StartEvent(id=answer_id, conversation_id=conversation.id, model=model.id)
            )
        running.task = asyncio.create_task(self._run(running), name=f"text {answer_id}")
        self.stops.begin(running, caller, body)
        self._running.add(running)
        return running

    async def _chosen(
        self, caller: Caller, body: TextIn, asked_in: PlaceRules | None
    ) -> tuple[Model, Choices]:
        """Return the model that is named; when an answer goes on, its model while it may still be
        used; else the preferred one; and the choices beside it."""
        asked = body.model
        if asked is None and body.after is not None:
            answered = await store.model_of(self._db, body.after)
            if answered and self._preferences.usable("text", answered, caller.role):
                asked = answered
        model, kept = await self._preferences.for_text(caller.user_id, caller.role, asked)
        if asked_in is not None:
            model = asked_in.check(model, body.model, [body.prompt])
        choices = chosen(model, body, web=kept.web_search, effort=kept.effort)
        if self._fallbacks:
            usable = (
                self._preferences.usable("text", each, caller.role) for each in self._fallbacks
            )
            others = [
                each
                for each in able(filter(None, usable), model, body, choices)
                if asked_in is None or asked_in.allows(each)
            ]
            choices = replace(choices, fallbacks=tuple(others))
        return model, choices

    async def _messages(
        self, user_id: str, model: Model, history: Sequence[Message], body: TextIn
    ) -> list[TextMessage]:
        images = [
            await self._media.input_image(user_id, media_id) for media_id in body.images or ()
        ]
        room = min(IMAGES_REMEMBERED, model.info.capabilities.max_input_images - len(images))
        seen: dict[str, tuple[ImageInput, ...]] = {}
        for message in reversed(history):
            seen[message.id] = await self._seen(user_id, message.images[:room])
            room -= len(seen[message.id])
        system = [TextMessage("system", body.system)] if body.system else []
        earlier: list[TextMessage] = []
        made: tuple[ImageInput, ...] = ()
        for message in history:
            if message.role == "assistant":
                # models take pictures from people only: what one has made goes along with what is
                # said next
                made = seen[message.id]
                earlier.append(TextMessage("assistant", message.content or PICTURE_ONLY))
            else:
                earlier.append(TextMessage("user", message.content, made + seen[message.id]))
                made = ()
        return [*system, *earlier, TextMessage("user", body.prompt, (*made, *images))]

    async def _seen(self, user_id: str, media_ids: Sequence[str]) -> tuple[ImageInput, ...]:
        """Return the images of earlier messages without those deleted since."""
        found = []
        for media_id in media_ids:
            try:
                found.append(await self._media.input_image(user_id, media_id))
            except errors.NotFound:
                continue
        return tuple(found)

    async def _hold(
        self,
        caller: Caller,
        body: TextIn,
        amount: int,
        answer_id: str,
        key: str | None,
        going_on: Conversation | None,
        asked_in: PlaceRules | None,
    ) -> str:
        """Hold the money. `going_on`: an earlier conversation."""
        user_id = caller.user_id
        account = caller.account or await self._users.find(user_id)
        if account is None:
            raise errors.NotFound("account_gone")
        if asked_in is not None:
            asked_in.check_person(guest=account.guest)
        subject = SUBJECT + answer_id
        claim = None
        if key is not None:
            claim = idempotency.Claim(idempotency.key_of(user_id, key), _hash(body), subject)
        want = Want(
            user_id=user_id,
            monthly_micro=account.monthly_micro,
            group=group_of(account.role, guest=account.guest),
            amount=amount,
            subject=subject,
            process=self._processes.name,
            place=None if asked_in is None else asked_in.budget,
        )
        uploads = [*(body.images or ()), *(body.documents or ())]
        try:
            return await self._desk.open(AnswerOpening(want, claim, going_on, uploads))
        except Duplicate as error:
            raise errors.Conflict("answered_already", retry_after=BUSY_SECONDS) from error

    async def _run(self, running: Answer) -> None:
        try:
            await self._work(running)
        except Exception as error:
            log.exception("text_failed", answer_id=running.id)
            running.out.put_nowait(error)
        finally:
            running.out.put_nowait(None)
            self._running.discard(running)
            self.stops.end(running)

    async def _work(self, running: Answer) -> None:
        asked = not running.stopped
        failure = await self._stream(running) if asked else None
        cost = cost_of(running, failure) if asked else None
        answered = await self._endings.finish(
            running, cost, failed=failure is not None and not running.has_begun
        )
        if running.files_read:
            await self._enclosures.keep_read(
                running.user_id, running.sent_files, running.files_read
            )
        error = _error_of(running, failure, answered)
        if error is None:
            running.out.put_nowait(DoneEvent(answer=answered))
        else:
            error.charged_micro = micro(answered.cost_usd)
            running.out.put_nowait(error)

    async def _stream(self, running: Answer) -> ProviderError | None:
        """Take in everything that the provider sends, until it ends, fails or is stopped. No error
        of any kind leaves the hold open."""
        running.streaming = True
        try:
            async with aclosing(
                cast(AsyncGenerator[TextPart, None], self._provider.text(running.ask))
            ) as parts:
                async for part in parts:
                    running.hear(part)
        except ProviderError as error:
            return error
        except asyncio.CancelledError:
            log.info("text_stopped", answer_id=running.id, parts=len(running.written))
        except Exception:
            log.exception("text_failed", answer_id=running.id)
            return ProviderError(
                "provider_unavailable",
                "unreadable_answer",
                outcome="unknown",
            )
        finally:
            running.streaming = False
        return None

    async def erase_user(self, user_id: str) -> None:
        async with self._db.transaction() as sql:
            await store.delete_of_user(sql, user_id)
            await idempotency.forget_user(sql, user_id)


def _most_micro(model: Model, messages: Sequence[TextMessage], choices: Choices) -> int:
    """Return the highest cost of the answer, by the dearest model that may give it. Each search of
    the web is a turn of the model, which reads everything once more. Raises `PriceUnknown`."""
    chars = choices.turns * sum(map(context_chars, messages)) + choices.chars
    images = choices.turns * sum(len(message.images) for message in messages)
    most = choices.paid_tokens(model)
    amounts = []
    for each in (model, *choices.fallbacks):
        amount = text_micro(each, chars=chars, max_tokens=most, images=images)
        if amount is None:
            raise errors.PriceUnknown("price_not_known", model=each.name)
        amounts.append(amount)
    amount = max(amounts)
    return amount + choices.extra_micro


def _ask(
    caller: Caller,
    conversation: Conversation,
    model: Model,
    messages: Sequence[TextMessage],
    choices: Choices,
    engine: PdfEngine | None,
) -> TextAsk:
    return TextAsk(
        model.id,
        tuple(messages),
        choices.most_tokens(model),
        caller.user_id,
        choices.effort,
        engine,
        choices.web,
        tuple(each.id for each in choices.fallbacks),
        conversation.id,
    )


def _question(body: TextIn) -> Message:
    images, documents = tuple(body.images or ()), tuple(dict.fromkeys(body.documents or ()))
    return Message(
        ids.new_id(), "user", body.prompt, None, None, images, ids.now(), documents=documents
    )


def _error_of(
    running: Answer, failure: ProviderError | None, answered: TextOut
) -> errors.DomainError | None:
    """Return the error that its reader gets instead of an answer."""
    if failure is not None:
        return domain_error(failure)
    if running.finish is None and running.by_reader:
        return None
    if running.finish is None:
        return errors.OutcomeUnknown("server_stopped")
    return no_answer(answered) if is_empty(answered) else None


def _shown(event: Event | Exception) -> Event:
    return error_event(event) if isinstance(event, Exception) else event


def _hash(body: TextIn) -> str:
    """Return the hash of a request; it is the same for a whole and a streamed answer."""
    return hashlib.sha256(f"text:{body.model_dump_json(exclude={'stream'})}".encode()).hexdigest()
