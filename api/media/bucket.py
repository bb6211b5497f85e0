"""The place where files stay: a folder on a disk, or an S3 bucket with a prefix. Whatever it says
is one of three errors.

Names that begin with a dot are ours, not files of users: `.receiving`, `.installations`, `.trash`,
`.check`.
"""

import asyncio
import errno
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from api.errors import StorageFull, StorageUnavailable

CHUNK = 256 * 1024
CHECK = ".check"
RECEIVING = ".receiving"
PROBE_SECONDS = 5.0
OPEN_SECONDS = 15.0
_FULL = {errno.ENOSPC, errno.EDQUOT}
_WRONG = {
    "NoSuchBucket", "InvalidBucketName", "PermanentRedirect", "AuthorizationHeaderMalformed",
    "AccessDenied", "AllAccessDisabled", "InvalidAccessKeyId", "SignatureDoesNotMatch",
}  # fmt: skip
"""What S3 says to a name or a key that is not right."""
_CODE = re.compile(r"<Code>(\w+)</Code>|\(code: (\w+)\)")


class Bucket:
    """`url`: `file:///path`, or `s3://bucket/prefix` with the usual `AWS_*` variables. Making one
    and writing raise `StorageFull` and `StorageUnavailable`, reading `StorageUnavailable` and
    FileNotFoundError."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._store: ObjectStore
        self.root: Path | None = None
        with storage_errors(writing=True):
            if parts.scheme == "file":
                self.root = Path(unquote(parts.path))
                self._store = LocalStore(self.root, mkdir=True, automatic_cleanup=True)
                with suppress(PermissionError):  # somebody else's
                    self.root.chmod(0o700)
            else:
                # its own patience is three minutes, too long for a request that waits
                self._store = S3Store.from_url(
                    url, retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=20)}
                )

    async def put(self, content: bytes | Path, key: str) -> None:
        """Readers see all of it or nothing. A file that is given as a path may be gone
        afterwards."""
        with storage_errors(writing=True):
            if self.root is None:
                await obstore.put_async(self._store, key, content)
            else:
                await asyncio.to_thread(self._place, self.root, content, key)

    def _place(self, root: Path, content: bytes | Path, key: str) -> None:
        if isinstance(content, Path):
            with suppress(OSError):
                move(content, root / key)
                return
            # another file system, or what cannot be: then the copy says why
        path = new_file(root / RECEIVING)
        try:
            if isinstance(content, Path):
                shutil.copyfile(content, path)
            write_synced(path, None if isinstance(content, Path) else content)
            move(path, root / key)
        finally:
            path.unlink(missing_ok=True)

    async def read(self, key: str) -> bytes:
        with storage_errors():
            async with asyncio.timeout(OPEN_SECONDS):
                found = await obstore.get_async(self._store, key)
            return bytes(await found.bytes_async())

    async def stream(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes `start` to before `end`. Opens at once, so that an error comes before the first
        byte is promised."""
        with storage_errors():
            async with asyncio.timeout(OPEN_SECONDS):
                found = await obstore.get_async(self._store, key, options={"range": (start, end)})
        return _pieces(aiter(found.stream(min_chunk_size=CHUNK)))

    async def delete(self, key: str) -> None:
        """One that is gone already is fine."""
        with suppress(FileNotFoundError), storage_errors():
            await obstore.delete_async(self._store, key)

    async def move(self, key: str, target: str) -> bool:
        """False: it is not there. Its time is that of the move."""
        try:
            with storage_errors():
                if self.root is not None:
                    await asyncio.to_thread(os.utime, self.root / key)
                await obstore.rename_async(self._store, key, target)
        except FileNotFoundError:
            return False
        return True

    async def listed(self, prefix: str) -> AsyncIterator[dict[str, datetime]]:
        """What is below a folder, with the time when it was written; some at a time, in no
        order."""
        with storage_errors():
            async for batch in obstore.list(self._store, prefix):
                yield {each["path"]: each["last_modified"] for each in batch}

    async def forget_received(self, before: datetime) -> int:
        """Deletes what a process that died in the middle of writing left. Returns how many."""
        return (
            0
            if self.root is None
            else await asyncio.to_thread(forget_old, self.root / RECEIVING, before)
        )

    async def probe(self) -> None:
        """Raises what writing raises: a small object is written and deleted again."""
        with storage_errors(writing=True):
            async with asyncio.timeout(PROBE_SECONDS):
                await self.put(b"x", CHECK)
                await self.delete(CHECK)

    async def refused(self, trouble: StorageUnavailable) -> str | None:
        """Of one that cannot be written: why it never was as it should be, so that no waiting
        helps. A folder is so, and a bucket that is not there or does not let this key in. None for
        one that may still be read, or is away."""
        if self.root is not None:
            return trouble.detail
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                async for _ in obstore.list(self._store):
                    break
        except (BaseError, OSError) as error:
            return _unavailable(error).detail if _said(error) in _WRONG else None
        return None


@contextmanager
def storage_errors(*, writing: bool = False) -> Iterator[None]:
    """What a disk or a store can say, as ours. FileNotFoundError is an answer only to who reads a
    file of a store that is there."""
    try:
        yield
    except TimeoutError as error:
        raise StorageUnavailable("storage_silent") from error
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull("storage_full") from error
        if isinstance(error, FileNotFoundError) and not writing and _said(error) != "NoSuchBucket":
            raise
        raise _unavailable(error) from error
    except BaseError as error:
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> StorageUnavailable:
    return StorageUnavailable("storage_unavailable", said=_said(error))


def _said(error: Exception) -> str:
    """S3's word for it, or the end of the first line: addresses and keys stand before that."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if found := _CODE.search(str(error)):
        return found[1] or found[2]
    return str(error).partition("\n")[0].rpartition(" - ")[2][:200]


async def _pieces(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    with storage_errors():
        async for chunk in chunks:
            yield chunk


def new_file(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder)
    os.close(handle)
    return Path(name)


def forget_old(folder: Path, before: datetime) -> int:
    """Deletes the files in it that are older. Returns how many."""
    deleted = 0
    for path in folder.glob("*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before.timestamp():
                path.unlink()
                deleted += 1
    return deleted


def sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def write_synced(path: Path, data: bytes | None) -> None:
    """None: what is in it already."""
    with path.open("r+b") as file:
        if data is not None:
            file.write(data)
        sync(file)


def move(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
