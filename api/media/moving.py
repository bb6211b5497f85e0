"""Copying all files of an installation from one store to another: some at a time, checked by the
SHA-256 in each file's name, and repeatable at any time.

A file in the target is as good as the one in the source when its checksum is right. S3's tag tells
it without a download for most stores; where it does not, the file is read back.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from api.errors import StorageFull, StorageUnavailable
from api.media.bucket import (
    PART,
    PLAIN_HTTP,
    RECEIVING,
    Bucket,
    StoredFile,
    new_file,
    storage_errors,
)
from api.media.files import FILE, INSTALLATIONS, TRASH
from api.media.orphans import FOLDERS

AT_ONCE = 8
"""Folders copied at a time, one file each."""
NAMED = 20
"""Files that are named when they are damaged or missing; the rest is only counted."""

ADVICE = {
    "NoSuchBucket": "{name}: the bucket does not exist. Make it first.",
    "InvalidAccessKeyId": "{name}: AWS_ACCESS_KEY_ID is not known there.",
    "SignatureDoesNotMatch": "{name}: AWS_SECRET_ACCESS_KEY does not fit AWS_ACCESS_KEY_ID.",
    PLAIN_HTTP: f"{{name}}: {PLAIN_HTTP}.",
    "AccessDenied": "{name}: this key may not do that. It needs to list, read, write and delete.",
}
"""Sentences for S3's codes."""

Work = Callable[[StoredFile, StoredFile | None], Awaitable[None]]
Named = Callable[[str], Awaitable[Collection[str]]]
"""Returns the files of a folder that the database names."""


class MoveRefused(Exception):
    """Nothing was copied. The text is one sentence that says why."""


class MoveStopped(Exception):
    """A store failed in the middle, and the next run goes on. The text is one sentence that says
    why."""


@dataclass
class Progress:
    """Files so far: `copied` in this run, `there` before it, and `bad` ones, of which some are
    named. Bad are files that are damaged in the source, or, when both stores are only compared,
    damaged or missing in the target."""

    copied: int = 0
    copied_bytes: int = 0
    there: int = 0
    there_bytes: int = 0
    bad: int = 0
    named: list[str] = field(default_factory=list)

    @property
    def files(self) -> int:
        return self.copied + self.there

    @property
    def bytes(self) -> int:
        return self.copied_bytes + self.there_bytes

    def found_bad(self, what: str) -> None:
        self.bad += 1
        if len(self.named) < NAMED:
            self.named.append(what)


