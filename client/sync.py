"""The synchronous sender of calls, for the web, the command line and scripts."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import httpx
from httpx_sse import EventSource, SSEError

from client.call import Call
from client.calls.batch import batch
from client.errors import ApiError, refused, unavailable
from client.exchange import UNSENT, TextEvent, answer_of, is_answer, request_of, text_event
from client.schemas import Page
from client.schemas.text import DoneEvent, ErrorEvent

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0


class Access(Protocol):
    """The source of access tokens."""

    def token(self) -> str: ...
    def renewed(self, stale: str) -> str | None:
        """A token newer than `stale`, which the API has refused; None: there is no other."""
        ...


class Api:
    """Sends calls for one caller: anonymous without `access`, else a signed-in user."""

    def __init__(
        self,
        http: httpx.Client,
        access: Access | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        patience: float = 0.0,
    ) -> None:
        """`headers` go with every call: who the browser is. `patience`: for so many seconds a call
        that may be repeated is sent again when its answer was lost."""
        self.http = http
        self._access = access
        self._headers = dict(headers or {})
        self._patience = patience

    def send(self, call: Call[T]) -> T:
        """The answer. Raises `ApiError`."""
        until, pause = time.monotonic() + self._patience, FIRST_PAUSE
        while True:
            try:
                with self.open(call) as response:
                    with _below_http():
                        response.read()
                    return answer_of(call, response)
            except ApiError as error:
                again = call.repeatable and (error.silent or error.busy)
                wait = error.retry_after or pause
                if not again or time.monotonic() + wait > until:
                    raise
            time.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)

    def send_together(self, questions: Sequence[Call[Any]]) -> list[Any]:
        """The answers to all of these by one request; in place of one that was refused, its
        `ApiError`. Raises `ApiError` when none is answered."""
        answers = self.send(batch(questions)).answers
        return [
            _part(call, httpx.Response(answer.status, content=answer.body.encode()))
            for call, answer in zip(questions, answers, strict=True)
        ]

    def all(self, listing: Call[Page[T]]) -> list[T]:
        """Everything on the pages of a list."""
        found: list[T] = []
        while True:
            page = self.send(listing)
            found += page.items
            if page.next_cursor is None:
                return found
            listing = listing.after(page.next_cursor)

    @contextmanager
    def open(self, call: Call[Any]) -> Iterator[httpx.Response]:
        """The answer's head; its body is still to be read. A token that the API refuses is renewed
        once. Raises `ApiError` for a refusal."""
        access = None if call.bare else self._access
        token = access.token() if access is not None else None
        response = self._attempt(call, token)
        try:
            if response.status_code == 401 and access is not None and token is not None:
                newer = access.renewed(token)
                if newer is not None:
                    response.close()
                    response = self._attempt(call, newer)
            if not is_answer(call, response):
                with _below_http():
                    response.read()
                raise refused(response)
            yield response
        finally:
            response.close()

    @contextmanager
    def events(self, call: Call[TextEvent]) -> Iterator[Iterator[TextEvent]]:
        """A streamed answer; `done` or `error` is its last event. What is refused before the first
        event is raised here, a stream that breaks by the iterator: both as `ApiError`."""
        with self.open(call) as response:
            yield _events(response)

    def _attempt(self, call: Call[Any], token: str | None) -> httpx.Response:
        with _below_http():
            return self.http.send(request_of(self.http, call, self._headers, token), stream=True)


def _part(call: Call[T], response: httpx.Response) -> T | ApiError:
    try:
        return answer_of(call, response)
    except ApiError as error:
        return error


def _events(response: httpx.Response) -> Iterator[TextEvent]:
    with _below_http():
        for event in EventSource(response).iter_sse():
            told = text_event(event.event, event.data)
            if told is not None:
                yield told
            if isinstance(told, DoneEvent | ErrorEvent):
                return
    raise unavailable(EOFError("the stream ended early"))


@contextmanager
def _below_http() -> Iterator[None]:
    """A failure of the transport is an `ApiError`."""
    try:
        yield
    except (httpx.HTTPError, SSEError) as error:
        raise unavailable(error, unsent=isinstance(error, UNSENT)) from error
