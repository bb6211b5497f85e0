"""Slow, odd and hostile clients, by raw sockets: each is cut off in time, and nobody else waits for
it."""

import asyncio
import json
import resource
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from api.__main__ import _Listener as ApiListener
from api.http_server import Listener, allow_many_files

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], AbstractAsyncContextManager[Client]]

POST = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
WITHIN = 20


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the body, or without an end."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message["body"], message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while scope["path"] == "/endless":
        await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
        if (await asyncio.wait({task := asyncio.ensure_future(receive())}, timeout=0))[0]:
            return
        task.cancel()
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def listening(kind: type[Listener] = Listener, **times: float) -> AsyncIterator[Connect]:
    quick = type("Quick", (kind,), times)
    config = uvicorn.Config(
        app, port=0, http=quick, ws="none", lifespan="off", log_config=None, server_header=False
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    running = asyncio.create_task(server._serve([listener]))

    @asynccontextmanager
    async def connect() -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    try:
        yield connect
    finally:
        server.should_exit = True
        await running
        listener.close()


async def answer_to(connect: Connect, *parts: bytes) -> bytes:
    """Send the parts and return all bytes until the server closes the connection."""
    async with connect() as (reader, writer):
        for part in parts:
            writer.write(part)
            await writer.drain()
        try:
            return await asyncio.wait_for(reader.read(), WITHIN)
        except ConnectionResetError:
            return b""


async def test_a_silent_client_is_cut_off() -> None:
    async with listening(head_seconds=0.1) as connect:
        assert await answer_to(connect) == b""
        assert await answer_to(connect, b"GET /") == b""


async def test_a_client_that_drips_headers_or_a_body_is_cut_off_however_busy_the_line_is() -> None:
    async with listening(head_seconds=0.3, body_seconds=0.3) as connect:
        for start in (b"GET / HTTP/1.1\r\nHost: x\r\nA: ", POST):
            async with connect() as (reader, writer):
                writer.write(start)
                reading = asyncio.ensure_future(reader.read())
                while not reading.done():
                    if not writer.is_closing():
                        writer.write(b"")
                    await asyncio.wait({reading}, timeout=0.02)
                    if start != POST:
                        writer.write(b"a")
                assert (await reading).startswith(b"HTTP/1.1 408 "), start


async def test_a_body_in_time_is_answered_and_the_connection_goes_on() -> None:
    async with listening(head_seconds=5, body_seconds=5) as connect, connect() as (reader, writer):
        for _ in range(3):
            writer.write(POST + b"01234")
            await writer.drain()
            writer.write(b"56789")
            found = await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), WITHIN)
            assert b"0123456789" in found
            assert b"server" not in found.lower()


async def test_the_next_request_of_a_connection_has_a_deadline_of_its_own() -> None:
    async with listening(head_seconds=0.2) as connect, connect() as (reader, writer):
        writer.write(POST + b"0123456789")
        await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), WITHIN)
        writer.write(b"GET / HT")
        assert await asyncio.wait_for(reader.read(), WITHIN) == b""


async def test_a_client_that_takes_nothing_of_an_answer_is_cut_off() -> None:
    async with listening(write_seconds=0.2) as connect, connect() as (reader, writer):
        writer.write(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readexactly(1)
        await asyncio.sleep(0)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(0.5)  # longer than the server is patient
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        with suppress(ConnectionResetError):
            while await asyncio.wait_for(reader.read(65_536), WITHIN):
                pass


ODD: list[tuple[bytes, int, str]] = [
    (b"GET / HTTP/1.1\r\nA: " + b"a" * 70_000, 431, "too_large"),
    (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 431, "too_large"),
    (
        b"".join(
            [b"GET / HTTP/1.1\r\n", *(b"A%d: %s\r\n" % (n, b"a" * 100) for n in range(1_000))]
        ),
        431,
        "too_large",
    ),
    (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method_not_allowed"),
    (b"\x16\x03\x01\x02\x00", 400, "invalid_request"),
    (b"GET / HTTP/1.1\r\nHo st: x\r\n\r\n", 400, "invalid_request"),
    (
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
        "invalid_request",
    ),
    (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n", 400, "invalid_request"),
]


@pytest.mark.parametrize(
    ("sent", "status", "code"), ODD, ids=[f"{status}-{sent[:12]!r}" for sent, status, _ in ODD]
)
async def test_malformed_requests_are_refused_in_the_apis_own_shape(
    sent: bytes, status: int, code: str
) -> None:
    async with listening(ApiListener, head_seconds=5) as connect:
        head, _, body = (await answer_to(connect, sent)).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"content-type: application/problem+json" in head
    problem: dict[str, Any] = json.loads(body)
    assert (problem["status"], problem["code"]) == (status, code)
    assert (b"allow: DELETE, GET, HEAD, POST, PUT" in head) == (status == 405)


async def test_an_upgrade_that_nobody_here_knows_goes_on_as_a_request() -> None:
    async with listening() as connect, connect() as (reader, writer):
        writer.write(
            b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        assert (await asyncio.wait_for(reader.readline(), WITHIN)).startswith(b"HTTP/1.1 200 ")


def test_a_process_may_have_many_connections_open() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        allow_many_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(hard, 65_536)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
