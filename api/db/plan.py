"""The plan of an upgrade: the missing migrations, and the tables that each of them works on."""

import re
from dataclasses import dataclass

from api.db.migrate import missing
from api.db.tables import Tables, columns_of

_TABLES = re.compile(
    r"\b(?:ALTER TABLE|DROP TABLE|UPDATE|INSERT INTO|DELETE FROM|FROM|ON)\s+(\w+)", re.IGNORECASE
)
_READS_ALL = re.compile(r"\b(?:UPDATE|INSERT INTO|DELETE FROM|CREATE INDEX)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PlannedMigration:
    """A missing migration. `rows`: the rows of each table that it changes, of those that are there.
    `long`: it goes through these rows, so it takes longer the more they are; else it changes only
    the form, at once."""

    name: str
    rows: dict[str, int]
    long: bool


async def plan(tables: Tables) -> list[PlannedMigration]:
    """Return the steps in order. Nothing is changed. Raises `WrongSchema`."""
    there = await columns_of(tables)
    steps = []
    for migration in await missing(tables, tables.engine):
        named = sorted(there.keys() & set(_TABLES.findall(migration.text)))
        rows = {table: await _count(tables, table) for table in named}
        long = bool(rows) and _READS_ALL.search(migration.text) is not None
        steps.append(PlannedMigration(migration.name, rows, long))
    return steps


async def _count(tables: Tables, table: str) -> int:
    row = await tables.fetch_one(f'SELECT count(*) AS n FROM "{table}"')
    return int(row["n"]) if row else 0


async def size_of(tables: Tables) -> int:
    """Return the bytes of a PostgreSQL database."""
    row = await tables.fetch_one("SELECT pg_database_size(current_database()) AS size")
    return int(row["size"]) if row else 0
