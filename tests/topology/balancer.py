"""A balancer of TCP connections: each new one goes to the next member that takes it, as with any
proxy that knows nothing of HTTP."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from tests.fakes.threads import loop_in_thread

CHUNK = 65_536


class Balancer:
    """`url` is its address, `members` the ports behind it."""

    def __init__(self) -> None:
        self.url = ""
        self.members: Sequence[int] = ()
        self._turn = 0
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._open:
            task.cancel()
        if self._open:
            await asyncio.wait(self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        with suppress(asyncio.CancelledError):
            if (member := await self._member()) is not None:
                await _join((reader, writer), member)
        writer.transport.abort()

    async def _member(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        self._turn += 1
        for number in range(len(self.members)):
            port = self.members[(self._turn + number) % len(self.members)]
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
        return None


Side = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _join(one: Side, other: Side) -> None:
    """Pass bytes on both ways until either side has ended."""
    ways = {
        asyncio.ensure_future(_pass(one[0], other[1])),
        asyncio.ensure_future(_pass(other[0], one[1])),
    }
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.wait(ways)
        other[1].transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        # the last bytes reach the other side before the connection is torn down
        writer.close()
        await writer.wait_closed()


@contextmanager
def running_balancer() -> Iterator[Balancer]:
    with loop_in_thread("balancer") as call:
        made = Balancer()
        call(made.start())
        try:
            yield made
        finally:
            call(made.stop())
