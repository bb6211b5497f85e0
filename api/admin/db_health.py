"""The health of the database: its speed, its size and its tables."""

import asyncio
import shutil
import time
from pathlib import Path

from api.admin import store
from api.admin.schemas import DbHealthOut, TableOut
from api.db import Db, marks
from api.ids import now

WRITTEN = "health"


class DbHealth:
    """`duckdb_path`: where the file is; None for a server elsewhere."""

    def __init__(self, db: Db, duckdb_path: Path | None) -> None:
        self._db = db
        self._path = duckdb_path
        self._migrations: list[str] | None = None
        """The applied migrations, read once: none is applied while a process runs."""

    async def look(self) -> DbHealthOut:
        db = self._db
        started = time.perf_counter()
        version = await store.engine(db)
        answered = time.perf_counter()
        await marks.touch(db, WRITTEN, now())  # changes nothing, to time a write
        written = time.perf_counter()
        if self._migrations is None:
            self._migrations = await store.migrations(db)
        size, free = (
            await asyncio.to_thread(_on_disk, self._path)
            if self._path
            else (await store.postgres_size(db), None)
        )
        return DbHealthOut(
            engine=db.engine,
            version=version,
            size_bytes=size,
            free_bytes=free,
            answered_ms=round((answered - started) * 1000, 2),
            write_ms=round((written - answered) * 1000, 2),
            migrations=self._migrations,
            tables=[TableOut(name=name, rows=rows) for name, rows in await store.tables(db)],
        )


def _on_disk(path: Path) -> tuple[int, int]:
    """Bytes of the file with its log, and what is free beside it."""
    parts = (path, path.with_name(path.name + ".wal"))
    size = sum(part.stat().st_size for part in parts if part.exists())
    return size, shutil.disk_usage(path.parent).free
