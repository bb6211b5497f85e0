"""A zip that is written while it is sent."""

import zipfile
from collections.abc import AsyncIterator


class Sink:
    """The zip writer's output until it is taken. It cannot seek: the archive is a stream."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing; the writer needs this and `close`."""

    close = flush

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


async def add_file(
    archive: zipfile.ZipFile, sink: Sink, name: str, chunks: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """Add a file uncompressed, since pictures and videos do not get smaller, and yield the
    output so far."""
    with archive.open(zipfile.ZipInfo(name), "w") as entry:
        async for chunk in chunks:
            entry.write(chunk)
            yield sink.take()
