"""The WSGI app, which needs a thread for each page, served by an event loop.

A thread is taken when a request has arrived as a whole, and given back while a part of its answer
is sent. So a slow client costs a connection, never a thread.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from contextvars import Context
from ipaddress import IPv6Address, ip_address, ip_network
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import unquote_to_bytes
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment
    from starlette.types import Message, Receive, Scope, Send

T = TypeVar("T")

CAME = "allucanget.came"
"""Name of the monotonic time at which the headers of a request were here, in its environ."""
IN_MEMORY = 64 * 1024
LARGE_AT_ONCE = 8
LARGE_FROM_ONE = 3
"""Larger bodies that one process takes at a time, in all and from one address, each in a temporary
file. The others wait, so that whoever stalls holds up nobody else."""


class ThreadedApp:
    """A WSGI app as an ASGI app."""

    def __init__(
        self, app: WSGIApplication, *, threads: int, body_max: int, behind_proxy: bool = False
    ) -> None:
        """A body above `body_max` is not read: the app refuses it by its length. `behind_proxy`:
        the last X-Forwarded-For is the client's address."""
        self._app = app
        self._pool = ThreadPoolExecutor(threads, "page")
        self._body_max = body_max
        self._behind_proxy = behind_proxy
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._large_from: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._arriving: set[asyncio.Task[Any]] = set()
        self._is_stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        came = time.monotonic()
        with SpooledTemporaryFile(IN_MEMORY) as body:
            async with AsyncExitStack() as stack:
                try:
                    length = await self._whole(scope, receive, body, stack)
                except _Gone:
                    return
                except asyncio.CancelledError:
                    if not self._is_stopping:
                        raise
                    await send(
                        {
                            "type": "http.response.start",
                            "status": 503,
                            "headers": [(b"content-length", b"0"), (b"connection", b"close")],
                        }
                    )
                    await send({"type": "http.response.body"})
                    return
                await self._answer(_environ(scope, body, length, came), receive, send)

    def refuse_unfinished(self) -> None:
        """Stop waiting for requests that have not arrived as a whole."""
        self._is_stopping = True
        for task in self._arriving:
            task.cancel()

    async def _whole(
        self, scope: Scope, receive: Receive, body: IO[bytes], stack: AsyncExitStack
    ) -> int:
        """Write the body down as it arrives. Return its length, or the length that was declared."""
        length = _declared(scope)
        if length is not None and length > self._body_max:
            return length
        task = asyncio.current_task()
        assert task is not None
        self._arriving.add(task)
        try:
            length = 0
            async for part in _parts(receive):
                if length <= IN_MEMORY < length + len(part):
                    await stack.enter_async_context(self._large_of(scope))
                    await stack.enter_async_context(self._large)
                length += len(part)
                if length > self._body_max:
                    break
                body.write(part)
        finally:
            self._arriving.discard(task)
        body.seek(0)
        return length

    def _large_of(self, scope: Scope) -> asyncio.Semaphore:
        forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        address = scope["client"][0] if scope["client"] else ""
        if self._behind_proxy and forwarded:
            address = forwarded[-1].decode("latin-1").rpartition(",")[2].strip()
        return self._large_from.setdefault(_network(address), asyncio.Semaphore(LARGE_FROM_ONE))

    async def _answer(self, environ: WSGIEnvironment, receive: Receive, send: Send) -> None:
        # each part of an answer may be made in another thread: the app's context goes with it
        loop, context = asyncio.get_running_loop(), Context()

        def in_thread(work: Callable[[], T]) -> asyncio.Future[T]:
            return loop.run_in_executor(self._pool, context.run, work)

        answer = _WsgiAnswer(self._app, environ)
        part = await in_thread(answer.begin)
        try:
            await send(
                {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
            )
            if answer.is_closed:
                await send({"type": "http.response.body", "body": part or b""})
                return
            gone = asyncio.create_task(_gone(receive))
            try:
                while part is not None and not gone.done():
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                    part = await in_thread(answer.more)
            finally:
                gone.cancel()
            await send({"type": "http.response.body"})
        finally:
            if not answer.is_closed:
                await in_thread(answer.close)


class _WsgiAnswer:
    """The app's answer to one request. Its methods run in a thread, one at a time."""

    def __init__(self, app: WSGIApplication, environ: WSGIEnvironment) -> None:
        self._app = app
        self._environ = environ
        self._made: Iterable[bytes] = ()
        self._parts: Iterator[bytes] = iter(())
        self.is_closed = False
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []

    def begin(self) -> bytes | None:
        """Return the first part; None for an answer without a body. An answer without another part
        is closed here, so that a page is done in one step."""
        self._made = self._app(self._environ, self._start)
        try:
            self._parts = iter(self._made)
            part = self.more()
        except BaseException:
            self.close()
            raise
        if part is None or (b"content-length", str(len(part)).encode()) in self.headers:
            self.close()
        return part

    def more(self) -> bytes | None:
        return next((part for part in self._parts if part), None)

    def close(self) -> None:
        self.is_closed = True
        with suppress(AttributeError):
            self._made.close()  # type: ignore[attr-defined]

    def _start(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], object]:
        self.status = int(status[:3])
        self.headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers
        ]
        return _never_written


def _network(address: str) -> str:
    """Return the address, or the network of 64 bits that an IPv6 client has to itself."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is None:
        return str(ip_network((ip, 64), strict=False))
    return address


class _Gone(Exception):
    """The client left before its request was whole."""


def _never_written(_part: bytes) -> NoReturn:
    raise RuntimeError("no page writes its answer in this way")


def _declared(scope: Scope) -> int | None:
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), None)


async def _parts(receive: Receive) -> Any:
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        yield message["body"]
        if not message["more_body"]:
            return


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _environ(scope: Scope, body: IO[bytes], length: int, came: float) -> WSGIEnvironment:
    host, port = scope["server"] or ("", None)
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or ""),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": scope["client"][0] if scope["client"] else "",
        CAME: came,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        if b"_" in name or name in {b"content-length", b"transfer-encoding"}:
            continue  # one with an underscore would pass for one with a dash
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        text = value.decode("latin-1")
        environ[key] = (
            f"{environ[key]}{';' if key == 'HTTP_COOKIE' else ','}{text}"
            if key in environ
            else text
        )
    if length:
        environ["CONTENT_LENGTH"] = str(length)
    return environ
