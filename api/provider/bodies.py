"""Bodies of the provider's answers: read within bounds, and an error that stands in one found."""

from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from api.provider import pictures, wire
from api.provider.failures import Paid, garbage, of_error_in_answer, refuses_at_end
from api.provider.types import ProviderError

T = TypeVar("T")
_ERROR_MAX = 256 * 1024


async def read_body(response: httpx.Response, most: int, paid: Paid) -> bytes:
    """The whole body. An answer that is larger than any real one is not kept in memory."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > most:
            raise garbage(paid, response.status_code)
    return bytes(body)


async def read_some(response: httpx.Response) -> bytes:
    """The beginning of an error body; that it breaks off does not matter, the status says
    enough."""
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
    """`read` applied to the JSON of a 2xx answer, which may still hold an error instead."""
    cost = None
    try:
        answer = pictures.loaded(raw)
        if isinstance(answer, dict):
            cost = wire.cost_micro(answer.get("usage"))
            if (error := _error_in(answer, paid)) is not None:
                error.cost_micro = cost
                raise error
        return read(answer)
    except (ValueError, RecursionError, wire.Unreadable):
        raise garbage(paid, cost_micro=cost) from None


def _error_in(answer: dict[str, Any], paid: Paid) -> ProviderError | None:
    """At the top, or on the choice. A video job has an `error` of its own, a string."""
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
