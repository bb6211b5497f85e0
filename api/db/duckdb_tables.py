"""The tables of a DuckDB file, for a process of its own that copies all of them."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from api.db import Engine, Row
from api.db.duckdb import SET_MEMORY, connected
from api.db.duckdb_memory import memory_limit
from api.db.tables import PAGE, Columns, Page, Tables, quoted

COMMITTED_AFTER = 50
"""Pages of one transaction: a commit for each page takes twice as long, and one for all of them too
much memory."""


class DuckDbTables(Tables):
    engine: Engine = "duckdb"

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._written = 0
        connection.execute("SET TimeZone = 'UTC'")

    async def fetch(self, query: str, *args: object) -> Sequence[Row]:
        found = self._connection.execute(query, args or None)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    async def pages(self, table: str, columns: Columns) -> AsyncIterator[Page]:
        names = quoted(columns)
        self._connection.execute(f'SELECT {names} FROM "{table}"')
        while page := await asyncio.to_thread(self._connection.fetchmany, PAGE):
            yield page

    async def write(self, table: str, columns: Columns, page: Page) -> None:
        names, lists = (
            quoted(columns),
            ", ".join(
                f"unnest(${number}::{data_type}[])"
                for number, data_type in enumerate(columns.values(), 1)
            ),
        )
        query = f'INSERT INTO "{table}" ({names}) SELECT {lists}'
        values = [list(column) for column in zip(*page, strict=True)]
        await asyncio.to_thread(self._connection.execute, query, values)
        self._written += 1
        if self._written % COMMITTED_AFTER == 0:
            self._connection.execute("COMMIT")
            # the file has grown, and its indexes with it
            self._connection.execute(SET_MEMORY, [memory_limit(self._path)])
            self._connection.execute("BEGIN")


@contextmanager
def duckdb_tables(path: Path, *, read_only: bool) -> Iterator[DuckDbTables]:
    """Open a file; read only, not a byte of it or of its log changes. Raises `CannotOpen`."""
    with connected(path, read_only=read_only) as connection:
        connection.execute("BEGIN")
        yield DuckDbTables(connection, path)
        connection.execute("COMMIT")
