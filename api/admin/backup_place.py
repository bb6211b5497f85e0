"""The place where backups stay: a folder of this machine, or an S3 bucket that they are moved to as
soon as they are made."""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import cached_property
from pathlib import Path

from api.admin.backup_names import NAME, BackupNames, made_at
from api.admin.schemas import BackupOut
from api.errors import StorageUnavailable
from api.media.bucket import Bucket, new_file
from api.settings import Settings

LISTED_FOR = 60.0
"""Seconds for which figures are content with the last list of a bucket."""
ASKED_WITHIN = 5.0


class BackupPlace:
    """`folder`: where they are made, and where they stay without `url`, the bucket and prefix.
    `trouble`: why the bucket could not be listed the last time. What says so raises
    `StorageUnavailable`."""

    def __init__(self, folder: Path, url: str | None, names: BackupNames) -> None:
        self._folder = folder
        self._url = url
        self._names = names
        self._there: dict[str, int] = {}
        self._asked_at: float | None = None
        self._asking = asyncio.Lock()
        self.trouble: StorageUnavailable | None = None

    @classmethod
    def of(cls, settings: Settings) -> "BackupPlace":
        names = BackupNames.of(settings.data_dir)
        return cls(settings.backups, settings.backup_bucket, names)

    @cached_property
    def _bucket(self) -> Bucket | None:
        return None if self._url is None else Bucket(self._url)

    async def all(self) -> list[BackupOut]:
        """Return them, the newest first, also those that the bucket has not taken yet, and those of
        other installations. Raises `StorageUnavailable`."""
        sizes = await asyncio.to_thread(_sizes, self._folder)
        if self._bucket is not None:
            sizes |= await self._bucket.sizes()
        return _backups(sizes)

    def is_ours(self, name: str) -> bool:
        return self._names.is_ours(name)

    async def ours(self, *, lately: bool = False) -> list[BackupOut]:
        """Return our own, the newest first. Those in a bucket that is away are as they were when it
        was listed the last time. `lately`: a list of the last minute will do."""
        sizes = await self._here()
        if self._url is not None:
            async with self._asking:
                at = self._asked_at
                if not lately or at is None or time.monotonic() - at > LISTED_FOR:
                    await self._ask()
            sizes |= self._there
        return _backups(sizes)

    async def _here(self) -> dict[str, int]:
        found = await asyncio.to_thread(_sizes, self._folder)
        return {name: size for name, size in found.items() if self.is_ours(name)}

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(ASKED_WITHIN):
                found = {} if self._bucket is None else await self._bucket.sizes()
            self._there = {name: size for name, size in found.items() if self.is_ours(name)}
            self.trouble = None
        except TimeoutError:
            self.trouble = StorageUnavailable("storage_silent")
        except StorageUnavailable as error:
            self.trouble = error
        self._asked_at = time.monotonic()

    async def waiting(self) -> bool:
        """Return whether some are here that belong into the bucket."""
        return self._url is not None and bool(await self._here())

    async def take(self) -> None:
        """Move those that were made here to the bucket. Raises `StorageUnavailable`."""
        if self._bucket is None:
            return
        for name, size in (await self._here()).items():
            await self._bucket.put(self._folder / name, name)
            self._there[name] = size
            await asyncio.to_thread((self._folder / name).unlink, missing_ok=True)

    async def rotate(self, made: str, keep: int) -> None:
        """Delete the oldest, so that `keep` are left, and never the one just made: the clock may
        have been set back. Raises `StorageUnavailable`."""
        ours = [each for each in await self.all() if self.is_ours(each.name)]
        for old in _more_than(keep, made, ours):
            await self._delete(old)

    async def rotate_here(self, made: str, keep: int) -> None:
        """The same for those on this machine, while the bucket is away."""
        for old in _more_than(keep, made, _backups(await self._here())):
            await asyncio.to_thread((self._folder / old).unlink, missing_ok=True)

    async def _delete(self, name: str) -> None:
        await asyncio.to_thread((self._folder / name).unlink, missing_ok=True)
        if self._bucket is not None:
            await self._bucket.delete(name)
            self._there.pop(name, None)

    async def open(self, name: str) -> Path | tuple[int, AsyncIterator[bytes]] | None:
        """Return a backup's path, or its size and content; None for an unknown one."""
        path = self._folder / name
        if NAME.fullmatch(name) is None:
            return None
        if await asyncio.to_thread(path.is_file):
            return path
        size = None if self._bucket is None else (await self._bucket.sizes()).get(name)
        if self._bucket is None or size is None:
            return None
        return size, await self._bucket.stream(name, 0, size)

    async def fetch(self, name: str, folder: Path) -> Path | None:
        """Return the path of a backup on this machine, where it is brought to `folder` if need
        be; None for an unknown one."""
        found = await self.open(name)
        if found is None or isinstance(found, Path):
            return found
        part = await asyncio.to_thread(new_file, folder)
        try:
            with await asyncio.to_thread(part.open, "wb") as file:
                async for chunk in found[1]:
                    await asyncio.to_thread(file.write, chunk)
            return await asyncio.to_thread(part.replace, folder / name)
        finally:
            await asyncio.to_thread(part.unlink, missing_ok=True)


def _sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.glob("*.zip") if _is(path.name)}


def _is(name: str) -> bool:
    return NAME.fullmatch(name) is not None


def _backups(sizes: dict[str, int]) -> list[BackupOut]:
    found = [
        BackupOut(name=name, size=size, created_at=made_at(name))
        for name, size in sizes.items()
        if _is(name)
    ]
    return sorted(found, key=lambda each: (each.created_at, each.name), reverse=True)


def _more_than(keep: int, made: str, found: list[BackupOut]) -> list[str]:
    return [each.name for each in found if each.name != made][keep - 1 :]
