"""The asynchronous sender of calls."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol, TypeVar

import aiohttp
import httpx
from httpx_sse import EventSource, SSEError

from client.call import Call
from client.errors import ApiError, refused, unavailable
from client.exchange import UNSENT, TextEvent, answer_of, is_answer, request_of, text_event
from client.schemas import Page
from client.schemas.text import DoneEvent, ErrorEvent

T = TypeVar("T")

BROKEN = (httpx.HTTPError, aiohttp.ClientError, TimeoutError, SSEError)
"""All that can go wrong below the API; the aiohttp transport lets a few of its own errors
through."""
NEVER_MADE = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
CLOSED = "Connection closed."
"""The text of aiohttp's RuntimeError for a connection that ended between two reads."""


class AsyncAccess(Protocol):
    """The source of access tokens."""

    async def token(self) -> str: ...
    async def renewed(self, stale: str) -> str | None:
        """A token newer than `stale`, which the API has refused; None: there is no other."""
        ...


class AsyncApi:
    """Sends calls for one caller."""

    def __init__(self, http: httpx.AsyncClient, access: AsyncAccess) -> None:
        self.http = http
        self._access = access

    async def send(self, call: Call[T]) -> T:
        """The answer. Raises `ApiError`."""
        async with self._open(call) as response:
            with below_http():
                await response.aread()
            return answer_of(call, response)

    async def all(self, listing: Call[Page[T]]) -> list[T]:
        """Everything on the pages of a list."""
        found: list[T] = []
        while True:
            page = await self.send(listing)
            found += page.items
            if page.next_cursor is None:
                return found
            listing = listing.after(page.next_cursor)

    async def download(self, call: Call[bytes], most: int) -> bytes:
        """A file. Raises `ApiError` with code `too_large` beyond `most` bytes."""
        taken = bytearray()
        async with self._open(call) as response:
            with below_http():
                async for chunk in response.aiter_bytes():
                    taken += chunk
                    if len(taken) > most:
                        raise ApiError("too_large", f"more than {most} bytes", status=413)
        return bytes(taken)

    async def events(self, call: Call[TextEvent]) -> AsyncGenerator[TextEvent, None]:
        """The events of a streamed answer; `done` or `error` is the last. Closing it ends the
        answer at the provider, too."""
        async with self._open(call) as response:
            with below_http():
                async for event in EventSource(response).aiter_sse():
                    told = text_event(event.event, event.data)
                    if told is not None:
                        yield told
                    if isinstance(told, DoneEvent | ErrorEvent):
                        return
        raise unavailable(EOFError("the stream ended early"))

    @asynccontextmanager
    async def _open(self, call: Call[Any]) -> AsyncIterator[httpx.Response]:
        """A token that the API refuses is renewed once."""
        token = None if call.bare else await self._access.token()
        response = await self._attempt(call, token)
        try:
            if response.status_code == 401 and token is not None:
                newer = await self._access.renewed(token)
                if newer is not None:
                    await response.aclose()
                    response = await self._attempt(call, newer)
            if not is_answer(call, response):
                with below_http():
                    await response.aread()
                raise refused(response)
            yield response
        finally:
            await response.aclose()

    async def _attempt(self, call: Call[Any], token: str | None) -> httpx.Response:
        with below_http():
            return await self.http.send(request_of(self.http, call, {}, token), stream=True)


@contextmanager
def below_http() -> Iterator[None]:
    """A failure of the transport is an `ApiError`."""
    try:
        yield
    except BROKEN as error:
        raise unavailable(error, unsent=_unsent(error)) from error
    except RuntimeError as error:
        if str(error) != CLOSED:
            raise
        raise unavailable(error) from error


def _unsent(error: Exception) -> bool:
    """Whether nothing of the request has left. httpx's names for the errors of aiohttp do not tell
    a connection that broke from one that was never made."""
    below = error if isinstance(error, aiohttp.ClientError) else error.__cause__
    if isinstance(below, aiohttp.ClientError):
        return isinstance(below, NEVER_MADE)
    return isinstance(error, UNSENT)
