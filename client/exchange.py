"""One exchange over HTTP: the request that a call is, and the answer or the error that its response
stands for."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, cast

import httpx
from pydantic import TypeAdapter, ValidationError

from client.call import Call
from client.errors import BAD_ANSWER, ApiError, refused
from client.schemas.text import DeltaEvent, DoneEvent, ErrorEvent, StartEvent, ThinkingEvent
from telemetry.requests import passed_on
from telemetry.spans import collector

T = TypeVar("T")
Http = httpx.Client | httpx.AsyncClient

UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Failures before anything of a request has left."""

TextEvent = StartEvent | ThinkingEvent | DeltaEvent | DoneEvent | ErrorEvent
_TEXT_EVENTS: dict[str, type[TextEvent]] = {
    "start": StartEvent,
    "thinking": ThinkingEvent,
    "delta": DeltaEvent,
    "done": DoneEvent,
    "error": ErrorEvent,
}
_NOT_SENDABLE = re.compile(r"[^ -~]")


def request_of(
    http: Http, call: Call[Any], headers: Mapping[str, str], token: str | None
) -> httpx.Request:
    """Raises `ApiError` `not_found` for an address that cannot be one."""
    sent = {**passed_on(collector.traceparent), **headers, **call.headers}
    content = call.content
    if content is not None:
        sent["content-type"] = "application/json"
    if call.key is not None:
        sent["idempotency-key"] = call.key
    if token is not None and not call.bare:
        sent["authorization"] = f"Bearer {token}"
    try:
        return http.build_request(
            call.method,
            call.path,
            params=call.query or None,
            content=content,
            files=_form(call),
            headers={name: _sendable(value) for name, value in sent.items()},
            timeout=_timeout(http, call.within),
        )
    except httpx.InvalidURL as error:
        raise ApiError("not_found", "There is no such address.", status=404) from error


def check(call: Call[Any], response: httpx.Response) -> None:
    """Raises `ApiError` unless the status is an answer to this call; the body must have been
    read then."""
    if not is_answer(call, response):
        raise refused(response)


def is_answer(call: Call[Any], response: httpx.Response) -> bool:
    return response.is_success or response.status_code in call.also


def answer_of(call: Call[T], response: httpx.Response) -> T:
    """The answer as the type that the call promises. Its body must have been read. Raises
    `ApiError`."""
    check(call, response)
    if call.answer is None or call.answer is bytes:
        return cast("T", None if call.answer is None else response.content)
    return read(call.answer, response.content, call.path)


def text_event(name: str, data: str) -> TextEvent | None:
    """An event of a streamed answer; None for one that came later than this client."""
    kind = _TEXT_EVENTS.get(name)
    return None if kind is None else read(kind, data, f"event {name}")


def read(kind: type[T], content: bytes | str, source: str) -> T:
    try:
        return cast("T", _reader(cast("Any", kind)).validate_json(content))
    except ValidationError as error:
        wrong = error.errors(include_input=False)[:3]
        where = ", ".join(".".join(map(str, one["loc"])) for one in wrong)
        raise ApiError(
            BAD_ANSWER, f"{source} answered something else than agreed at {where}"
        ) from error


@cache
def _reader(kind: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(kind)


def _timeout(http: Http, within: float | None) -> httpx.Timeout:
    if within is None:
        return http.timeout
    return httpx.Timeout(within, connect=min(within, http.timeout.connect or within))


def _form(call: Call[Any]) -> dict[str, tuple[str, bytes, str]] | None:
    file = call.file
    return None if file is None else {"file": (file.name, file.data, file.content_type)}


def _sendable(value: str) -> str:
    """Replace characters that no header can hold; a browser may have sent them."""
    return _NOT_SENDABLE.sub("?", value).strip()
