"""The tables of a PostgreSQL database, on a connection of its own: a copy of everything takes
longer than any statement of a request may."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from api.db import Engine, Row
from api.db.postgres import CONNECT_SECONDS
from api.db.tables import PAGE, Columns, Page, Tables, quoted

SILENT_SECONDS = 300.0
"""A page of rows takes a moment: a server that says nothing for so long is gone."""


class PostgresTables(Tables):
    """Everything on it is one transaction."""

    engine: Engine = "postgresql"

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def fetch(self, query: str, *args: object) -> Sequence[Row]:
        return [dict(record) for record in await self._connection.fetch(query, *args)]

    async def execute(self, query: str, *args: object) -> None:
        """Without arguments the text may hold several statements, as a migration does."""
        await self._connection.execute(query, *args)

    async def pages(self, table: str, columns: Columns) -> AsyncIterator[Page]:
        names = quoted(columns)
        cursor = await self._connection.cursor(f'SELECT {names} FROM "{table}"')
        while page := await cursor.fetch(PAGE):
            yield [tuple(record) for record in page]

    async def write(self, table: str, columns: Columns, page: Page) -> None:
        await self._connection.copy_records_to_table(table, records=page, columns=list(columns))


@asynccontextmanager
async def postgres_tables(
    url: str, *, read_only: bool, silent: float = SILENT_SECONDS
) -> AsyncIterator[PostgresTables]:
    """Open a transaction, which commits at the end of the block; one that only reads sees one
    state of the database throughout. Raises what the library raises, and OSError when the server
    says nothing for `silent` seconds."""
    connection = await asyncpg.connect(
        url,
        timeout=CONNECT_SECONDS,
        command_timeout=silent,
        statement_cache_size=0,
        server_settings={"timezone": "UTC"},
    )
    try:
        async with connection.transaction(
            isolation="repeatable_read" if read_only else "read_committed", readonly=read_only
        ):
            try:
                await connection.execute(
                    "SET LOCAL statement_timeout = 0; "
                    "SET LOCAL idle_in_transaction_session_timeout = 0; "
                    "SET LOCAL lock_timeout = '10s'"
                )
                yield PostgresTables(connection)
            except TimeoutError:
                # a rollback would wait, too
                connection.terminate()
                raise
    except (TimeoutError, asyncpg.InterfaceError) as error:
        if not isinstance(error, TimeoutError) and not isinstance(error.__context__, TimeoutError):
            raise
        connection.terminate()
        raise OSError(f"it has said nothing for {silent:g} seconds") from error
    finally:
        if not connection.is_closed():
            await connection.close(timeout=CONNECT_SECONDS)
