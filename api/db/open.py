"""Open the database that the settings name."""

import asyncio
from pathlib import Path

from api.db import Db, DbUnavailable
from api.db.duckdb import open_duckdb

CONNECT_WITHIN = 15.0


async def open_db(target: str | Path) -> Db:
    """`target` is a DuckDB file's path, `duckdb:///path` or `postgresql://...`. Raises
    `DbUnavailable`, with PostgreSQL also its library's errors for an address that cannot be read
    and for a server that refuses us."""
    url = str(target)
    if url.startswith(("postgresql://", "postgres://")):
        from api.db.postgres import (
            open_postgres,
        )  # only where it is used: its library would make every start longer

        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                return await open_postgres(url)
        except TimeoutError:
            raise DbUnavailable(f"it does not answer within {CONNECT_WITHIN:g} s") from None
    return await open_duckdb(Path(url.removeprefix("duckdb://")))
