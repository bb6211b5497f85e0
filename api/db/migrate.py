"""Numbered SQL files, each applied once and whole. `NNNN_name.sql` runs on both engines,
`NNNN_name.<engine>.sql` after it on one.

A file that has landed never changes: the database keeps the checksums of the files that made it,
and a test compares the files with `landed.txt` beside them. A missing migration is applied even
after one with a higher number.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb

from api.db import Db, Engine, Row, Sql
from api.db.duckdb import DuckDb
from api.fault_points import fault_point
from api.ids import now

MIGRATIONS = Path(__file__).parent / "migrations"
_TABLE = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
        name TEXT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL, checksum TEXT)"""
_COLUMNS = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = current_schema()"""
LOCK_TIMEOUT = "10s"
"""Everybody who uses a table waits behind a migration that waits for it, as long as that of a
backup has it."""
_ONE_AT_A_TIME = 6_129_548_713
"""The advisory lock at which processes that start together wait for each other."""


class WrongSchema(Exception):
    """The database and these files do not go together, and nothing was applied. `subject` is the
    migration that has changed (`changed`), the one that only newer code has (`newer`), or the
    column by which a database from before checksums differs (`other_form`)."""

    def __init__(self, reason: Literal["changed", "newer", "other_form"], subject: str) -> None:
        super().__init__(f"{reason}: {subject}")
        self.reason = reason
        self.subject = subject


@dataclass(frozen=True, slots=True)
class Migration:
    """A file. `engine` None: for both."""

    name: str
    engine: str | None
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


async def migrate(db: Db, folder: Path = MIGRATIONS) -> list[str]:
    """Apply the missing migrations in order and return their names. Raises `WrongSchema` before
    anything is applied."""
    ours = await _of_engine(db.engine, folder)
    async with db.transaction() as sql:
        await _compare(sql, db.engine, ours)
    applied = []
    for each in ours.values():
        async with db.transaction() as sql:
            if await _apply(sql, db.engine, each):
                applied.append(each.name)
    if applied and isinstance(db, DuckDb):
        await db.checkpoint()
    return applied


async def build(sql: Sql, engine: Engine, folder: Path = MIGRATIONS) -> None:
    """Apply the missing migrations inside the transaction of `sql`. Raises `WrongSchema`."""
    ours = await _of_engine(engine, folder)
    await _compare(sql, engine, ours)
    for each in ours.values():
        await _apply(sql, engine, each)


async def missing(sql: Sql, engine: Engine, folder: Path = MIGRATIONS) -> list[Migration]:
    """Return the migrations that would be applied, and change nothing. Raises `WrongSchema`."""
    ours = await _of_engine(engine, folder)
    columns = await _columns(sql)
    if not any(table == "schema_migrations" for table, _ in columns):
        return list(ours.values())
    checksum = "checksum" if ("schema_migrations", "checksum") in columns else "NULL"
    applied = _known(
        await sql.fetch(f"SELECT name, {checksum} AS checksum FROM schema_migrations"), ours
    )
    return [each for each in ours.values() if each.name not in applied]


async def _of_engine(engine: Engine, folder: Path) -> dict[str, Migration]:
    found = await asyncio.to_thread(migrations, folder)
    return {each.name: each for each in found if each.engine in {None, engine}}


def migrations(folder: Path) -> list[Migration]:
    """Return the files by number; one for both engines comes before one for a single engine."""
    paths = sorted(
        folder.glob("*.sql"), key=lambda path: (path.name.split(".")[0], len(path.suffixes))
    )
    return [
        Migration(
            path.stem,
            path.suffixes[0].lstrip(".") if len(path.suffixes) > 1 else None,
            path.read_text(encoding="utf-8"),
        )
        for path in paths
    ]


async def _compare(sql: Sql, engine: Engine, ours: Mapping[str, Migration]) -> None:
    """Raise `WrongSchema` unless each applied migration is one of these files."""
    if engine == "postgresql":
        await sql.fetch("SELECT pg_advisory_xact_lock($1)", _ONE_AT_A_TIME)
    await sql.execute(_TABLE)
    if ("schema_migrations", "checksum") not in await _columns(sql):
        await sql.execute("ALTER TABLE schema_migrations ADD COLUMN checksum TEXT")
    applied = _known(
        await sql.fetch("SELECT name, checksum FROM schema_migrations ORDER BY name"), ours
    )
    if None in applied.values():
        await _adopt(sql, [each for each in ours.values() if each.name in applied])


def _known(rows: Sequence[Row], ours: Mapping[str, Migration]) -> dict[str, str | None]:
    """Return the checksums of the applied migrations. Raises `WrongSchema`."""
    applied: dict[str, str | None] = {row["name"]: row["checksum"] for row in rows}
    for name, checksum in applied.items():
        if name not in ours:
            raise WrongSchema("newer", name)
        if checksum not in {None, ours[name].checksum}:
            raise WrongSchema("changed", name)
    return applied


async def _adopt(sql: Sql, applied: Sequence[Migration]) -> None:
    """Write checksums into a database from before there were any, when its tables have the columns
    that these files make. Raises `WrongSchema`."""
    made = await asyncio.to_thread(_made_by, [each.text for each in applied if each.engine is None])
    tables = {table for table, _ in made}
    there = {(table, column) for table, column in await _columns(sql) if table in tables}
    if different := sorted(made ^ there):
        raise WrongSchema("other_form", ".".join(different[0]))
    for each in applied:
        await sql.execute(
            "UPDATE schema_migrations SET checksum = $1 WHERE name = $2", each.checksum, each.name
        )


def _made_by(texts: Sequence[str]) -> set[tuple[str, str]]:
    """Return tables and columns that the files make in an empty database. Files for one engine make
    no columns."""
    with duckdb.connect() as scratch:
        for text in texts:
            scratch.execute(text)
        return {(table, column) for table, column in scratch.execute(_COLUMNS).fetchall()}


async def _columns(sql: Sql) -> set[tuple[str, str]]:
    return {(row["table_name"], row["column_name"]) for row in await sql.fetch(_COLUMNS)}


async def _apply(sql: Sql, engine: Engine, migration: Migration) -> bool:
    if engine == "postgresql":
        # the pool's limit is for what people wait for; an index may take an hour, and those who
        # wait for it, too
        await sql.execute("SET LOCAL statement_timeout = 0")
        await sql.execute("LOCK TABLE schema_migrations IN EXCLUSIVE MODE")
        await sql.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    if await sql.fetch_one("SELECT name FROM schema_migrations WHERE name = $1", migration.name):
        return False
    await sql.execute(migration.text)
    fault_point("migrating")
    query = "INSERT INTO schema_migrations (name, applied_at, checksum) VALUES ($1, $2, $3)"
    await sql.execute(query, migration.name, now(), migration.checksum)
    return True
