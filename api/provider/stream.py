"""A streamed chat answer as `TextPart` values."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx
from httpx_sse import EventSource

from api.provider.failures import Paid, garbage, of_error_in_answer
from api.provider.types import ProviderError, TextDelta, TextDone, TextPart, Usage
from api.provider.wire import Unreadable, choice_of, mapping, text_of_message, usage_of


@dataclass(slots=True)
class _Heard:
    """What the stream has said so far."""

    model: str
    provider_id: str | None = None
    finish: str | None = None
    usage: Usage | None = None
    wrote: bool = False

    def done(self) -> TextDone:
        return TextDone(self.model, self.finish or "stop", self.usage, self.provider_id)


def _load(text: str | bytes) -> dict[str, Any]:
    try:
        return mapping(json.loads(text))
    except (ValueError, Unreadable):
        raise garbage(Paid.AT_ONCE) from None


def _hear(heard: _Heard, chunk: dict[str, Any]) -> str:
    """Takes one chunk in and gives the new text. An error may stand at the top or on the choice."""
    if chunk.get("error"):
        raise of_error_in_answer(chunk["error"], Paid.AT_ONCE)
    if isinstance(chunk.get("model"), str):
        heard.model = chunk["model"]
    if isinstance(chunk.get("id"), str):
        heard.provider_id = chunk["id"]
    heard.usage = usage_of(chunk.get("usage")) or heard.usage
    if not chunk.get("choices"):
        return ""
    try:
        choice = choice_of(chunk)
        message = mapping(choice.get("delta") or choice.get("message") or {})
    except Unreadable:
        raise garbage(Paid.AT_ONCE) from None
    if choice.get("error") or choice.get("finish_reason") == "error":
        raise of_error_in_answer(choice.get("error"), Paid.AT_ONCE)
    if isinstance(choice.get("finish_reason"), str):
        heard.finish = choice["finish_reason"]
    refusal = message.get("refusal")
    return text_of_message(message) or (refusal if isinstance(refusal, str) else "")


def _ended(heard: _Heard) -> TextDone:
    """Judges a stream that is over."""
    if heard.finish is None:
        raise ProviderError("provider_unavailable", "The answer broke off before it was finished.", outcome="unknown")
    if heard.finish == "content_filter" and not heard.wrote:
        raise ProviderError("content_refused", "The model refused this request because of its content.", outcome="refused")
    return heard.done()


async def text_parts(response: httpx.Response, model: str) -> AsyncGenerator[TextPart, None]:
    """Of a 200 answer: events, or a whole JSON body from a provider that does not stream. Ends with one `TextDone`.

    Raises `ProviderError` for an error in the stream and for a stream that ends unfinished; httpx errors pass through.
    """
    heard = _Heard(model)
    if "text/event-stream" not in response.headers.get("content-type", ""):
        text = _hear(heard, _load(await response.aread()))
        if text:
            heard.wrote = True
            yield TextDelta(text)
        yield _ended(heard)
        return
    try:
        async with aclosing(EventSource(response).aiter_sse()) as events:
            async for event in events:
                if event.data == "[DONE]":
                    heard.finish = heard.finish or "stop"
                    break
                text = _hear(heard, _load(event.data)) if event.data else ""
                if text:
                    heard.wrote = True
                    yield TextDelta(text)
    except httpx.TransportError:
        # all words are there, only the bill is missing
        if heard.finish is None:
            raise
    yield _ended(heard)
