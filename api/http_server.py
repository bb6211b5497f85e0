"""The HTTP server of the api and the web. A client that is slow, or sends too large a head, is cut
off; one that is odd gets an answer.

It knows nothing of the api.
"""

import asyncio
import contextlib
import re
import resource
from http import HTTPStatus
from typing import ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_FILES = 65_536
_REQUEST_LINE = re.compile(rb"[A-Z][A-Z-]{0,30} ")


class Listener(HttpToolsProtocol):
    """One connection. uvicorn alone would wait for ever for the rest of a request, and for a client
    to take an answer."""

    head_seconds: ClassVar[float] = 20
    """From the connection or a request's first byte to the end of its headers."""
    body_seconds: ClassVar[float] = 120
    """From there to the end of the body."""
    write_seconds: ClassVar[float] = 60
    """In which a client has to take what fills the connection: a slow one takes 64 kB."""
    linger_seconds: ClassVar[float] = 2
    """In which a client that was refused may read why."""
    head_max: ClassVar[int] = 64 * 1024
    methods: ClassVar[str] = "GET, HEAD, POST"
    """All that any address here takes: for a method that is none, no address has been read yet."""

    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _head = _unread = 0
    _begun = False
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deadline = self.loop.call_later(self.head_seconds, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._settle()
        if self._stalled is not None:
            self._stalled.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._refused:
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # nobody here speaks anything else: it goes on as HTTP
        except httptools.HttpParserInvalidMethodError:
            self.refuse(
                HTTPStatus.METHOD_NOT_ALLOWED
                if _REQUEST_LINE.match(data)
                else HTTPStatus.BAD_REQUEST
            )
        except httptools.HttpParserError:
            self.refuse(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                if self._head > self.head_max
                else HTTPStatus.BAD_REQUEST
            )
        else:
            self._unread = 0 if self._begun else self._unread + len(data)
            if (
                self._unread > self.head_max
            ):  # of a header that does not end the parser tells nothing
                self.refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = 0
        self._begun = False
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.head_seconds, self._late)

    def on_url(self, url: bytes) -> None:
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(name + value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._settle()
        self._deadline = self.loop.call_later(self.body_seconds, self._late)
        super().on_headers_complete()
        self._begun = True

    def on_message_complete(self) -> None:
        self._settle()
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()

    def refuse(self, status: HTTPStatus) -> None:
        """Answer what never became a request, and close."""
        kind, body = self.refusal(status)
        headers = {"content-type": kind, "content-length": str(len(body)), "connection": "close"}
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["allow"] = self.methods
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(
            f"HTTP/1.1 {status.value} {status.phrase}\r\n{head}\r\n".encode() + body
        )
        # the client may still be writing: closed at once, its system would throw the answer away
        self.transport.write_eof()
        self._refused = True
        self._settle()
        self._deadline = self.loop.call_later(self.linger_seconds, self.transport.abort)

    def refusal(self, status: HTTPStatus) -> tuple[str, bytes]:
        """Content type and body."""
        return "text/plain; charset=utf-8", status.phrase.encode()

    def _count(self, part: bytes) -> None:
        self._head += len(part)
        if self._head > self.head_max:
            raise ValueError  # the parser stops, and tells `data_received`

    def _settle(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        answered = self._begun and self.cycle.response_started
        if self.headers and not answered:
            self.refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.abort()


def allow_many_files() -> None:
    """Each connection is an open file, and the usual limit is low enough for one client to use
    up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, MOST_FILES)), hard))
