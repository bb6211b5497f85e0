"""Open the database that the settings name."""

from pathlib import Path

from api.db import Db
from api.db.duck import open_duckdb


async def open_db(target: str | Path) -> Db:
    """`target` is a DuckDB file's path, `duckdb:///path` or `postgresql://...`. Raises `DbUnavailable`."""
    url = str(target)
    if url.startswith(("postgresql://", "postgres://")):
        from api.db.postgres import open_postgres  # only where it is used: its library would make every start longer

        return await open_postgres(url)
    return await open_duckdb(Path(url.removeprefix("duckdb://")))
