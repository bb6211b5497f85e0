"""Bodies of the provider's answers, read within bounds and searched for an error."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import httpx

from api.provider import wire
from api.provider.failures import Paid, garbage, of_error_in_answer, refuses_at_end
from api.provider.types import ProviderError

T = TypeVar("T")
_ERROR_MAX = 256 * 1024


async def read_body(response: httpx.Response, most: int, paid: Paid) -> bytes:
    """Read the whole body. Raises `ProviderError` for one that is larger than any real answer."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > most:
            raise garbage(paid, response.status_code)
    return bytes(body)


async def read_some(response: httpx.Response) -> bytes:
    """Read the beginning of an error body, which may break off: the status says enough."""
    body = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > _ERROR_MAX:
                break
    except httpx.HTTPError:
        pass
    return bytes(body)


def understood(raw: bytes, paid: Paid, read: Callable[[object], T]) -> T:
    """Apply `read` to the JSON of a 2xx answer, which may hold an error instead."""
    cost = None
    try:
        answer = loaded(raw)
        if isinstance(answer, dict):
            cost = wire.cost_micro(answer.get("usage"))
            if (error := _error_in(answer, paid)) is not None:
                error.cost_micro = cost
                raise error
        return read(answer)
    except (ValueError, RecursionError, wire.Unreadable):
        raise garbage(paid, cost_micro=cost) from None


def _error_in(answer: dict[str, Any], paid: Paid) -> ProviderError | None:
    """Find an error at the top or on the choice. A video job's own `error` is a string."""
    told = answer.get("error") if "status" not in answer else None
    choices = answer.get("choices")
    choice = (
        choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    )
    if not told and choice.get("finish_reason") == "error":
        told = {}
    told = told if told is not None else choice.get("error")
    if told is None:
        return None
    if refuses_at_end(choice):
        return ProviderError("content_refused", "safety", outcome="refused")
    return of_error_in_answer(told, paid)


def loaded(raw: bytes) -> object:
    """Return the JSON of an answer, also of one that comes as events although none were asked for.
    Raises ValueError, RecursionError."""
    text = raw.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith((b"data:", b"event:", b":")):
        return _joined(list(_events(text)))
    return wire.read_json(text)


def _events(raw: bytes) -> Iterator[dict[str, Any]]:
    for line in raw.splitlines():
        if line.startswith(b"data:") and (data := line[5:].strip()).startswith(b"{"):
            event = wire.read_json(data)
            if isinstance(event, dict):
                yield event


def _joined(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Join the events of a chat answer to one message, or finished pictures to a list without
    previews."""
    answer: dict[str, Any] = {}
    content: list[Any] = []
    images: list[Any] = []
    done: list[Any] = []
    last: dict[str, Any] = {}
    for event in events:
        answer |= {
            name: event[name] for name in ("id", "usage", "error", "data") if event.get(name)
        }
        if str(event.get("type", "")).endswith(".completed"):
            done.append(event)
        for choice in event.get("choices") or []:
            last |= {
                name: value for name, value in wire.mapping(choice).items() if value is not None
            }
            part = wire.mapping(choice.get("delta") or choice.get("message") or {})
            said, beside = part.get("content"), part.get("images")
            content += said if isinstance(said, list) else [{"type": "text", "text": said or ""}]
            images += beside if isinstance(beside, list) else []
    if last:
        message = wire.mapping(last.get("message") or {})
        last["message"] = {**message, "content": content, "images": images}
        return answer | {"choices": [last]}
    return answer | {"data": done} if done else answer
