"""The place of stored files: a folder on a disk, or an S3 bucket with a prefix, with the same three
errors.

Names that begin with a dot are no files of users: `.receiving`, `.installations`, `.trash`,
`.check`.
"""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from api.errors import StorageFull, StorageUnavailable
from api.media.disk_space import FULL

CHUNK = 256 * 1024
CHECK = ".check"
RECEIVING = ".receiving"
PROBE_SECONDS = 5.0
OPEN_SECONDS = 15.0
_WRONG = {
    "NoSuchBucket", "InvalidBucketName", "PermanentRedirect", "AuthorizationHeaderMalformed",
    "AccessDenied", "AllAccessDisabled", "InvalidAccessKeyId", "SignatureDoesNotMatch",
}  # fmt: skip
"""S3's codes for a wrong name or key."""
PLAIN_HTTP = "AWS_ENDPOINT_URL begins with http://, which needs AWS_ALLOW_HTTP=true"
_CODE = re.compile(r"<Code>(\w+)</Code>|\(code: (\w+)\)")
PART = 5 * 1024 * 1024
"""Larger files are sent to S3 in parts of this size."""
PARTS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class StoredFile:
    """`tag`: in S3 a checksum of the bytes for most stores, on a disk none."""

    key: str
    size: int
    tag: str | None
    written: datetime


class Bucket:
    """`url`: `file:///path`, or `s3://bucket/prefix` with the usual `AWS_*` variables. The
    constructor and writes raise `StorageFull` and `StorageUnavailable`, reads `StorageUnavailable`
    and FileNotFoundError."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._store: ObjectStore
        self.root: Path | None = None
        with storage_errors(writing=True):
            if parts.scheme == "file":
                self.root = Path(unquote(parts.path))
                self._store = LocalStore(self.root, mkdir=True, automatic_cleanup=True)
                with suppress(PermissionError):  # another user's folder
                    self.root.chmod(0o700)
            else:
                # the default of three minutes is too long for a request that waits
                self._store = S3Store.from_url(
                    url, retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=20)}
                )

    async def put(self, content: bytes | Path, key: str) -> str | None:
        """Write a file, of which readers see all or nothing, and return its tag. One that is given
        as a path may be moved."""
        with storage_errors(writing=True):
            if self.root is None:
                put = await obstore.put_async(
                    self._store, key, content, chunk_size=PART, max_concurrency=PARTS_AT_ONCE
                )
                return put["e_tag"]
            await asyncio.to_thread(self._place, self.root, content, key)
            return None

    def _place(self, root: Path, content: bytes | Path, key: str) -> None:
        if isinstance(content, Path):
            try:
                _rename(content, root / key)
            except OSError:
                pass  # another file system, or an error that the copy raises again
            else:
                try:
                    _sync_folder(root / key)
                except OSError:
                    (root / key).replace(content)  # it stays where it was after an error
                    raise
                return
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
        """Read the bytes from `start` to before `end`. It opens the file first, so that an error
        comes before the first byte."""
        with storage_errors():
            async with asyncio.timeout(OPEN_SECONDS):
                found = await obstore.get_async(self._store, key, options={"range": (start, end)})
        return _pieces(aiter(found.stream(min_chunk_size=CHUNK)))

    async def delete(self, key: str) -> None:
        """Delete a file, which may be gone already."""
        with suppress(FileNotFoundError), storage_errors():
            await obstore.delete_async(self._store, key)

    async def move(self, key: str, target: str) -> bool:
        """Move a file, with the present as its time; False when it is not there."""
        try:
            with storage_errors():
                if self.root is not None:
                    await asyncio.to_thread(os.utime, self.root / key)
                await obstore.rename_async(self._store, key, target)
        except FileNotFoundError:
            return False
        return True

    async def listed(self, prefix: str) -> AsyncIterator[dict[str, datetime]]:
        """Yield the files below a folder with the time of each write, some at a time, in no
        order."""
        async for batch in self.entries(prefix):
            yield {each.key: each.written for each in batch}

    async def entries(self, prefix: str | None = None) -> AsyncIterator[list[StoredFile]]:
        """Yield the files below a folder, some at a time, in no order."""
        with storage_errors():
            async for batch in obstore.list(self._store, prefix):
                yield [
                    StoredFile(each["path"], each["size"], each["e_tag"], each["last_modified"])
                    for each in batch
                ]

    async def sizes(self) -> dict[str, int]:
        """Return the files with their sizes, without those in folders: other things may be there.
        Raises `StorageUnavailable`."""
        with storage_errors():
            found = await obstore.list_with_delimiter_async(self._store)
        return {each["path"]: each["size"] for each in found["objects"]}

    async def forget_received(self, before: datetime) -> int:
        """Delete unfinished files of processes that died, and return their number."""
        if self.root is None:
            return 0
        return await asyncio.to_thread(forget_old, self.root / RECEIVING, before)

    async def probe(self) -> None:
        """Write a small object and delete it. Raises as writing does."""
        with storage_errors(writing=True):
            async with asyncio.timeout(PROBE_SECONDS):
                await self.put(b"x", CHECK)
                await self.delete(CHECK)

    async def refused(self, trouble: StorageUnavailable) -> str | None:
        """Return why a place that cannot be written was never set up right, so that no waiting
        helps: a folder, or a bucket that is missing or refuses this key. None for one that can be
        read, or is away."""
        if self.root is not None:
            return trouble.detail
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                async for _ in obstore.list(self._store):
                    break
        except (BaseError, OSError) as error:
            return _unavailable(error).detail if _said(error) in {*_WRONG, PLAIN_HTTP} else None
        return None


@contextmanager
def storage_errors(*, writing: bool = False) -> Iterator[None]:
    """Turn errors of disks and stores into ours. FileNotFoundError passes only for a read from a
    store that is there."""
    try:
        yield
    except TimeoutError as error:
        raise StorageUnavailable("storage_silent") from error
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull("storage_full") from error
        if isinstance(error, FileNotFoundError) and not writing and _said(error) != "NoSuchBucket":
            raise
        raise _unavailable(error) from error
    except BaseError as error:
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> StorageUnavailable:
    return StorageUnavailable("storage_unavailable", said=_said(error))


def _said(error: Exception) -> str:
    """Return S3's code, or the end of the first line, since addresses and keys stand before it."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if found := _CODE.search(str(error)):
        return found[1] or found[2]
    said = str(error).partition("\n")[0].rpartition(" - ")[2][:200]
    if said.endswith("error sending request"):
        return f"{_endpoint() or 'S3'} cannot be reached"
    return PLAIN_HTTP if said.endswith("builder error") and _is_plain_http() else said


def _endpoint() -> str:
    return os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT", "")


def _is_plain_http() -> bool:
    allowed = os.environ.get("AWS_ALLOW_HTTP", "").lower() in {"1", "true", "yes", "y", "on"}
    return _endpoint().startswith("http://") and not allowed


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
    """Delete the older files of a folder, and return their number."""
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
    """Write and sync a file. `data` None: only sync it."""
    with path.open("r+b") as file:
        if data is not None:
            file.write(data)
        sync(file)


def move(path: Path, target: Path) -> None:
    _rename(path, target)
    _sync_folder(target)


def _rename(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
