"""A TCP server that answers with exactly the given bytes, for answers that no well-behaved server
gives."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Raw:
    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    """The first answers, one a request."""


def http(
    body: str, *, status: str = "200 OK", kind: str = "application/json", extra: str = ""
) -> bytes:
    data = body.encode()
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n"
        f"{extra}Connection: close\r\n\r\n".encode()
        + data
    )


@asynccontextmanager
async def raw_server(answer: bytes) -> AsyncIterator[Raw]:
    """Read one request, send `answer` or the next of `answers`, and close."""
    raw = Raw()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            ),
            0,
        )
        raw.requests.append(head + await reader.readexactly(length))
        writer.write(raw.answers.pop(0) if raw.answers else answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1"
    try:
        yield raw
    finally:
        server.close()
