"""One running answer: its parts so far, its cost, and its reader's events."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from structlog.contextvars import get_contextvars

from api.catalog.model import Model
from api.catalog.pricing import TOKENS_PER_INPUT_IMAGE, tokens, used_text_micro
from api.errors import DomainError, NoAnswer, sentence
from api.generations.schemas import ErrorOut, MediaOut
from api.provider import types
from api.schemas import micro, usd
from api.text import schemas
from api.text.choices import SEARCH_MICRO
from api.text.store import Conversation, Message


@dataclass(eq=False, slots=True)
class Answer:
    """One running answer. `written` grows; `out` gets what happens, and None at the end.

    `key`: its Idempotency-Key, so that the same request gets the same answer. `begun`: who answers,
    once the provider has said it. `by_reader`: its person asked for the stop, and gets the part
    made by then as the whole answer. `names`: those that a stop may use.
    """

    id: str
    user_id: str
    conversation: Conversation
    is_new: bool
    question: Message
    model: Model
    ask: types.TextAsk
    hold_id: str
    key: str | None = None
    fallbacks: Sequence[Model] = ()
    sent_files: Sequence[tuple[str, str]] = ()
    """Names and ids of the documents that the provider reads."""
    is_told: bool = True
    """Its reader wants the parts as they come, not only the end."""
    out: asyncio.Queue[schemas.Event | Exception | None] = field(default_factory=asyncio.Queue)
    written: list[str] = field(default_factory=list)
    thought: int = 0
    """Characters."""
    thinks_since: float | None = None
    thought_seconds: float = 0
    pictures: list[types.ImageData] = field(default_factory=list)
    citations: list[types.Citation] = field(default_factory=list)
    files_read: list[types.FileRead] = field(default_factory=list)
    begun: types.TextBegun | None = None
    usage: types.Usage | None = None
    finish: types.FinishReason | None = None
    task: asyncio.Task[None] | None = None
    streaming: bool = False
    stopped: bool = False
    by_reader: bool = False
    thinking: bool = False
    names: tuple[str, ...] = ()

    def stop(self, *, by_reader: bool = False) -> None:
        """Close the provider's stream. Settling what was used is never interrupted."""
        self.stopped = True
        self.by_reader = self.by_reader or by_reader
        if self.streaming and self.task is not None:
            self.task.cancel()

    def told(self) -> Iterator[schemas.Event | Exception | None]:
        """Yield what waits for the reader, without waiting for more."""
        while not self.out.empty():
            yield self.out.get_nowait()

    def hear(self, part: types.TextPart) -> None:
        """Take in a part from the provider, and pass on the reader's share of it."""
        match part:
            case types.TextDelta(text):
                self.written.append(text)
                if self.thinking:
                    self._stop_thinking()
                self._tell(schemas.DeltaEvent, text=text)
            case types.TextThinking(chars, forget):
                self._think(chars, forget=forget)
            case types.TextImage(image):
                self.pictures.append(image)
            case types.FileRead():
                self.files_read.append(part)
            case types.Citation():
                self.citations.append(part)
            case types.TextBegun():
                self.begun = part
            case types.Usage():
                self.usage = part
            case types.TextDone(finish):
                self.finish = finish

    def _think(self, chars: int, *, forget: bool) -> None:
        self.thought += chars
        if forget:
            self.written.clear()
        if not self.thinking:
            self.thinks_since = time.monotonic()
        if forget or not self.thinking:
            self.thinking = True
            self._tell(schemas.ThinkingEvent, forget=forget)

    def _tell(self, event: type[schemas.Event], **facts: str | bool) -> None:
        if self.is_told:
            self.out.put_nowait(event(**facts))

    def _stop_thinking(self) -> None:
        self.thinking = False
        if self.thinks_since is not None:
            self.thought_seconds += time.monotonic() - self.thinks_since

    @property
    def text(self) -> str:
        return "".join(self.written)

    @property
    def ran(self) -> Model:
        """The model that answered: the one that was asked, unless a fallback says that it was it.
        The provider may add a version to an id."""
        told = self.begun.model if self.begun is not None else ""
        named = [one for one in (self.model, *self.fallbacks) if told.startswith(one.id)]
        return max(named, key=lambda one: len(one.id), default=self.model)

    @property
    def has_begun(self) -> bool:
        """Tell whether something was made that costs money."""
        return bool(self.written or self.thought or self.pictures)

    @property
    def unpriced(self) -> str | None:
        """The provider's id by which to ask for the cost when the answer did not name it."""
        said = self.usage is not None and self.usage.cost_micro is not None
        return None if said or self.begun is None else self.begun.provider_id

    @property
    def ending(self) -> schemas.Finish:
        return self.finish or ("stopped" if self.stopped else "broken")

    @property
    def counted(self) -> schemas.UsageOut:
        """Tokens as the provider counted them; what it did not count, or took for nothing, is
        estimated."""
        usage = self.usage or types.Usage(None, None, None)
        messages = self.ask.messages
        prompt = tokens(sum(context_chars(message) for message in messages))
        pictures = sum(len(message.images) for message in messages)
        return schemas.UsageOut(
            prompt_tokens=usage.prompt_tokens or prompt + pictures * TOKENS_PER_INPUT_IMAGE,
            completion_tokens=usage.completion_tokens or tokens(len(self.text) + self.thought),
            thinking_tokens=usage.thinking_tokens or tokens(self.thought),
            thinking_seconds=round(self.thought_seconds, 1),
            searches=usage.searches,
        )

    def cited(self) -> tuple[schemas.CitationOut, ...]:
        return tuple(
            schemas.CitationOut(number=place, url=each.url, title=each.title)
            for place, each in enumerate(self.citations, 1)
        )

    def answered(self, cost: int, images: Sequence[MediaOut], *, sandbox: bool) -> schemas.TextOut:
        """Return the whole answer, or the part of an answer that was cut."""
        return schemas.TextOut(
            id=self.id,
            conversation_id=self.conversation.id,
            text=self.text,
            model=self.begun.model if self.begun is not None else self.model.id,
            instead_of=self.model.name if self.ran is not self.model else None,
            usage=self.counted,
            cost_usd=usd(cost),
            finish_reason=self.ending,
            citations=list(self.cited()),
            images=list(images),
            sandbox=sandbox,
        )


