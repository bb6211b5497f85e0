"""PostgreSQL through asyncpg: the same SQL text, a pool, and the driver's errors as ours."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Literal, TypeVar

import asyncpg
from structlog import get_logger

from api.db import (
    Db,
    DbUnavailable,
    Duplicate,
    Lost,
    Pool,
    Row,
    Sql,
    Timed,
    TransactionBroken,
    repeated,
    untimed,
)
from api.db.cached_rows import only_reads
from api.db.one_statement import Statement, together
from api.unicode import storable_args

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

T = TypeVar("T")
log = get_logger("db")

CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 60.0
"""A server whose machine is gone says nothing, and the network gives it up only after a quarter of
an hour."""
SERVER_SECONDS = 60
"""The server ends what a client that is gone has left: a statement, or a transaction in which
nothing happens."""
SCRIPT_SECONDS = 24 * 3600.0
"""A statement without parameters may be a migration, which builds indexes."""
_OURS = {
    "0A", "0B", "20", "21", "22", "23", "24", "26", "2B", "2D", "2F", "34", "38", "39", "3B", "3F",
    "42", "44", "54", "P0",
}  # fmt: skip
"""Classes of SQLSTATE of a wrong statement or wrong values. All others mean that the server cannot
do it now: it is read-only (the old one after a failover), shuts down, starts, cancels, is full, has
lost a connection, or let another transaction win."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours, except those for mistakes of this program."""
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        raise Duplicate(str(error)) from error
    except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError) as error:
        raise Lost(str(error)) from error
    except asyncpg.InvalidCachedStatementError as error:
        # the tables were changed meanwhile; the next try prepares it anew
        raise Lost(str(error)) from error
    except asyncpg.PostgresError as error:
        if (error.sqlstate or "")[:2] in _OURS:
            raise
        raise DbUnavailable(str(error)) from error
    except asyncpg.DataError:
        raise
    except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise DbUnavailable(str(error) or "it does not answer") from error


class _Connection(Sql):
    """Statements on one connection, inside its transaction."""

    def __init__(self, connection: "PoolConnectionProxy[asyncpg.Record]") -> None:
        self._connection = connection
        self._waiting: list[Statement] = []
        self.broken = False

    async def later(self, query: str, *args: object) -> None:
        self._waiting.append((query, args))

    async def run_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for query, args in together(waiting):
            await self.execute(query, *args)

    async def fetch(self, query: str, *args: object) -> Sequence[Row]:
        if self._waiting:
            await self.run_waiting()
        try:
            with translated():
                return [
                    dict(record)
                    for record in await self._connection.fetch(query, *storable_args(args))
                ]
        except Exception:
            self.broken = True
            raise

    async def execute(self, query: str, *args: object) -> None:
        if self._waiting:
            await self.run_waiting()
        try:
            with translated():
                await self._connection.execute(
                    query, *storable_args(args), timeout=None if args else SCRIPT_SECONDS
                )
        except Exception:
            self.broken = True
            raise


class PostgresDb(Db):
    """An open pool. Built by `open_postgres`."""

    engine: Literal["duckdb", "postgresql"] = "postgresql"
    skip_locked = "FOR UPDATE SKIP LOCKED"
    locks_rows = True

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self.timed: Timed = untimed
        self._pool = pool

    async def fetch(self, query: str, *args: object) -> Sequence[Row]:
        return [
            dict(record)
            for record in await self._alone(
                query, lambda: self._pool.fetch(query, *storable_args(args))
            )
        ]

    async def execute(self, query: str, *args: object) -> None:
        await self._alone(query, lambda: self._pool.execute(query, *storable_args(args)))

    @property
    def load(self) -> Mapping[str, int]:
        size, idle = self._pool.get_size(), self._pool.get_idle_size()
        return {"used": size - idle, "idle": idle, "most": self._pool.get_max_size()}

    async def check(self) -> None:
        row = await self.fetch_one(
            "SELECT current_setting('transaction_read_only') AS refuses_writes"
        )
        if row is None or row["refuses_writes"] != "off":
            raise DbUnavailable("the server takes no writes")

    async def _alone(self, query: str, statement: Callable[[], Awaitable[T]]) -> T:
        with self.timed("read" if only_reads(query) else "write"):
            return await repeated(lambda: self._expiring(statement))

    async def _expiring(self, statement: Callable[[], Awaitable[T]]) -> T:
        try:
            with translated():
                return await statement()
        except DbUnavailable as error:
            await self._expire(error)
            raise

    async def _expire(self, error: BaseException) -> None:
        """Give up the connections to a server that takes no writes: its name may lead to another
        one by now."""
        if isinstance(error.__cause__, asyncpg.ReadOnlySQLTransactionError):
            await self._pool.expire_connections()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Sql]:
        with self.timed("transaction"):
            with translated():
                connection = await self._pool.acquire()
            try:
                async with self._begun(connection) as inner:
                    yield inner
            finally:
                try:
                    with translated():
                        await self._pool.release(connection)
                except DbUnavailable as error:  # the pool drops it, and the commit stands
                    log.warning("connection_not_given_back", error=str(error))

    @asynccontextmanager
    async def _begun(self, connection: "PoolConnectionProxy[asyncpg.Record]") -> AsyncIterator[Sql]:
        own = connection.transaction()
        with translated():
            await own.start()
        inner = _Connection(connection)
        try:
            yield inner
            await inner.run_waiting()
            if inner.broken:
                raise TransactionBroken
        except BaseException as error:
            try:
                with translated():
                    await own.rollback()
            except DbUnavailable as lost:
                # the server rolls back by itself, and the error raised before is the reason
                log.warning("not_rolled_back", error=str(lost))
            await self._expire(error)
            raise
        with translated():
            await own.commit()

    async def close(self) -> None:
        await self._pool.close()


async def open_postgres(url: str, pool: Pool) -> PostgresDb:
    """Raises `DbUnavailable` when the server cannot be reached."""
    own = {"statement_timeout": f"{SERVER_SECONDS}s"}
    own["idle_in_transaction_session_timeout"] = own["statement_timeout"]
    with translated():
        opened = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=pool.most,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            # PgBouncer knows the time zone, and refuses a client that asks for more
            server_settings={"timezone": "UTC", **(own if pool.pooler == "none" else {})},
            # the next transaction may be at another connection, which knows no statement of this
            statement_cache_size=0 if pool.pooler == "transaction" else 100,
            # nothing of a session is ever changed: to set it back would be one more statement each
            reset=_leave,
        )
    return PostgresDb(opened)


async def _leave(_: "PoolConnectionProxy[asyncpg.Record]") -> None:
    """Leave a connection as it is."""
