"""Text answers: the request, the whole answer, the events of a streamed one."""

from typing import Literal

from pydantic import Field

from api.generations.schemas import ErrorOut, MediaOut, ModelId, Prompt
from api.schemas import PROMPT_MAX, In, Out, Thinking, Time, Usd

Finish = Literal["stop", "length", "content_filter", "stopped", "broken"]
"""The end of an answer: by itself, at the limit of its length, by a filter, by its reader, by a
failure."""


DOCUMENTS_MAX = 8
"""The most documents of one question."""


class DocumentOut(Out):
    """A file for a text model: a PDF (`application/pdf`), or another file as the text in it
    (`text/plain`). `pages` of a PDF; `chars`: the characters in it, 0 for a PDF whose pages are
    pictures."""

    id: str
    name: str
    content_type: str
    size: int
    pages: int | None = None
    chars: int
    url: str


class TextIn(In):
    """`images`: ids of uploads or of earlier images of the caller, for models that can look at
    images.

    `chat_thread`: only bots may send it; the question goes on with the conversation of the act
    token's chat and this thread (empty where there are none), or begins one. `chat_message`: the
    chat's id of the message that asks, by which the answer may be stopped. `after`: the id of an
    answer of the caller's, which this goes on behind, in its conversation; what was said later is
    not sent along. `effort`: how much the model shall think, where it thinks at all. `web`: it may
    search the web. Both are the person's preference when they are left out.

    `documents`: ids of documents of the caller. They stay with the conversation: later questions
    see them, too. `scan`: PDFs are read by character recognition, which is paid by the page.
    """

    prompt: Prompt
    model: ModelId | None = None
    conversation_id: str | None = Field(default=None, max_length=64)
    chat_thread: str | None = Field(default=None, max_length=64)
    chat_message: str | None = Field(default=None, max_length=64)
    after: str | None = Field(default=None, max_length=64)
    effort: Thinking | None = None
    web: bool | None = None
    system: str | None = Field(default=None, max_length=PROMPT_MAX)
    images: list[str] | None = Field(default=None, max_length=16)
    documents: list[str] | None = Field(default=None, max_length=DOCUMENTS_MAX)
    scan: bool = False
    stream: bool = False


class UsageOut(Out):
    """`thinking_tokens` are among those of the completion. `thinking_seconds`: the time until the
    first word, when the model has thought. `searches`: how often it has searched the web."""

    prompt_tokens: int
    completion_tokens: int
    thinking_tokens: int = 0
    thinking_seconds: float = 0
    searches: int = 0


class CitationOut(Out):
    """A source that the model has read. The answer may name it by its number, which counts from
    1."""

    number: int
    url: str
    title: str


class TextOut(Out):
    """`images`: pictures that the model made beside its words. `instead_of`: the name of the model
    that was asked, when it could not answer and `model` did."""

    id: str
    conversation_id: str
    text: str
    model: str
    instead_of: str | None = None
    usage: UsageOut
    cost_usd: Usd
    finish_reason: Finish = "stop"
    citations: list[CitationOut] = Field(default_factory=list)
    images: list[MediaOut] = Field(default_factory=list)
    sandbox: bool = False


class ChargeOut(Out):
    """The amount booked for an answer by now; null while it is not over. `stopped`: this call has
    ended it."""

    charged_usd: Usd | None
    stopped: bool = False


class StopIn(In):
    """`thread` is empty where there are none. `message`: only the answer to this message of the
    chat."""

    thread: str = Field(default="", max_length=64)
    message: str | None = Field(default=None, max_length=64)


class StartEvent(Out):
    """SSE event `start`."""

    id: str
    conversation_id: str
    model: str


class ThinkingEvent(Out):
    """SSE event `thinking`: the model thinks. `forget`: what the deltas have given until now was
    thinking, too: no part of the answer."""

    forget: bool = False


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


Event = StartEvent | ThinkingEvent | DeltaEvent | DoneEvent | ErrorEvent


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
    """`images`: what was sent along with a question, or made beside an answer, and `documents` of a
    question; one that was deleted since is left out."""

    id: str
    role: Literal["user", "assistant"]
    text: str
    images: list[MediaOut] = Field(default_factory=list)
    documents: list[DocumentOut] = Field(default_factory=list)
    model: str | None = None
    cost_usd: Usd | None = None
    finish_reason: Finish | None = None
    citations: list[CitationOut] = Field(default_factory=list)
    thinking_seconds: float = 0
    created_at: Time


class ConversationDetailOut(ConversationOut):
    messages: list[MessageOut]