def context_chars(message: types.TextMessage) -> int:
    """Return the characters of a message with its files."""
    if not message.files and not message.parsed:
        return len(message.text)
    files = sum(each.chars for each in message.files)
    return len(message.text) + files + sum(each.chars for each in message.parsed)


def cost_of(running: Answer, failure: types.ProviderError | None) -> int | None:
    """Return the amount to book; None releases the hold.

    The provider's own figure counts on any path. It charges nothing for a request that it refused
    or that ended in an error. An answer that was stopped or broke off is charged for the part made
    by then.
    """
    if running.usage is not None and running.usage.cost_micro is not None:
        return running.usage.cost_micro
    if failure is not None and (failure.outcome != "unknown" or not running.has_begun):
        return None
    counted = running.counted
    cost = used_text_micro(
        running.ran,
        prompt_tokens=counted.prompt_tokens,
        completion_tokens=counted.completion_tokens,
    )
    return None if cost is None else cost + SEARCH_MICRO * counted.searches


def is_empty(answered: schemas.TextOut) -> bool:
    """Tell whether there is nothing to read."""
    return not answered.text.strip() and not answered.images


def no_answer(answered: schemas.TextOut) -> NoAnswer:
    """Return the error for an answer without anything to read, with its cost all the same."""
    error = NoAnswer("thinking_only" if answered.usage.thinking_tokens else "empty_answer")
    error.charged_micro = micro(answered.cost_usd)
    return error


def error_event(error: Exception) -> schemas.ErrorEvent:
    if isinstance(error, DomainError):
        charged = None if error.charged_micro is None else usd(error.charged_micro)
        told = ErrorOut(
            code=error.code,
            message=error.detail,
            reason=error.reason,
            params=error.params,
            charged_usd=charged,
        )
        return schemas.ErrorEvent(error=told, retry_after=error.retry_after)
    params: dict[str, str | int] = {"reference": get_contextvars().get("request_id", "-")}
    return schemas.ErrorEvent(
        error=ErrorOut(
            code="internal_error",
            message=sentence("unexpected", params),
            reason="unexpected",
            params=params,
        )
    )
