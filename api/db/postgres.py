"""PostgreSQL through asyncpg: the same SQL text, a pool, and the driver's errors as ours."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Literal

import asyncpg

from api.db import DbUnavailable, Duplicate, Row, Sql

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

POOL_MAX = 16


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        raise Duplicate(str(error)) from error
    except (
        OSError,
        asyncpg.PostgresConnectionError,
        asyncpg.InterfaceError,
        asyncpg.CannotConnectNowError,
        asyncpg.TooManyConnectionsError,
        asyncpg.DeadlockDetectedError,
        asyncpg.InFailedSQLTransactionError,
        asyncpg.DiskFullError,
        asyncpg.AdminShutdownError,
    ) as error:
        raise DbUnavailable(str(error)) from error


class _Connection:
    """Statements on one connection, inside its transaction."""

    def __init__(self, connection: "PoolConnectionProxy[asyncpg.Record]") -> None:
        self._connection = connection
        self.broken = False

    async def fetch(self, query: str, *args: object) -> Sequence[Row]:
        try:
            with _translated():
                return [dict(record) for record in await self._connection.fetch(query, *args)]
        except Exception:
            self.broken = True
            raise

    async def fetch_one(self, query: str, *args: object) -> Row | None:
        rows = await self.fetch(query, *args)
        return rows[0] if rows else None

    async def execute(self, query: str, *args: object) -> None:
        try:
            with _translated():
                await self._connection.execute(query, *args)
        except Exception:
            self.broken = True
            raise


class PostgresDb:
    """An open pool. Built by `open_postgres`."""

    engine: Literal["duckdb", "postgresql"] = "postgresql"
    skip_locked = "FOR UPDATE SKIP LOCKED"

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def fetch(self, query: str, *args: object) -> Sequence[Row]:
        with _translated():
            return [dict(record) for record in await self._pool.fetch(query, *args)]

    async def fetch_one(self, query: str, *args: object) -> Row | None:
        rows = await self.fetch(query, *args)
        return rows[0] if rows else None

    async def execute(self, query: str, *args: object) -> None:
        with _translated():
            await self._pool.execute(query, *args)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Sql]:
        async with self._pool.acquire() as connection:
            own = connection.transaction()
            with _translated():
                await own.start()
            inner = _Connection(connection)
            try:
                yield inner
                if inner.broken:
                    raise DbUnavailable("a statement of this transaction failed, so nothing of it was kept")
            except BaseException:
                with _translated():
                    await own.rollback()
                raise
            with _translated():
                await own.commit()

    async def close(self) -> None:
        await self._pool.close()


async def open_postgres(url: str) -> PostgresDb:
    """Raises `DbUnavailable` when the server cannot be reached."""
    with _translated():
        pool = await asyncpg.create_pool(url, min_size=1, max_size=POOL_MAX, server_settings={"timezone": "UTC"})
    return PostgresDb(pool)
