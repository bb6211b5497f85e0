"""Whole tables on their way from one engine to the other, in pages of rows.

Both engines give and take the same Python values, so a table has the same checksum on both. It does
not depend on the order of the rows.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Protocol

from api.db import Engine, Sql
from api.db.migrate import build
from api.unicode import storable

PAGE = 2000
"""Rows that are in memory at the same time."""
MIGRATIONS = "schema_migrations"
"""Each engine has its own list of migrations, so this table stays behind."""
_SUM_BITS = 64
_NUL = "\\x00"

Values = tuple[object, ...]
Page = Sequence[Values]
Columns = dict[str, str]
"""The type of each column by its name, in the order of the names."""


class Tables(Sql, Protocol):
    """The tables of an open database. Timestamps are in UTC."""

    @property
    def engine(self) -> Engine: ...

    def pages(self, table: str, columns: Columns) -> AsyncIterator[Page]: ...

    async def write(self, table: str, columns: Columns, page: Page) -> None: ...


class DifferentCopy(Exception):
    """The rows of a table came out other than they went in."""

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.table = table


@dataclass(slots=True)
class TableSum:
    """`changed`: rows with a character that PostgreSQL refuses (NUL), which the copy leaves out."""

    rows: int = 0
    total: int = 0
    changed: int = 0

    def add(self, page: Page) -> Page:
        """Count a page, and return it in the form in which it is stored."""
        found: list[Values] = []
        for row in page:
            values = tuple(_in_utc(value) for value in row)
            text = repr(values)
            if _NUL in text and (clean := tuple(map(_clean, values))) != values:
                self.changed += 1
                values, text = clean, repr(clean)
            digest = blake2b(text.encode(), digest_size=_SUM_BITS // 8).digest()
            self.total = (self.total + int.from_bytes(digest)) % (1 << _SUM_BITS)
            found.append(values)
        self.rows += len(found)
        return found

    @property
    def checksum(self) -> str:
        return f"{self.total:0{_SUM_BITS // 4}x}"


def _in_utc(value: object) -> object:
    # the engines name UTC by objects that print differently
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def _clean(value: object) -> object:
    return storable(value) if isinstance(value, str) else value


def quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


async def columns_of(sql: Sql) -> dict[str, Columns]:
    """Return the tables of the current schema, without the list of migrations."""
    rows = await sql.fetch("""
        SELECT table_name, column_name, data_type FROM information_schema.columns
        WHERE table_schema = current_schema() ORDER BY table_name, column_name""")
    found: dict[str, Columns] = {}
    for row in rows:
        if row["table_name"] != MIGRATIONS:
            found.setdefault(row["table_name"], {})[row["column_name"]] = row["data_type"]
    return found


async def sum_of(tables: Tables, table: str, columns: Columns) -> TableSum:
    total = TableSum()
    async for page in tables.pages(table, columns):
        total.add(page)
    return total


async def copy_tables(
    source: Tables, target: Tables, copied: Callable[[str, TableSum], None]
) -> None:
    """Copy every table of the target, whose columns the source has, too, and read each back. Call
    `copied` after each. Raises `DifferentCopy`."""
    have = await columns_of(source)
    for table, columns in (await columns_of(target)).items():
        read = TableSum()
        async for page in source.pages(table, {name: have[table][name] for name in columns}):
            await target.write(table, columns, read.add(page))
        written = await sum_of(target, table, columns)
        if (written.rows, written.total) != (read.rows, read.total):
            raise DifferentCopy(table)
        copied(table, read)


class NotEmpty(Exception):
    """The database is in use. `table` is one with rows, or one that another program made."""

    def __init__(self, table: str, *, foreign: bool) -> None:
        super().__init__(table)
        self.table = table
        self.foreign = foreign


async def must_be_empty(target: Tables) -> None:
    """Raise `NotEmpty` unless the schema has no tables, or only ours without a row."""
    rows = await target.fetch("""
        SELECT table_name FROM information_schema.tables
        WHERE table_schema = current_schema() ORDER BY table_name""")
    names = [row["table_name"] for row in rows]
    if names and MIGRATIONS not in names:
        raise NotEmpty(names[0], foreign=True)
    for table in names:
        if table != MIGRATIONS and await target.fetch(f'SELECT 1 AS one FROM "{table}" LIMIT 1'):
            raise NotEmpty(table, foreign=False)


async def fill(source: Tables, target: Tables, copied: Callable[[str, TableSum], None]) -> None:
    """Make our tables in an empty database, and copy every row of the source. Raises `NotEmpty`,
    `WrongSchema`, `DifferentCopy`; the target's transaction is then to be rolled back."""
    await must_be_empty(target)
    await build(target, target.engine)
    names = quoted(await columns_of(target))
    if target.engine == "postgresql":
        # an api that starts on it meanwhile waits, and finds everything or nothing
        await target.execute(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")
        await must_be_empty(target)
    await copy_tables(source, target, copied)
    if target.engine == "postgresql":
        await target.execute(f"ANALYZE {names}")


async def set_aside(target: Tables, tables: Iterable[str], schema: str) -> bool:
    """Move those of our tables that are there into a new schema of PostgreSQL; False when there are
    none."""
    rows = await target.fetch("""
        SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()""")
    ours = {row["table_name"] for row in rows} & {*tables, MIGRATIONS}
    if MIGRATIONS not in ours:
        return False
    await target.execute(f'CREATE SCHEMA "{schema}"')
    for table in sorted(ours):
        await target.execute(f'ALTER TABLE "{table}" SET SCHEMA "{schema}"')
    return True
