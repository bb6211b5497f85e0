"""All files: those in the store, and those on this machine's disk until the store takes them.

A name is made of the content's SHA-256 and of the owner (`ab/cd/<sha256>-<owner>.png`). The same
result for the same owner is the same file, and no two owners ever share one, so that erasing needs
no counting of references.
"""

import asyncio
import hashlib
import re
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from structlog import get_logger

from api.errors import StorageFull, StorageUnavailable
from api.ids import now
from api.media.bucket import Bucket
from api.media.spool import Received, Spool, WaitingFile, pieces

log = get_logger("media")

FILE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{64}-[0-9a-f]{8}\.\w+")
"""Names of our files; others in a store are left alone."""
INSTALLATIONS = ".installations"
TRASH = ".trash"
REHEARSALS = ".check-up"


def key_of(sha256: str, owner: str, extension: str) -> str:
    tag = hashlib.sha256(owner.encode()).hexdigest()[:8]
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}-{tag}.{extension}"


@dataclass(frozen=True, slots=True)
class StoreState:
    """State of the store. `trouble`: the error of the last write, None when all is well. `waiting`:
    files on this machine's disk that the store has not taken yet. `others`: number of other
    installations with files in the same store."""

    trouble: StorageFull | StorageUnavailable | None = None
    waiting: int = 0
    others: int = 0


