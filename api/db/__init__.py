"""The database behind four calls: `fetch fetch_one execute transaction`.

SQL is text with `$1` parameters that runs on DuckDB and on PostgreSQL. Values are text, int, bool,
float, None, aware datetimes, bytes and lists of these; JSON goes in and out as text. Drivers'
errors become `Duplicate` or `DbUnavailable`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from structlog import get_logger

Row = Mapping[str, Any]
T = TypeVar("T")

log = get_logger("db")

TRIES = 3
"""Tries of what lost against another transaction and has left nothing behind."""
Engine = Literal["duckdb", "postgresql"]
Timed = Callable[[Literal["read", "write", "transaction"]], AbstractContextManager[object]]
"""A context around each statement on its own and each transaction."""


def untimed(_what: str) -> AbstractContextManager[object]:
    return nullcontext()


class Duplicate(Exception):
    """A PRIMARY KEY or UNIQUE value is taken: read the row that has it."""


class DbUnavailable(Exception):
    """The database cannot be used now."""


class Lost(DbUnavailable):
    """The server let another transaction win (a deadlock, a serialization failure). Nothing of this
    one was kept, so it may be done again."""


class OutOfMemory(DbUnavailable):
    """A transaction is too large for the memory of the engine. Nothing of it was kept, and a
    smaller one may fit."""


class CannotOpen(DbUnavailable):
    """The database file cannot be opened.

    `locked`: another process has it. `damaged`: a part of it cannot be read. `log`: the log beside
    it, with the last writes, cannot be read. `missing`: the log is there without its database.
    `refused`: the system does not allow it. `detail` is the engine's message, in one line.
    """

    def __init__(
        self, reason: Literal["locked", "damaged", "log", "missing", "refused"], detail: str
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class TransactionBroken(DbUnavailable):
    """A statement failed inside a transaction that would be committed. Nothing of it was kept."""

    def __init__(self) -> None:
        super().__init__("a statement of this transaction failed, so nothing of it was kept")


@dataclass(frozen=True, slots=True)
class Pool:
    """Connections to PostgreSQL. `most`: their number. `pooler`: one lies in between, which lends a
    connection for a session, or for one transaction at a time so that nothing lasts longer."""

    most: int = 10
    pooler: Literal["none", "session", "transaction"] = "none"


class Sql(Protocol):
    """Statements, inside a transaction or each on its own. A store function takes one of these."""

    async def fetch(self, query: str, *args: object) -> Sequence[Row]: ...

    async def fetch_one(self, query: str, *args: object) -> Row | None:
        rows = await self.fetch(query, *args)
        return rows[0] if rows else None

    async def execute(self, query: str, *args: object) -> None:
        await self.fetch(query, *args)

    async def later(self, query: str, *args: object) -> None:
        """Run a write whose result nobody needs: in its turn, at the commit at the latest, and
        together with others. Its error is that of what runs it, so a `Duplicate` may come out of
        the whole transaction."""
        await self.execute(query, *args)


class Db(Sql, Protocol):
    """An open database. `transaction()` commits at the end of its block, or rolls back after an
    exception."""

    timed: Timed

    @property
    def load(self) -> Mapping[str, int]:
        """Return how busy it is: connections by state, or writes that wait."""
        ...

    @property
    def engine(self) -> Engine: ...

    @property
    def skip_locked(self) -> str:
        """SQL at the end of a claim's subselect that lets claimers pass each other by; empty where
        one writer makes it needless."""
        ...

    @property
    def locks_rows(self) -> bool:
        """Tell whether transactions run beside each other, so that one has to lock the rows that it
        reads before it decides by them."""
        ...

    async def check(self) -> None:
        """Raise `DbUnavailable` unless it can be read and written."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Sql]: ...

    async def close(self) -> None: ...


async def repeated(work: Callable[[], Awaitable[T]]) -> T:
    """Do the work, and again when the server let another transaction win. `work` is one transaction
    that changes nothing outside of the database, or one statement."""
    for _ in range(TRIES - 1):
        try:
            return await work()
        except Lost as error:
            log.info("transaction_repeated", error=str(error))
    return await work()
