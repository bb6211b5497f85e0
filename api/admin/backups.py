"""Backups of the database, made while everything runs: by hand, and regularly.

A DuckDB file is copied while nobody writes: about a second for 600 MB, longer on a busy disk.
DuckDB's own COPY FROM DATABASE needs more memory than the database itself may have: with a million
generations it ended without any. Of a PostgreSQL database one state is read, row by row, into a
DuckDB file, and nobody waits.
"""

import asyncio
import fcntl
import os
import shutil
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from structlog import get_logger

from api.admin import backup_copy
from api.admin.backup_names import BackupNames, made_at
from api.admin.backup_place import BackupPlace
from api.admin.schemas import BackupOut, BackupsOut
from api.db import Db
from api.db.duckdb import DuckDb
from api.errors import Conflict, NotFound, StorageFull, StorageUnavailable
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
    `bucket`: where they are moved to. `names`: those of this installation."""

    folder: Path
    every_hours: int
    keep: int
    floor: int | None = None
    server: str | None = None
    bucket: str | None = None
    names: BackupNames = field(default_factory=BackupNames)

    @classmethod
    def of(cls, settings: Settings) -> "BackupPlan":
        return cls(
            settings.backups,
            settings.backup_hours,
            settings.backup_keep,
            settings.disk_floor,
            settings.database_url if settings.is_postgres else None,
            settings.backup_bucket,
            BackupNames.of(settings.data_dir),
        )


class Backups:
    def __init__(self, db: Db, plan: BackupPlan) -> None:
        self._db = db
        self._plan = plan
        self._place = BackupPlace(plan.folder, plan.bucket, plan.names)
        self._making = asyncio.Lock()

    @property
    def trouble(self) -> StorageUnavailable | None:
        """The reason why the bucket could not be listed the last time."""
        return self._place.trouble

    async def all(self, *, lately: bool = False) -> BackupsOut:
        """Return them all, the newest first. What a bucket that is away holds is as it was last
        seen. `lately`: as it was within the last minute will do."""
        return BackupsOut(
            every_hours=self._plan.every_hours,
            keep=self._plan.keep,
            items=await self._place.ours(lately=lately),
        )

    async def make(self, actor_id: str | None) -> BackupOut:
        """Make a backup. `actor_id` None: by itself, or from the shell. Raises `Conflict`,
        `StorageFull`, and at the end, when all else is done, `StorageUnavailable`: one that the
        bucket does not take stays on this machine and is moved later."""
        made, trouble = await self._made(actor_id)
        if trouble is not None:
            raise trouble
        return made

    async def _made(
        self, actor_id: str | None
    ) -> tuple[BackupOut, StorageUnavailable | StorageFull | None]:
        async with self._alone() as lock:
            made = await self._make(lock)
            trouble = await self._put_away(made.name)
        await audit.record(
            self._db, "backup_made", actor_id=actor_id, subject=made.name, after={"size": made.size}
        )
        log.info("backup_made", name=made.name, size=made.size)
        return made, trouble

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[int]:
        """Keep out all others that make backups in this folder, and give the lock. Raises
        `Conflict`."""
        if self._making.locked():
            raise Conflict("backup_running")
        async with self._making:
            lock = await asyncio.to_thread(_locked, self._plan.folder)
            try:
                yield lock
            finally:
                os.close(lock)

    async def _put_away(self, made: str) -> StorageUnavailable | StorageFull | None:
        """Move what was made to its place, and delete the oldest. Return why a bucket did not take
        it."""
        try:
            await self._place.take()
            await self._place.rotate(made, self._plan.keep)
        except (StorageUnavailable, StorageFull) as error:
            log.warning("backup_not_moved", name=made, error=error.detail)
            await self._place.rotate_here(made, self._plan.keep)
            return error
        return None

    async def _make(self, lock: int) -> BackupOut:
        folder, db = self._plan.folder.absolute(), self._db
        await asyncio.to_thread(_prepare, folder, await self._size())
        target = folder / self._plan.names.new(now())
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
            # it goes on for a while when this process is killed, and has the lock until its end
            pass_fds=[lock],
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
        size = (await asyncio.to_thread(target.stat)).st_size
        return BackupOut(name=target.name, size=size, created_at=made_at(target.name))

    async def _size(self) -> int:
        """Return the bytes of the database."""
        if isinstance(self._db, DuckDb):
            return (await asyncio.to_thread(self._db.path.stat)).st_size
        row = await self._db.fetch_one("SELECT pg_database_size(current_database()) AS size")
        assert row is not None
        size: int = row["size"]
        return size

    async def open(self, name: str, actor_id: str) -> Path | tuple[int, AsyncIterator[bytes]]:
        """Return a backup to download, as a path or as its size and content, and write the download
        down. Raises `NotFound`, `StorageUnavailable`."""
        found = await self._place.open(name) if self._place.is_ours(name) else None
        if found is None:
            raise NotFound("backup_unknown")
        await audit.record(self._db, "backup_download", actor_id=actor_id, subject=name)
        return found

    async def due_at(self) -> datetime | None:
        """Return the time of the next backup by itself; None: never. The first one is due when the
        database is as old as a backup may get. One from the future, from before the clock was set
        back, does not count."""
        if self._plan.every_hours == 0:
            return None
        every, at = timedelta(hours=self._plan.every_hours), now()
        found = await self._place.ours(lately=True)
        newest = next((each for each in found if each.created_at <= at), None)
        if newest is not None:
            return newest.created_at + every
        row = await self._db.fetch_one("SELECT min(applied_at) AS born FROM schema_migrations")
        born: datetime = row["born"] if row and row["born"] else at
        return born + every

    async def lacking(self) -> int:
        """Return the bytes that the disk lacks for a backup that leaves the floor free."""
        needed = _needed(await self._size())
        space = await DiskSpace([self._plan.folder], self._plan.floor).tightest()
        return max(0, needed + space.floor - space.free)

    async def keep_made(self) -> float:
        """Make a backup when it is due and the disk has room, and move those that wait for the
        bucket. Return the seconds until the next look."""
        due = await self.due_at()
        is_due = due is not None and due <= now()
        if is_due and (lacking := await self.lacking()):
            log.warning("backup_put_off", lacking=lacking)
            return AGAIN_AFTER
        if not is_due and not await self._place.waiting():
            return _pause(due)
        try:
            if is_due:
                await self._made(None)
            else:
                await self._take()
        except Conflict as error:
            if error.reason != "backup_running":
                raise
            return AGAIN_AFTER
        return AGAIN_AFTER if await self._place.waiting() else _pause(await self.due_at())

    async def _take(self) -> None:
        async with self._alone():
            try:
                await self._place.take()
            except (StorageUnavailable, StorageFull) as error:
                log.warning("backup_not_moved", error=error.detail)


def _pause(due: datetime | None) -> float:
    if due is None:
        return PAUSE_MAX
    return min(PAUSE_MAX, max(1.0, (due - now()).total_seconds()))


def _locked(folder: Path) -> int:
    """Return the locked folder. Raises `Conflict`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise Conflict("backup_running") from None
    except OSError:
        log.warning("backup_folder_without_locks", folder=str(folder))
    return lock


def _needed(size: int) -> int:
    """Bytes for the copy and the zip, which are there at the same time for a moment."""
    return int(size * 2.2)


def _prepare(folder: Path, size: int) -> None:
    for left in folder.glob(LEFTOVERS):
        shutil.rmtree(left, ignore_errors=True)
    if shutil.disk_usage(folder).free < _needed(size):
        raise StorageFull("storage_full")
