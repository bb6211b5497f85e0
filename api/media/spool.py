"""Files on this machine's disk: unfinished ones, and whole ones that wait for the store.

All processes of an installation share the folder (`DATA_DIR/spool`), so that each can show the
waiting files.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from api.errors import TooLarge
from api.media.bucket import CHUNK, forget_old, move, new_file, storage_errors, sync, write_synced
from api.media.file_types import HEAD


@dataclass(frozen=True, slots=True)
class Received:
    """A complete file at a temporary place on this machine. `head` is its first 64 bytes."""

    path: Path
    size: int
    sha256: str
    head: bytes


@dataclass(frozen=True, slots=True)
class WaitingFile:
    """A file that the store has not taken yet."""

    key: str
    path: Path
    size: int


class Spool:
    """Writes raise `StorageFull` and `StorageUnavailable`."""

    def __init__(self, folder: Path) -> None:
        self._receiving = folder / "receiving"
        self._waiting = folder / "waiting"

    @asynccontextmanager
    async def receive(self, chunks: AsyncIterator[bytes], most: int) -> AsyncIterator[Received]:
        """Write a stream into a file, which is removed at the end unless it was moved. Raises
        `TooLarge` above `most` bytes."""
        with storage_errors(writing=True):
            path = await asyncio.to_thread(new_file, self._receiving)
        try:
            yield await self._write(path, chunks, most)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _write(self, path: Path, chunks: AsyncIterator[bytes], most: int) -> Received:
        digest, size, head = hashlib.sha256(), 0, b""
        with path.open("wb") as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > most:
                    raise TooLarge("file_too_large", megabytes=most // 1_000_000)
                head = head if len(head) >= HEAD else (head + chunk)[:HEAD]
                digest.update(chunk)
                with storage_errors(writing=True):
                    await asyncio.to_thread(file.write, chunk)
            with storage_errors(writing=True):
                await asyncio.to_thread(sync, file)
        return Received(path, size, digest.hexdigest(), head)

    async def put(self, content: bytes | Path, key: str) -> None:
        with storage_errors(writing=True):
            await asyncio.to_thread(self._put, content, key)

    def _put(self, content: bytes | Path, key: str) -> None:
        if isinstance(content, Path):
            move(content, self._place(key))
            return
        path = new_file(self._receiving)
        try:
            write_synced(path, content)
            move(path, self._place(key))
        finally:
            path.unlink(missing_ok=True)

    def _place(self, key: str) -> Path:
        # one folder for all: none has to be made or removed while files come and go
        return self._waiting / key.replace("/", ",")

    async def open(self, key: str) -> BinaryIO | None:
        """Open a waiting file; None when it does not wait here."""
        try:
            return await asyncio.to_thread(self._place(key).open, "rb")
        except FileNotFoundError:
            return None

    async def has(self, key: str) -> bool:
        return await asyncio.to_thread(self._place(key).exists)

    async def delete(self, key: str) -> None:
        with storage_errors(writing=True):
            await asyncio.to_thread(self._place(key).unlink, missing_ok=True)

    async def waiting(self) -> list[WaitingFile]:
        """Return the waiting files, the oldest first."""
        return await asyncio.to_thread(self._found)

    def _found(self) -> list[WaitingFile]:
        found = []
        for path in self._waiting.iterdir() if self._waiting.exists() else ():
            with suppress(FileNotFoundError):
                state = path.stat()
                found.append(
                    (state.st_mtime, WaitingFile(path.name.replace(",", "/"), path, state.st_size))
                )
        return [each for _, each in sorted(found, key=lambda one: one[0])]

    async def forget_received(self, before: datetime) -> int:
        """Delete unfinished files of processes that died, and return their number."""
        return await asyncio.to_thread(forget_old, self._receiving, before)


async def read_file(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK * 16):
            yield chunk


async def pieces(file: BinaryIO, start: int, end: int) -> AsyncIterator[bytes]:
    """Yield the bytes from `start` to before `end`, then close the file."""
    with file:
        await asyncio.to_thread(file.seek, start)
        while start < end and (
            chunk := await asyncio.to_thread(file.read, min(CHUNK, end - start))
        ):
            start += len(chunk)
            yield chunk
