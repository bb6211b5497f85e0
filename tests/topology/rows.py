"""The rows of a running installation, on either engine."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any, Protocol

import asyncpg

from api.db.duckdb import log_of
from api.db.open import open_db
from tests.stack import Stack


class Rows(Protocol):
    async def fetch(self, query: str, *values: object) -> list[dict[str, Any]]: ...


class ServerRows:
    """Rows on a PostgreSQL server."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def fetch(self, query: str, *values: object) -> list[dict[str, Any]]:
        return [dict(row) for row in await self._connection.fetch(query, *values)]


class FileRows:
    """Rows in the file that the one api has open: it is stopped for the moment in which the file is
    copied, which is the file as its death would leave it."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    async def fetch(self, query: str, *values: object) -> list[dict[str, Any]]:
        with tempfile.TemporaryDirectory() as folder:
            db = await open_db(await asyncio.to_thread(self._copy, Path(folder)))
            try:
                return [dict(row) for row in await db.fetch(query, *values)]
            finally:
                await db.close()

    def _copy(self, folder: Path) -> Path:
        found = self._stack.folder_of("api") / "app.duckdb"
        with self._stack.stopped("api"):
            for path in (found, log_of(found)):
                if path.exists():
                    shutil.copy(path, folder)
        return folder / found.name
