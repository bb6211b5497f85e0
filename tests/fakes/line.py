"""A line to a server on loopback, which a test cuts and mends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit


class Line:
    """`url`: the server's, by way of this line."""

    def __init__(self, to: str) -> None:
        self.url = ""
        self._port = urlsplit(to).port
        self._whole = True
        self._open: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        self._whole = False
        for one in self._open:
            one.cancel()

    def mend(self) -> None:
        self._whole = True

    def begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._whole:
                there, back = await asyncio.open_connection("127.0.0.1", self._port)
                try:
                    await asyncio.gather(_pass(reader, back), _pass(there, writer))
                finally:
                    back.transport.abort()
        finally:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def line_to(url: str) -> AsyncIterator[Line]:
    line = Line(url)
    server = await asyncio.start_server(line.begin, "127.0.0.1", 0)
    line.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield line
        line.cut()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