class MediaStore:
    """`url` as `Bucket` takes it, `spool` a folder of this machine, `installation` our id."""

    def __init__(self, url: str, spool: Path, *, installation: str) -> None:
        self._url = url.rstrip("/")
        self._bucket = Bucket(url)
        self._spool = Spool(spool)
        self._installation = installation
        self._claimed = False
        self.state = StoreState()

    @property
    def root(self) -> Path | None:
        """The folder, when the store is one."""
        return self._bucket.root

    def receive(
        self, chunks: AsyncIterator[bytes], most: int
    ) -> AbstractAsyncContextManager[Received]:
        """Receive as `Spool.receive` does."""
        return self._spool.receive(chunks, most)

    async def put(self, content: bytes | Path, key: str) -> None:
        """Keep a file, which may have been paid for, in the store or on this machine's disk until
        the store takes it. A received file is moved. Raises `StorageFull` and `StorageUnavailable`
        when that disk does not take it either."""
        if self.state.trouble is None:
            try:
                await self._bucket.put(content, key)
            except (StorageFull, StorageUnavailable) as error:
                self._troubled(error)
            else:
                return
        await self._spool.put(content, key)

    def _troubled(
        self, error: StorageFull | StorageUnavailable, waiting: int | None = None
    ) -> None:
        if self.state.trouble is None:
            log.error("store_away", error=error.detail)
        waiting = self.state.waiting if waiting is None else waiting
        self.state = replace(self.state, trouble=error, waiting=waiting)

    async def read(self, key: str) -> bytes:
        """Raises FileNotFoundError and `StorageUnavailable`."""
        if (file := await self._spool.open(key)) is not None:
            with file:
                return await asyncio.to_thread(file.read)
        return await self._bucket.read(key)

    async def stream(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Read the bytes from `start` to before `end`. Raises FileNotFoundError and
        `StorageUnavailable` before the first byte."""
        if (file := await self._spool.open(key)) is not None:
            return pieces(file, start, end)
        return await self._bucket.stream(key, start, end)

    async def delete(self, keys: Iterable[str]) -> None:
        """Delete files, some of which may be gone already. Raises `StorageUnavailable`."""
        for key in keys:
            await self._spool.delete(key)
            await self._bucket.delete(key)

    async def look(self) -> None:
        """Try whether the store can be written, and set `state`."""
        waiting = len(await self._spool.waiting())
        try:
            await self._bucket.probe()
        except (StorageFull, StorageUnavailable) as error:
            self._troubled(error, waiting)
            return
        if self.state.trouble is not None:
            log.warning("store_back", waiting=waiting)
        self.state = replace(self.state, trouble=None, waiting=waiting)

    async def rehearse(self) -> None:
        """Write a file, read it and delete it. Raises as these do."""
        content, key = uuid4().bytes, f"{REHEARSALS}/{uuid4().hex}"
        await self._bucket.put(content, key)
        try:
            if await self._bucket.read(key) != content:
                raise StorageUnavailable("storage_unavailable")
        finally:
            await self._bucket.delete(key)

    async def refused(self) -> str | None:
        """Return, after `look`, why the store cannot be used as it is set; None for one that works
        or may work later."""
        trouble = self.state.trouble
        if not isinstance(trouble, StorageUnavailable):
            return None
        return await self._bucket.refused(trouble)

    async def tend(self) -> None:
        """Look at the store, and move waiting files to it. To be called now and then."""
        await self.look()
        try:
            if self.state.trouble is None and not self._claimed:
                await self.claim()
            for file in await self._spool.waiting() if self.state.trouble is None else ():
                await self._move(file)
        except (StorageFull, StorageUnavailable) as error:
            self._troubled(error)
        self.state = replace(self.state, waiting=len(await self._spool.waiting()))

    async def _move(self, file: WaitingFile) -> None:
        """Move one file. Raises the error of the write, unless the store takes other files."""
        try:
            await self._bucket.put(file.path, file.key)
        except (StorageFull, StorageUnavailable) as error:
            if not await self.waits(file.key):
                return  # another process was faster
            await self._bucket.probe()
            log.exception("file_not_taken", key=file.key, size=file.size, error=error.detail)
            return
        await self._spool.delete(file.key)
        log.info("file_moved_to_store", key=file.key)

    async def claim(self) -> str:
        """Leave our mark in the store and look for those of others. Return the store's address with
        the time of our mark, which tells it from any other, also from one that `./run media move`
        has put in its place. Raises as reading and writing do."""
        ours = f"{INSTALLATIONS}/{self._installation}"
        found = await self._marks()
        if ours not in found:
            await self._bucket.put(f"{socket.gethostname()} {now():%Y-%m-%d}\n".encode(), ours)
            found = await self._marks()
        others = self._others(found)
        if others and not self.state.others:
            log.error(
                "store_shared",
                others=others,
                hint="nothing is swept; delete the mark of an installation that is no more",
            )
        self.state = replace(self.state, others=len(others))
        self._claimed = True
        written = found.get(ours)
        return f"{self._url}@{written.isoformat() if written else ''}"

    async def others(self) -> list[str]:
        """Return the marks of other installations in the store. Raises `StorageUnavailable`."""
        return self._others(await self._marks())

    def _others(self, marks: Iterable[str]) -> list[str]:
        return [key for key in marks if key != f"{INSTALLATIONS}/{self._installation}"]

    async def _marks(self) -> dict[str, datetime]:
        """Return the marks of installations with the time of each."""
        return {
            key: written
            async for batch in self._bucket.listed(INSTALLATIONS)
            for key, written in batch.items()
        }

    async def files(self, prefix: str) -> dict[str, datetime]:
        """Return our files in this folder with the time of each write. Raises
        `StorageUnavailable`."""
        found: dict[str, datetime] = {}
        async for batch in self._bucket.listed(prefix):
            found |= {key: written for key, written in batch.items() if FILE.fullmatch(key)}
        return found

    async def waits(self, key: str) -> bool:
        """Return whether the file waits on this machine's disk for the store."""
        return await self._spool.has(key)

    async def throw_away(self, keys: Sequence[str]) -> None:
        """Move files into the trash, from where `recover` takes them until `empty_trash`."""
        for key in keys:
            await self._bucket.move(key, f"{TRASH}/{key}")

    async def thrown_away(self, prefix: str) -> set[str]:
        """Return the files of this folder that are in the trash."""
        return {
            key.removeprefix(f"{TRASH}/")
            async for batch in self._bucket.listed(f"{TRASH}/{prefix}")
            for key in batch
        }

    async def recover(self, key: str) -> bool:
        """Take a file back from the trash; False when it is not there."""
        return await self._bucket.move(f"{TRASH}/{key}", key)

    async def trash(self, before: datetime) -> tuple[int, int, datetime | None]:
        """Return number, bytes and oldest time of the files that were put into the trash before
        that time."""
        count, size, oldest = 0, 0, None
        async for batch in self._bucket.entries(TRASH):
            for each in batch:
                if each.written < before:
                    count, size = count + 1, size + each.size
                    oldest = each.written if oldest is None else min(oldest, each.written)
        return count, size, oldest

    async def empty_trash(self, before: datetime) -> int:
        """Delete files that were put into the trash before that time, and return their number."""
        deleted = 0
        async for batch in self._bucket.listed(TRASH):
            old = [key for key, thrown in batch.items() if thrown < before]
            for key in old:
                await self._bucket.delete(key)
            deleted += len(old)
        return deleted

    async def forget_received(self, before: datetime) -> int:
        """Delete unfinished files of processes that died, and return their number."""
        return await self._spool.forget_received(before) + await self._bucket.forget_received(
            before
        )