class MediaMove:
    """`installation` is our id, `staging` a folder of this machine for files on their way from S3,
    `tell` is called after each file."""

    def __init__(
        self,
        source: str,
        target: str,
        installation: str,
        staging: Path,
        tell: Callable[[Progress], None],
    ) -> None:
        self._names = source, target
        self._installation = installation
        self._tell = tell
        self._named: Named | None = None
        self.progress = Progress()
        self._source, self._target = _opened(source, target)
        root = self._target.root
        self._staging = staging if root is None else root / RECEIVING

    def take_only(self, named: Named) -> None:
        """Leave out files that the database does not name: for a target in use, where people may
        have deleted some since the last run."""
        self._named = named

    async def copy(self) -> Progress:
        """Copy what the target does not have yet. Raises `MoveRefused`, `MoveStopped`."""
        await self._check()
        return await self._all(self._copied)

    async def compare(self) -> Progress:
        """Read all of the target and compare it with the source, without a change. Raises
        `MoveRefused`, `MoveStopped`."""
        source, target = self._names
        for bucket, name in ((self._source, source), (self._target, target)):
            with _refused(name):
                await _first(bucket)
        return await self._all(self._compared)

    async def _check(self) -> None:
        """Raise `MoveRefused` for stores that are not ours alone, else leave our mark in the
        target."""
        source, target = self._names
        ours = f"{INSTALLATIONS}/{self._installation}"
        with _refused(source):
            if others := await self._marks(self._source) - {ours}:
                raise MoveRefused(
                    f"{source} holds files of another installation, too, and they cannot be told "
                    f"apart. If that one is no more, delete its mark {min(others)} there."
                )
        with _refused(target):
            marks = await self._marks(self._target)
            if others := marks - {ours}:
                raise MoveRefused(
                    f"{target} belongs to another installation ({min(others)}). Choose another "
                    "prefix or folder."
                )
            if ours not in marks and await _first(self._target):
                raise MoveRefused(
                    f"{target} is not empty and was never used by this installation. Choose an "
                    "empty prefix or folder."
                )
            await self._target.probe()
            await self._target.put(b"moved here\n", ours)

    async def _marks(self, bucket: Bucket) -> set[str]:
        return {each.key async for batch in bucket.entries(INSTALLATIONS) for each in batch}

    async def _all(self, one: Work) -> Progress:
        folders = iter(await self._folders())
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(self._some(folders, one))
        except ExceptionGroup as group_of_errors:
            error: BaseException = group_of_errors
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            if isinstance(error, StorageFull | StorageUnavailable):
                raise MoveStopped(error.detail) from error
            raise error from None
        return self.progress

    async def _folders(self) -> list[str]:
        """Return the folders of files, and those of the trash when there is something in it."""
        source, _ = self._names
        with _refused(source):
            is_trash = await _first(self._source, TRASH)
        return FOLDERS + ([f"{TRASH}/{each}" for each in FOLDERS] if is_trash else [])

    async def _some(self, folders: Iterator[str], one: Work) -> None:
        for folder in folders:
            there = {
                each.key: each async for batch in self._target.entries(folder) for each in batch
            }
            wanted = None
            if self._named is not None:
                wanted = set(await self._named(folder.removeprefix(f"{TRASH}/")))
            async for batch in self._source.entries(folder):
                for file in batch:
                    name = file.key.removeprefix(f"{TRASH}/")
                    if FILE.fullmatch(name) and (wanted is None or name in wanted):
                        await self._one(file, there.get(file.key), one)
                        self._tell(self.progress)

    async def _one(self, file: StoredFile, there: StoredFile | None, work: Work) -> None:
        try:
            await work(file, there)
        except FileNotFoundError:
            pass  # deleted meanwhile
        except OSError as error:
            self.progress.found_bad(f"unreadable ({error.strerror}): {file.key}")

    async def _copied(self, file: StoredFile, there: StoredFile | None) -> None:
        if there is not None and there.size == file.size and await self._same(file, there):
            self.progress.there += 1
            self.progress.there_bytes += file.size
            return
        async with self._at_hand(file) as path:
            sha256, tag = await asyncio.to_thread(_sums, path)
            if sha256 != _sha256(file.key):
                self.progress.found_bad(f"damaged: {file.key}")
                return
            put = await self._target.put(path, file.key)
        if self._target.root is None and put != tag and not await self._is_right(file):
            raise StorageUnavailable("storage_unavailable", said=f"{file.key} came out damaged")
        self.progress.copied += 1
        self.progress.copied_bytes += file.size

    async def _same(self, file: StoredFile, there: StoredFile) -> bool:
        """Return whether a file of the right size has the right bytes."""
        if self._target.root is None:
            if self._source.root is None and file.tag is not None and file.tag == there.tag:
                return True
            if self._source.root is not None:
                sha256, tag = await asyncio.to_thread(_sums, self._source.root / file.key)
                if tag == there.tag and sha256 == _sha256(file.key):
                    return True
        return await self._is_right(file)

    async def _compared(self, file: StoredFile, there: StoredFile | None) -> None:
        if there is None:
            self.progress.found_bad(f"missing: {file.key}")
        elif there.size != file.size or not await self._is_right(file):
            self.progress.found_bad(f"damaged: {file.key}")
        else:
            self.progress.there += 1
            self.progress.there_bytes += file.size

    async def _is_right(self, file: StoredFile) -> bool:
        """Read a file of the target; its bytes must be those that its name says."""
        digest = hashlib.sha256()
        async for chunk in await self._target.stream(file.key, 0, file.size):
            digest.update(chunk)
        return digest.hexdigest() == _sha256(file.key)

    @asynccontextmanager
    async def _at_hand(self, file: StoredFile) -> AsyncIterator[Path]:
        """Give the file on this machine: in its own place when that is to be sent away, else a
        copy, which may be moved."""
        if self._source.root is not None and self._target.root is None:
            yield self._source.root / file.key
            return
        if self._source.root is not None:
            await asyncio.to_thread(_open, self._source.root / file.key)
        with storage_errors(writing=True):
            path = await asyncio.to_thread(new_file, self._staging)
        try:
            chunks = await self._source.stream(file.key, 0, file.size)
            with path.open("wb") as copy:
                async for chunk in chunks:
                    with storage_errors(writing=True):
                        await asyncio.to_thread(copy.write, chunk)
            yield path
        finally:
            path.unlink(missing_ok=True)


