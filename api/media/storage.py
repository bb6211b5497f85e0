"""Files on a disk or in an S3 bucket, behind one class.

Names are made of the content's SHA-256 and of the owner (`ab/cd/<sha256>-<owner>.png`): the same work done twice for the same owner
writes the same file, and no two owners ever share one, so that erasing needs no counting of references.
"""

import asyncio
import errno
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from api.errors import StorageFull, TooLarge
from api.media.kinds import HEAD

CHUNK = 256 * 1024
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, slots=True)
class Received:
    """A complete file at a temporary place on this machine. `head` is its first 64 bytes."""

    path: Path
    size: int
    sha256: str
    head: bytes


def key_of(sha256: str, owner: str, extension: str) -> str:
    tag = hashlib.sha256(owner.encode()).hexdigest()[:8]
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}-{tag}.{extension}"


class MediaStore:
    """`url`: `file:///path`, or `s3://bucket/prefix` with the usual `AWS_*` variables."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._store: ObjectStore
        if parts.scheme == "file":
            self._root: Path | None = Path(unquote(parts.path))
            self._store = LocalStore(self._root, mkdir=True, automatic_cleanup=True)
            self._spool = self._root / ".receiving"
        else:
            self._root = None
            # its own patience is three minutes, too long for a request that waits
            self._store = S3Store.from_url(url, retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=20)})
            self._spool = Path(tempfile.gettempdir()) / "allucanget-receiving"

    @asynccontextmanager
    async def receive(self, chunks: AsyncIterator[bytes], most: int) -> AsyncIterator[Received]:
        """Write a stream down and remove it again at the end, unless `keep` took it. Raises `TooLarge` above `most` bytes."""
        path = await asyncio.to_thread(self._new_file)
        try:
            yield await self._write(path, chunks, most)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    def _new_file(self) -> Path:
        self._spool.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._spool)
        os.close(handle)
        return Path(name)

    async def _write(self, path: Path, chunks: AsyncIterator[bytes], most: int) -> Received:
        digest, size, head = hashlib.sha256(), 0, b""
        with _storage_errors(), path.open("wb") as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > most:
                    raise TooLarge(f"The file is larger than {most // 1_000_000} MB.")
                head = head if len(head) >= HEAD else (head + chunk)[:HEAD]
                digest.update(chunk)
                await asyncio.to_thread(file.write, chunk)
            await asyncio.to_thread(_sync, file)
        return Received(path, size, digest.hexdigest(), head)

    async def keep(self, path: Path, key: str) -> None:
        """Move a received file to its place: readers see all of it or nothing."""
        with _storage_errors():
            if self._root is not None:
                await asyncio.to_thread(_move, path, self._root / key)
            else:
                await obstore.put_async(self._store, key, read_file(path))

    async def put(self, data: bytes, key: str) -> None:
        with _storage_errors():
            if self._root is None:
                await obstore.put_async(self._store, key, data)
                return
            path = await asyncio.to_thread(self._new_file)
            try:
                await asyncio.to_thread(_write_synced, path, data)
                await asyncio.to_thread(_move, path, self._root / key)
            finally:
                await asyncio.to_thread(path.unlink, missing_ok=True)

    async def read(self, key: str) -> bytes:
        """Raises FileNotFoundError."""
        with _storage_errors():
            found = await obstore.get_async(self._store, key)
            return bytes(await found.bytes_async())

    async def stream(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes `start` to before `end`. Opens at once, so that FileNotFoundError comes before the first byte is promised."""
        with _storage_errors():
            found = await obstore.get_async(self._store, key, options={"range": (start, end)})
        return aiter(found.stream(min_chunk_size=CHUNK))

    async def delete(self, keys: Sequence[str]) -> None:
        """A key that is gone already is fine."""
        for key in keys:
            with suppress(FileNotFoundError), _storage_errors():
                await obstore.delete_async(self._store, key)

    async def all_keys(self) -> dict[str, datetime]:
        """Every file with the time when it was written. Raises OSError."""
        found: dict[str, datetime] = {}
        with _storage_errors():
            async for batch in obstore.list(self._store):
                found |= {each["path"]: each["last_modified"] for each in batch if not each["path"].startswith(".")}
        return found

    async def forget_received(self, before: datetime) -> int:
        """Deletes what a process that died in the middle of receiving left. Returns how many."""
        return await asyncio.to_thread(_delete_old, self._spool, before.timestamp())

    async def check(self) -> None:
        """Raises OSError when the store cannot be read or, on disk, not be written."""
        if self._root is not None:
            await asyncio.to_thread(lambda: self._new_file().unlink())
            return
        with suppress(FileNotFoundError), _storage_errors():
            await obstore.head_async(self._store, "check")


@contextmanager
def _storage_errors() -> Iterator[None]:
    """A full disk or quota as `StorageFull`, what else a store can say as OSError."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull("The server's storage is full. The operator has to make room.") from error
        raise
    except BaseError as error:
        raise OSError(str(error).partition("\n")[0]) from error


def _delete_old(folder: Path, before: float) -> int:
    deleted = 0
    for path in folder.glob("*") if folder.exists() else ():
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                path.unlink()
                deleted += 1
    return deleted


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        _sync(file)


def _move(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


async def read_file(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK * 16):
            yield chunk
