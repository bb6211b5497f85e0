"""Text answers: the request, the whole answer, the events of a streamed one."""

from typing import Literal

from pydantic import Field

from api.generations.schemas import ErrorOut, MediaOut, ModelId, Prompt
from api.schemas import In, Out, Time, Usd


class TextIn(In):
    """`images`: ids of uploads or of earlier images of the caller, for models that can look at images.

    `chat_thread`: only bots may send it; the question goes on with the conversation of the act token's chat and this thread (empty where
    there are none), or begins one.
    """

    prompt: Prompt
    model: ModelId | None = None
    conversation_id: str | None = Field(default=None, max_length=64)
    chat_thread: str | None = Field(default=None, max_length=64)
    system: str | None = Field(default=None, max_length=10_000)
    images: list[str] | None = Field(default=None, max_length=16)
    stream: bool = False


class UsageOut(Out):
    prompt_tokens: int
    completion_tokens: int


class TextOut(Out):
    id: str
    conversation_id: str
    text: str
    model: str
    usage: UsageOut
    cost_usd: Usd
    sandbox: bool = False


class StartEvent(Out):
    """SSE event `start`."""

    id: str
    conversation_id: str
    model: str


class DeltaEvent(Out):
    """SSE event `delta`: text to append."""

    text: str


class DoneEvent(Out):
    """SSE event `done`: the whole answer once more, and what it cost."""

    answer: TextOut


class ErrorEvent(Out):
    """SSE event `error`: the stream ends after it. What was written before stays valid."""

    error: ErrorOut
    retry_after: float | None = None


class NewConversationIn(In):
    """`thread` is empty where there are none."""

    thread: str = Field(default="", max_length=64)


class RenameIn(In):
    title: str = Field(min_length=1, max_length=200)


class ConversationOut(Out):
    id: str
    title: str
    created_at: Time
    updated_at: Time


class MessageOut(Out):
    """`images`: what was sent along with a question; one that was deleted since is left out."""

    role: Literal["user", "assistant"]
    text: str
    images: list[MediaOut] = Field(default_factory=list)
    model: str | None = None
    cost_usd: Usd | None = None
    created_at: Time


class ConversationDetailOut(ConversationOut):
    messages: list[MessageOut]
