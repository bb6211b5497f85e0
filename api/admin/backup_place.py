"""The place where backups stay: a folder of this machine, or an S3 bucket that they are moved to as
soon as they are made."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from api.admin.schemas import BackupOut
from api.media.bucket import Bucket, new_file

NAME = re.compile(r"allucanget-(\d{8}-\d{6})\.zip")
STAMP = "%Y%m%d-%H%M%S"


class BackupPlace:
    """`folder`: where they are made, and where they stay without `url`, the bucket and prefix. What
    concerns a bucket raises `StorageUnavailable`."""

    def __init__(self, folder: Path, url: str | None) -> None:
        self._folder = folder
        self._url = url

    @cached_property
    def _bucket(self) -> Bucket | None:
        return None if self._url is None else Bucket(self._url)

    async def all(self) -> list[BackupOut]:
        """Return them, the newest first, also those that the bucket has not taken yet."""
        sizes = await asyncio.to_thread(_sizes, self._folder)
        if self._bucket is not None:
            sizes |= await self._bucket.sizes()
        return _backups(sizes)

    async def keep_made(self) -> None:
        """Move those that were made here to the bucket."""
        if self._bucket is None:
            return
        for name in await asyncio.to_thread(_sizes, self._folder):
            await self._bucket.put(self._folder / name, name)
            await asyncio.to_thread((self._folder / name).unlink)

    async def delete(self, name: str) -> None:
        await asyncio.to_thread((self._folder / name).unlink, missing_ok=True)
        if self._bucket is not None:
            await self._bucket.delete(name)

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
    return [
        BackupOut(name=name, size=sizes[name], created_at=at)
        for name, at in sorted(_times(sizes), reverse=True)
    ]


def _times(names: Iterable[str]) -> list[tuple[str, datetime]]:
    return [
        (name, datetime.strptime(found[1], STAMP).replace(tzinfo=UTC))
        for name in names
        if (found := NAME.fullmatch(name)) is not None
    ]
