"""One running answer: what is known of it, what it costs, what its reader is told."""

import asyncio
from dataclasses import dataclass, field

from api.catalog.model import Model
from api.catalog.pricing import tokens, used_text_micro
from api.errors import DomainError
from api.generations.schemas import ErrorOut
from api.provider.types import ProviderError, TextAsk, TextDone
from api.schemas import usd
from api.text.schemas import DeltaEvent, DoneEvent, ErrorEvent, StartEvent, TextOut, UsageOut
from api.text.store import Conversation, Message

Event = StartEvent | DeltaEvent | DoneEvent | ErrorEvent


@dataclass(eq=False, slots=True)
class Answer:
    """One running answer. `written` grows; `out` gets what happens, and None at the end.

    `key`: its Idempotency-Key, so that the same request gets the same answer.
    """

    id: str
    user_id: str
    conversation: Conversation
    is_new: bool
    question: Message
    model: Model
    ask: TextAsk
    chars: int
    hold_id: str
    key: str | None = None
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

    @property
    def text(self) -> str:
        return "".join(self.written)

    def tokens(self, done: TextDone | None) -> tuple[int, int]:
        """Of prompt and answer, as the provider counted them; what it did not count, or took for nothing, is estimated."""
        usage = done.usage if done is not None else None
        prompt, completion = (usage.prompt_tokens, usage.completion_tokens) if usage is not None else (None, None)
        return prompt or tokens(self.chars), completion or tokens(len(self.text))

    def answered(self, done: TextDone | None, cost: int, *, sandbox: bool) -> TextOut:
        """`done` None: it was cut, and this is what was written."""
        prompt, completion = self.tokens(done)
        return TextOut(
            id=self.id,
            conversation_id=self.conversation.id,
            text=self.text,
            model=done.model if done is not None else self.model.id,
            usage=UsageOut(prompt_tokens=prompt, completion_tokens=completion),
            cost_usd=usd(cost),
            sandbox=sandbox,
        )


def cost_of(running: Answer, done: TextDone | None, failure: ProviderError | None) -> int | None:
    """What to book; None: nothing, the hold is released.

    A provider charges nothing for a request that it refused or that ended in an error. An answer that was stopped, or whose
    connection broke after it had begun, is charged for what was written by then.
    """
    if failure is not None and (failure.outcome != "unknown" or not running.written):
        return None
    usage = done.usage if done is not None else None
    if usage is not None and usage.cost_micro is not None:
        return usage.cost_micro
    prompt, completion = running.tokens(done)
    return used_text_micro(running.model, prompt_tokens=prompt, completion_tokens=completion)


def error_event(error: Exception) -> ErrorEvent:
    if isinstance(error, DomainError):
        charged = None if error.charged_micro is None else usd(error.charged_micro)
        told = ErrorOut(code=error.code, message=error.detail, reason=error.reason, charged_usd=charged)
        return ErrorEvent(error=told, retry_after=error.retry_after)
    return ErrorEvent(error=ErrorOut(code="internal_error", message="Something went wrong here. The operator finds it in the log."))