def _opened(source: str, target: str) -> tuple[Bucket, Bucket]:
    """Raises `MoveRefused` for addresses that cannot be what was meant."""
    for url, option in ((source, "--from"), (target, "--to")):
        if not url.startswith(("file:///", "s3://")) or not urlsplit(url).path.strip("/") + (
            urlsplit(url).netloc
        ):
            raise MoveRefused(
                f"{option} must be file:///absolute/folder or s3://bucket/prefix, not {url}."
            )
    one, other = _place(source), _place(target)
    if one == other:
        raise MoveRefused(f"{source} and {target} are the same place.")
    if isinstance(one, Path):
        if isinstance(other, Path) and (one.is_relative_to(other) or other.is_relative_to(one)):
            raise MoveRefused(f"One of {source} and {target} lies inside the other.")
        if not one.is_dir():
            raise MoveRefused(f"{source} is no folder here.")
    with _refused(source):
        opened = Bucket(source)
    with _refused(target):
        return opened, Bucket(target)


def _place(url: str) -> Path | str:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path)).resolve()
    return f"s3://{parts.netloc}/{parts.path.strip('/')}"


@contextmanager
def _refused(name: str) -> Iterator[None]:
    """Turn errors of a store into `MoveRefused` with what can be done."""
    try:
        yield
    except StorageFull as error:
        raise MoveRefused(f"{name} is full: make room and run this again.") from error
    except StorageUnavailable as error:
        raise MoveRefused(_advice(name, error)) from error


def _advice(name: str, error: StorageUnavailable) -> str:
    said = str(error.params.get("said", ""))
    if said in ADVICE:
        return ADVICE[said].format(name=name)
    if name.startswith("s3://") and "AWS_ACCESS_KEY_ID" not in os.environ:
        return f"{name}: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set."
    return f"{name} does not answer, or not as a store does: {said or error.detail}"


async def _first(bucket: Bucket, folder: str | None = None) -> bool:
    """Return whether anything is there."""
    async for batch in bucket.entries(folder):
        if batch:
            return True
    return False


def _open(path: Path) -> None:
    """Raise the disk's own error for a file that cannot be read."""
    with path.open("rb") as file:
        file.read(1)


def _sha256(key: str) -> str:
    return key.rpartition("/")[2].partition("-")[0]


def _sums(path: Path) -> tuple[str, str]:
    """Return SHA-256, and the tag that S3 gives: the MD5, or that of the parts' MD5s."""
    sha256, parts = hashlib.sha256(), list[bytes]()
    with path.open("rb") as file:
        while part := file.read(PART):
            sha256.update(part)
            parts.append(hashlib.md5(part, usedforsecurity=False).digest())
    if len(parts) <= 1:
        return sha256.hexdigest(), f'"{b"".join(parts).hex()}"'
    whole = hashlib.md5(b"".join(parts), usedforsecurity=False).hexdigest()
    return sha256.hexdigest(), f'"{whole}-{len(parts)}"'
