"""Free space of the disks, and the floor below which nothing is bought: a result that cannot be
stored is lost money."""

import asyncio
import errno
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from api.errors import StorageFull

FULL = {errno.EDQUOT, errno.EFBIG, errno.ENOSPC}
"""Errors of writing that more room solves."""
FLOOR = 500_000_000
FLOOR_SHARE = 0.02
"""The floor by default: bytes or a share of the disk, whichever is smaller."""
LOOK_SECONDS = 1.0
"""The age up to which a look that found enough counts for what is accepted next."""
FILES_LEAST = 1000
"""Number of files that a disk must have names for, because it may run out of these, too."""


@dataclass(frozen=True, slots=True)
class FreeSpace:
    """Bytes that are free on a disk, and the floor."""

    free: int
    floor: int

    @property
    def short(self) -> bool:
        return self.free < self.floor


class DiskSpace:
    """Space on the disks of these folders. `floor` in bytes, 0: none, None: chosen by the size of
    the disk."""

    def __init__(self, folders: Iterable[Path], floor: int | None) -> None:
        self._folders = tuple(folders)
        self._floor = floor
        self._enough_until = 0.0

    async def tightest(self) -> FreeSpace:
        """Return the space of the disk that has the least to spare."""
        return await asyncio.to_thread(
            lambda: min(map(self._space, self._folders), key=lambda space: space.free - space.floor)
        )

    def _space(self, folder: Path) -> FreeSpace:
        there = next(
            each for each in (folder.absolute(), *folder.absolute().parents) if each.exists()
        )
        disk = os.statvfs(there)
        free, size = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
        floor = int(min(FLOOR, size * FLOOR_SHARE)) if self._floor is None else self._floor
        no_names = disk.f_files > 0 and disk.f_favail < FILES_LEAST
        return FreeSpace(0 if no_names else free, floor)

    async def require(self) -> None:
        """Raise `StorageFull` below the floor. Call it before anything is paid for."""
        looked_at = time.monotonic()
        if looked_at < self._enough_until:
            return
        if (await self.tightest()).short:
            raise StorageFull("storage_full")
        self._enough_until = looked_at + LOOK_SECONDS
