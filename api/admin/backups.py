"""Backups of the embedded database, made while everything runs: by hand, and regularly.

The file is copied while nobody writes: about a second for 600 MB, longer on a busy disk. DuckDB's
own COPY FROM DATABASE needs more memory than the database itself may have: with a million
generations it ended without any.
"""

import asyncio
import re
import shutil
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from structlog import get_logger

from api.admin.schemas import BackupOut, BackupsOut
from api.db import Db
from api.db.duckdb import DuckDb
from api.errors import Conflict, NotFound, StorageFull
from api.ids import now
from api.media.disk_space import DiskSpace
from api.reasons import SENTENCES
from api.settings import Settings
from api.users import audit

log = get_logger("backups")

NAME = re.compile(r"allucanget-(\d{8}-\d{6})\.zip")
STAMP = "%Y%m%d-%H%M%S"
LEFTOVERS = ".making-*"
AGAIN_AFTER = 600.0
PAUSE_MAX = 3600.0
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """`every_hours` 0: only by hand. `floor`: bytes that a backup made by itself leaves free, None:
    chosen by the size of the disk."""

    folder: Path
    every_hours: int
    keep: int
    floor: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> "BackupPlan":
        return cls(
            settings.backups, settings.backup_hours, settings.backup_keep, settings.disk_floor
        )


class Backups:
    def __init__(self, db: Db, plan: BackupPlan) -> None:
        self._db = db
        self._plan = plan
        self._making = asyncio.Lock()

    async def all(self) -> BackupsOut:
        """Return them all, the newest first."""
        supported = isinstance(self._db, DuckDb)
        return BackupsOut(
            supported=supported,
            instead=None if supported else SENTENCES["backup_with_server_tools"],
            every_hours=self._plan.every_hours,
            keep=self._plan.keep,
            items=await asyncio.to_thread(self._found),
        )

    def _found(self) -> list[BackupOut]:
        found = []
        for path in self._plan.folder.glob("*.zip"):
            if (name := NAME.fullmatch(path.name)) is not None:
                at = datetime.strptime(name[1], STAMP).replace(tzinfo=UTC)
                found.append(BackupOut(name=path.name, size=path.stat().st_size, created_at=at))
        return sorted(found, key=lambda each: each.name, reverse=True)

    async def make(self, actor_id: str | None) -> BackupOut:
        """Make a backup. `actor_id` None: by itself, or from the shell. Raises `Conflict`,
        `StorageFull`."""
        db = self._db
        if not isinstance(db, DuckDb):
            raise Conflict("backup_with_server_tools")
        if self._making.locked():
            raise Conflict("backup_running")
        async with self._making:
            made = await self._make(db)
        await audit.record(
            self._db, "backup_made", actor_id=actor_id, subject=made.name, after={"size": made.size}
        )
        log.info("backup_made", name=made.name, size=made.size)
        return made

    async def _make(self, db: DuckDb) -> BackupOut:
        folder = self._plan.folder.absolute()
        await asyncio.to_thread(_prepare, folder, db.path)
        target = folder / f"allucanget-{now():{STAMP}}.zip"
        command = (sys.executable, "-m", "api.admin.backup_copy", db.path.absolute(), target)
        child = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        assert child.stdin is not None
        assert child.stdout is not None
        # its start takes longer than the copy, so it starts before the writes are held; then nobody
        # writes until it says that it has copied, or ends
        await child.stdout.readline()
        async with db.without_writes():
            child.stdin.write(b"\n")
            await child.stdout.readline()
        _, said = await child.communicate()
        if child.returncode != 0:
            log.error(
                "backup_failed", code=child.returncode, said=said.decode(errors="replace")[-2000:]
            )
            raise Conflict("backup_failed")
        return await asyncio.to_thread(self._rotate, target.name)

    def _rotate(self, made: str) -> BackupOut:
        found = self._found()
        for old in found[self._plan.keep :]:
            (self._plan.folder / old.name).unlink(missing_ok=True)
        return next(each for each in found if each.name == made)

    async def path(self, name: str, actor_id: str) -> Path:
        """Return the path of a backup to download, and write the download down. Raises
        `NotFound`."""
        path = self._plan.folder / name
        if NAME.fullmatch(name) is None or not await asyncio.to_thread(path.is_file):
            raise NotFound("backup_unknown")
        await audit.record(self._db, "backup_download", actor_id=actor_id, subject=name)
        return path

    async def due_at(self) -> datetime | None:
        """Return the time of the next backup by itself; None: never. The first one is due when the
        database is as old as a backup may get."""
        if self._plan.every_hours == 0 or not isinstance(self._db, DuckDb):
            return None
        newest = await asyncio.to_thread(self._found)
        if newest:
            return newest[0].created_at + timedelta(hours=self._plan.every_hours)
        row = await self._db.fetch_one("SELECT min(applied_at) AS born FROM schema_migrations")
        born: datetime = row["born"] if row and row["born"] else now()
        return born + timedelta(hours=self._plan.every_hours)

    async def lacking(self) -> int:
        """Return the bytes that the disk lacks for a backup that leaves the floor free."""
        if not isinstance(self._db, DuckDb):
            return 0
        needed = await asyncio.to_thread(_needed, self._db.path)
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


def _needed(database: Path) -> int:
    """Bytes for the copy and the zip, which are there at the same time for a moment."""
    return int(database.stat().st_size * 2.2)


def _prepare(folder: Path, database: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in folder.glob(LEFTOVERS):
        shutil.rmtree(left, ignore_errors=True)
    if shutil.disk_usage(folder).free < _needed(database):
        raise StorageFull("storage_full")
