"""Numbered SQL files, each applied once and whole. `NNNN_name.sql` runs on both engines, `NNNN_name.<engine>.sql` after it on one."""

import asyncio
from pathlib import Path

from api.db import Db
from api.db.duck import DuckDb
from api.ids import now

MIGRATIONS = Path(__file__).parent / "migrations"


async def migrate(db: Db, folder: Path = MIGRATIONS) -> list[str]:
    """Apply what is missing, in order; returns the names applied."""
    await db.execute("CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL)")
    applied = []
    for path in _files(folder):
        engine = path.suffixes[0].lstrip(".") if len(path.suffixes) > 1 else db.engine
        if engine == db.engine and await _apply(db, path):
            applied.append(path.stem)
    if applied and isinstance(db, DuckDb):
        await db.checkpoint()
    return applied


def _files(folder: Path) -> list[Path]:
    """By number; what runs on both engines before what runs on one."""
    return sorted(folder.glob("*.sql"), key=lambda path: (path.name.split(".")[0], len(path.suffixes)))


async def _apply(db: Db, path: Path) -> bool:
    text = await asyncio.to_thread(path.read_text, encoding="utf-8")
    async with db.transaction() as sql:
        if db.engine == "postgresql":
            await sql.execute("LOCK TABLE schema_migrations IN EXCLUSIVE MODE")
        if await sql.fetch_one("SELECT name FROM schema_migrations WHERE name = $1", path.stem):
            return False
        await sql.execute(text)
        await sql.execute("INSERT INTO schema_migrations (name, applied_at) VALUES ($1, $2)", path.stem, now())
    return True
