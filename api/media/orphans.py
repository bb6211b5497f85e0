"""The sweep of orphans that crashes leave: files without a row go into the trash, and rows without
a file are deleted.

Files that another database at hand names stay: one that a restore set aside, or a backup. A store
with files of other installations is left alone, and in a new one no row is forgotten before all
files were there once.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence, Set
from datetime import timedelta
from itertools import product
from pathlib import Path

from structlog import get_logger

from api import ids
from api.db import Db
from api.media import missing, referenced_keys, store
from api.media.files import MediaStore

log = get_logger("media")

GRACE = timedelta(hours=1)
"""Age of an orphan, because a file is kept before its row is written."""
TRASH_KEPT = timedelta(days=30)
FOLDERS = ["".join(pair) for pair in product("0123456789abcdef", repeat=2)]
"""Folders of the store, swept one by one, so that neither all keys nor all files are in memory."""
MOST = 50_000
"""Orphans of one sweep; the rest is for the next one."""
FEW = 20
ROOT = Path(__file__).parents[2]


class MediaSweep:
    """`folders` may hold other databases and backups; `live` is the file of this database, if it is
    a file."""

    def __init__(
        self, db: Db, files: MediaStore, folders: Sequence[Path], live: Path | None
    ) -> None:
        self._db = db
        self._files = files
        self._folders = folders
        self._live = live
        self._missing: set[str] = set()

    async def run(self) -> list[str]:
        """Sweep, and return the generations that lost a row. Raises `StorageUnavailable`,
        `DbUnavailable`."""
        before = ids.now() - GRACE
        if left := await self._files.forget_received(before):
            log.warning("received_files_deleted", files=left)
        place = await self._files.claim()
        if self._files.state.others:
            return []
        seen, rows, orphans, gone = 0, 0, list[str](), list[str]()
        for folder in FOLDERS:
            files = await self._files.files(folder)
            known = await store.keys(self._db, folder)
            old = {key: media_id for key, (media_id, made) in known.items() if made < before}
            seen, rows = seen + len(files), rows + len(old)
            orphans += [
                key for key, written in files.items() if written < before and key not in known
            ]
            gone += [old[key] for key in await self._missing_in(folder, old.keys() - files.keys())]
            if len(orphans) > MOST or len(gone) > MOST:
                break
        await self._throw_away(orphans[:MOST], seen)
        await self._files.empty_trash(ids.now() - TRASH_KEPT)
        if not await missing.is_settled(self._db, place, len(gone)):
            log.warning(
                "files_missing_in_changed_store",
                files=len(gone),
                hint="bring them from the old store, or type ./run media forget; no row is deleted",
            )
            return []
        return await self._forget(gone, rows)

    async def _missing_in(self, folder: str, keys: Set[str]) -> list[str]:
        """Return the keys whose file neither waits for the store nor came back from the trash."""
        if not keys:
            return []
        thrown = await self._files.thrown_away(folder)
        lacking = []
        for key in keys:
            if key in thrown and await self._files.recover(key):
                log.warning("file_back_from_trash", key=key)
            elif not await self._files.waits(key):
                lacking.append(key)
        return lacking

    async def _throw_away(self, orphans: Sequence[str], seen: int) -> None:
        needed = await self.named_elsewhere(orphans) if orphans else set()
        if needed is None:
            return
        thrown = sorted(set(orphans) - needed)
        if len(thrown) > FEW and len(thrown) * 2 > seen:
            log.critical(
                "files_unknown",
                files=seen,
                unknown=len(thrown),
                hint="is this the right store, or database? no file is moved",
            )
        elif thrown:
            await self._files.throw_away(thrown)
            log.warning("orphan_files_in_trash", files=len(thrown), needed_elsewhere=len(needed))

    async def named_elsewhere(self, keys: Sequence[str]) -> set[str] | None:
        """Return the keys that another database names, or tables that a restore set aside. None:
        unknown, because one of the databases cannot be read. Raises `DbUnavailable`."""
        aside = await store.set_aside(self._db, keys)
        databases = await asyncio.to_thread(referenced_keys.databases, self._folders, self._live)
        if not databases:
            return aside
        command = (sys.executable, "-m", "api.media.referenced_keys", *map(str, databases))
        child = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        found, said = await child.communicate("\n".join(keys).encode())
        if child.returncode != 0:
            log.error(
                "database_at_hand_unreadable",
                databases=[str(each) for each in databases],
                said=said.decode(errors="replace")[-500:],
            )
            return None
        return aside | set(found.decode().split())

    async def _forget(self, gone: Sequence[str], rows: int) -> list[str]:
        """Delete the rows whose file was missing the last time, too."""
        if len(gone) * 2 > rows:
            log.critical(
                "media_missing",
                rows=rows,
                missing=len(gone),
                hint="is this the right store? no row is deleted",
            )
            return []
        lost, self._missing = sorted(self._missing.intersection(gone)), set(gone)
        if not lost:
            return []
        log.error("rows_without_file_deleted", media=lost)
        return await store.delete(self._db, lost)
