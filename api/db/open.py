"""The way from the address of a database to its engine."""

import asyncio
from pathlib import Path

from api.db import Db, DbUnavailable, Pool
from api.db.duckdb import open_duckdb

CONNECT_WITHIN = 15.0


async def open_db(target: str | Path, pool: Pool | None = None) -> Db:
    """Open `target`: the path of a DuckDB file, `duckdb:///path` or `postgresql://...`. Raises
    `DbUnavailable`, with PostgreSQL also its library's errors for an address that cannot be read
    and for a server that refuses us."""
    url = str(target)
    if url.startswith(("postgresql://", "postgres://")):
        # here, because its library would make every other start longer
        from api.db.postgres import open_postgres

        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                return await open_postgres(url, pool or Pool())
        except TimeoutError:
            raise DbUnavailable(f"it does not answer within {CONNECT_WITHIN:g} s") from None
    return await open_duckdb(Path(url.removeprefix("duckdb://")))
