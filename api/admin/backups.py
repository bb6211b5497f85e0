"""Backups of the database, made while everything runs: by hand, and regularly.

A DuckDB file is copied while nobody writes: about a second for 600 MB, longer on a busy disk.
DuckDB's own COPY FROM DATABASE needs more memory than the database itself may have: with a million
generations it ended without any. Of a PostgreSQL database one state is read, row by row, into a
DuckDB file, and nobody waits.
"""

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from structlog import get_logger

from api.admin import backup_copy
from api.admin.backup_place import STAMP, BackupPlace
from api.admin.schemas import BackupOut, BackupsOut
from api.db import Db
from api.db.duckdb import DuckDb
from api.errors import Conflict, NotFound, StorageFull
from api.ids import now
from api.media.disk_space import DiskSpace
from api.settings import Settings
from api.users import audit

log = get_logger("backups")

LEFTOVERS = ".making-*"
AGAIN_AFTER = 600.0
PAUSE_MAX = 3600.0
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """`every_hours` 0: only by hand. `floor`: bytes that a backup made by itself leaves free, None:
    chosen by the size of the disk. `server`: the address of a PostgreSQL database.
    `bucket`: where they are moved to."""

    folder: Path
    every_hours: int
    keep: int
    floor: int | None = None
    server: str | None = None
    bucket: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> "BackupPlan":
        return cls(
            settings.backups,
            settings.backup_hours,
            settings.backup_keep,
            settings.disk_floor,
            settings.database_url if settings.is_postgres else None,
            settings.backup_bucket,
        )


class Backups:
    def __init__(self, db: Db, plan: BackupPlan) -> None:
        self._db = db
        self._plan = plan
        self._place = BackupPlace(plan.folder, plan.bucket)
        self._making = asyncio.Lock()

    async def all(self) -> BackupsOut:
        """Return them all, the newest first. Raises `StorageUnavailable`."""
        return BackupsOut(
            every_hours=self._plan.every_hours,
            keep=self._plan.keep,
            items=await self._place.all(),
        )

    async def make(self, actor_id: str | None) -> BackupOut:
        """Make a backup. `actor_id` None: by itself, or from the shell. Raises `Conflict`,
        `StorageFull`, `StorageUnavailable`. One that the bucket does not take stays on this machine
        and is moved with the next one."""
        if self._making.locked():
            raise Conflict("backup_running")
        async with self._making:
            made = await self._make()
        await audit.record(
            self._db, "backup_made", actor_id=actor_id, subject=made.name, after={"size": made.size}
        )
        log.info("backup_made", name=made.name, size=made.size)
        return made

    async def _make(self) -> BackupOut:
        folder, db = self._plan.folder.absolute(), self._db
        await asyncio.to_thread(_prepare, folder, await self._size())
        target = folder / f"allucanget-{now():{STAMP}}.zip"
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "api.admin.backup_copy",
            db.path.absolute() if isinstance(db, DuckDb) else backup_copy.SERVER,
            target,
            cwd=ROOT,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env={**os.environ, backup_copy.ADDRESS: self._plan.server or ""},
        )
        assert child.stdin is not None
        assert child.stdout is not None
        # its start takes longer than the copy of a file, so it starts before the writes are held;
        # then nobody writes until it says that it has copied, or ends
        await child.stdout.readline()
        async with db.without_writes() if isinstance(db, DuckDb) else nullcontext():
            child.stdin.write(b"\n")
            await child.stdout.readline()
        _, said = await child.communicate()
        if child.returncode != 0:
            log.error(
                "backup_failed", code=child.returncode, said=said.decode(errors="replace")[-2000:]
            )
            raise Conflict("backup_failed")
        await self._place.keep_made()
        return await self._rotate(target.name)

    async def _size(self) -> int:
        """Return the bytes of the database."""
        if isinstance(self._db, DuckDb):
            return (await asyncio.to_thread(self._db.path.stat)).st_size
        row = await self._db.fetch_one("SELECT pg_database_size(current_database()) AS size")
        assert row is not None
        size: int = row["size"]
        return size

    async def _rotate(self, made: str) -> BackupOut:
        found = await self._place.all()
        for old in found[self._plan.keep :]:
            await self._place.delete(old.name)
        return next(each for each in found if each.name == made)

    async def open(self, name: str, actor_id: str) -> Path | tuple[int, AsyncIterator[bytes]]:
        """Return a backup to download, as a path or as its size and content, and write the download
        down. Raises `NotFound`, `StorageUnavailable`."""
        found = await self._place.open(name)
        if found is None:
            raise NotFound("backup_unknown")
        await audit.record(self._db, "backup_download", actor_id=actor_id, subject=name)
        return found

    async def due_at(self) -> datetime | None:
        """Return the time of the next backup by itself; None: never. The first one is due when the
        database is as old as a backup may get. Raises `StorageUnavailable`."""
        if self._plan.every_hours == 0:
            return None
        newest = await self._place.all()
        if newest:
            return newest[0].created_at + timedelta(hours=self._plan.every_hours)
        row = await self._db.fetch_one("SELECT min(applied_at) AS born FROM schema_migrations")
        born: datetime = row["born"] if row and row["born"] else now()
        return born + timedelta(hours=self._plan.every_hours)

    async def lacking(self) -> int:
        """Return the bytes that the disk lacks for a backup that leaves the floor free."""
        needed = _needed(await self._size())
        space = await DiskSpace([self._plan.folder], self._plan.floor).tightest()
        return max(0, needed + space.floor - space.free)

    async def keep_made(self) -> float:
        """Make a backup when it is due and the disk has room. Return the seconds until the next
        look."""
        due = await self.due_at()
        if due is not None and due <= now():
            if self._making.locked():
                return AGAIN_AFTER
            if lacking := await self.lacking():
                log.warning("backup_put_off", lacking=lacking)
                return AGAIN_AFTER
            await self.make(None)
        elif due is not None:
            return min(PAUSE_MAX, max(1.0, (due - now()).total_seconds()))
        return PAUSE_MAX


def _needed(size: int) -> int:
    """Bytes for the copy and the zip, which are there at the same time for a moment."""
    return int(size * 2.2)


def _prepare(folder: Path, size: int) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in folder.glob(LEFTOVERS):
        shutil.rmtree(left, ignore_errors=True)
    if shutil.disk_usage(folder).free < _needed(size):
        raise StorageFull("storage_full")
