"""DuckDB: one process, one writer thread that commits waiting writes together, two reader threads.

Reads never wait for writes. A transaction has the writer alone. The reasons are in
docs/decisions/0004-one-writer-thread.md.
"""

import asyncio
import errno
import os
import queue
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NoReturn, TypeVar

import duckdb
import structlog

from api.db import (
    CannotOpen,
    Db,
    DbUnavailable,
    Duplicate,
    OutOfMemory,
    Row,
    Sql,
    Timed,
    TransactionBroken,
    untimed,
)
from api.db.cached_rows import CachedRows, Key, concerns, key_of, only_reads
from api.db.duckdb_memory import SERVING, WRITING_ALL, Config, memory_limit
from api.db.one_statement import Statement
from api.unicode import storable_args

T = TypeVar("T")
End = Callable[[duckdb.FatalException], NoReturn]
log = structlog.get_logger("db")

BATCH_MAX = 64
PARSED_MAX = 1000
READERS = 2
GROWTH_SEEN_EVERY = 600.0
CONFIG: Config = {
    "threads": 1,
    # `id = ANY(...)` of a list: up to so many it reads only the rows, above it reads the whole
    # table; the default is 50
    "dynamic_or_filter_threshold": 256,
}
SET_MEMORY = "SET memory_limit = $1"
_ALL_TABLES = "SELECT table_name AS name FROM duckdb_tables()"
_DAMAGED_BLOCK = "Corrupt database file"
_DAMAGED = re.compile(
    rf"{_DAMAGED_BLOCK}|not a valid DuckDB database|read enough bytes|[Dd]eserializ"
)
_REFUSALS = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EISDIR, errno.ENOTDIR,
    errno.EIO, errno.EMFILE,
)  # fmt: skip
_LOG_HEAD = bytes.fromhex("6400626500")
"""The first bytes of each log. DuckDB silently ignores a log that begins otherwise, and overwrites
it at the next write."""


@dataclass(frozen=True, slots=True)
class _Write:
    query: str
    args: tuple[object, ...]
    done: asyncio.Future[Sequence[Row]]


class _Cursor:
    """The connection of one thread. It keeps its statements parsed, because parsing is up to a
    third of the time of a short one."""

    def __init__(self, root: duckdb.DuckDBPyConnection, end: End) -> None:
        self._end = end
        self._connection = root.cursor()
        self._connection.execute("SET TimeZone = 'UTC'")
        self._parsed: dict[str, duckdb.Statement | str] = {}

    def run(self, query: str, args: tuple[object, ...] = ()) -> Sequence[Row]:
        """Return all rows at once, because a result left open is a read transaction that never
        ends. Rows cannot be changed, because they may be cached."""
        try:
            self._connection.execute(self._statement(query), storable_args(args) or None)
            names = [column[0] for column in self._connection.description]
            return [
                MappingProxyType(dict(zip(names, row, strict=True)))
                for row in self._connection.fetchall()
            ]
        except duckdb.FatalException as error:
            self._end(error)
        except duckdb.ConstraintException as error:
            if "duplicate key" in str(error).lower() or "unique constraint" in str(error).lower():
                raise Duplicate(str(error)) from error
            raise
        except duckdb.OutOfMemoryException as error:
            raise OutOfMemory(str(error)) from error
        except (
            duckdb.TransactionException,
            duckdb.IOException,
            duckdb.ConnectionException,
        ) as error:
            raise DbUnavailable(str(error)) from error
        except duckdb.Error as error:
            if _first_line(error).startswith(_DAMAGED_BLOCK):
                raise CannotOpen("damaged", _first_line(error)) from error
            raise

    def _statement(self, query: str) -> duckdb.Statement | str:
        """Return the parsed statement, or the text where it holds several, as a migration does."""
        found = self._parsed.get(query)
        if found is None:
            if len(self._parsed) >= PARSED_MAX:
                self._parsed.clear()
            statements = self._connection.extract_statements(query)
            found = self._parsed[query] = statements[0] if len(statements) == 1 else query
        return found


class _Writer(_Cursor):
    """The connection that writes. Cached rows of a table that it has changed are forgotten as
    soon as the change is committed."""

    def __init__(self, root: duckdb.DuckDBPyConnection, cached: CachedRows, end: End) -> None:
        super().__init__(root, end)
        self._cached = cached
        self._is_open = False
        self.has_changed = False

    def run(self, query: str, args: tuple[object, ...] = ()) -> Sequence[Row]:
        self.has_changed = self.has_changed or concerns(query)
        try:
            return super().run(query, args)
        finally:
            if not self._is_open:
                self._settle()

    def begin(self) -> None:
        super().run("BEGIN")
        self._is_open = True

    def run_open(self, statements: Sequence[Statement]) -> Sequence[Row]:
        """Run statements of a transaction, which begins with the first one that changes anything.
        Return the rows of the last one."""
        if not self._is_open:
            self.begin()
        rows: Sequence[Row] = []
        for query, args in statements:
            rows = self.run(query, args)
        return rows

    def run_and_commit(self, statements: Sequence[Statement]) -> None:
        self.run_open(statements)
        self.commit()

    def commit(self) -> None:
        try:
            super().run("COMMIT")
        finally:
            self._settle()

    def rollback(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except duckdb.TransactionException:
            log.debug("nothing_to_roll_back")
        finally:
            self._settle()

    def _settle(self) -> None:
        if self.has_changed:
            self._cached.forget()
        self._is_open = self.has_changed = False


def _run_batch(cursor: _Writer, writes: list[_Write]) -> list[Sequence[Row]]:
    """Commit all of them together, or none."""
    cursor.begin()
    try:
        results = [cursor.run(write.query, write.args) for write in writes]
        cursor.commit()
    except BaseException:
        cursor.rollback()
        raise
    return results


class _Transaction(Sql):
    """Statements of one open transaction. After a failed one DuckDB's COMMIT would keep nothing and
    say nothing: `broken` prevents that."""

    def __init__(self, db: "DuckDb") -> None:
        self._db = db
        self._waiting: list[Statement] = []
        self.begun = False
        self.broken = False

    async def fetch(self, query: str, *args: object) -> Sequence[Row]:
        try:
            if only_reads(query) and not self._waiting:
                return await self._db.read_alone(query, args)
            statements, self._waiting = [*self._waiting, (query, args)], []
            self.begun = True
            return await self._db.on_writer(lambda cursor: cursor.run_open(statements))
        except Exception:
            self.broken = True
            raise

    async def later(self, query: str, *args: object) -> None:
        self._waiting.append((query, args))

    async def commit(self) -> None:
        if self.broken:
            raise TransactionBroken
        self.begun = self.begun or bool(self._waiting)
        if self.begun:
            await self._db.on_writer(partial(_Writer.run_and_commit, statements=self._waiting))


class DuckDb(Db):
    """The embedded engine. Built by `open_duckdb`."""

    engine: Literal["duckdb", "postgresql"] = "duckdb"
    skip_locked = ""
    locks_rows = False

    def __init__(self, root: duckdb.DuckDBPyConnection, path: Path, end: End) -> None:
        self.path = path
        self.timed: Timed = untimed
        self._root = root
        self._local = threading.local()
        self._read_cursors: queue.SimpleQueue[_Cursor] = queue.SimpleQueue()
        for _ in range(READERS):
            self._read_cursors.put(_Cursor(root, end))
        self._cached = CachedRows()
        self._write_cursor = _Writer(root, self._cached, end)
        self._writer = ThreadPoolExecutor(1, "duckdb-writer")
        self._readers = ThreadPoolExecutor(READERS, "duckdb-reader", initializer=self._take_cursor)
        self._gate = asyncio.Lock()
        self._waiting: list[_Write] = []
        self._runner: asyncio.Task[None] | None = None

    def _take_cursor(self) -> None:
        self._local.cursor = self._read_cursors.get_nowait()

    async def on_writer(self, work: Callable[[_Writer], T]) -> T:
        """Run on the writer thread. The thread takes work in order, so the statement of a cancelled
        task ends before the next one begins."""
        future = asyncio.get_running_loop().run_in_executor(self._writer, work, self._write_cursor)
        return await asyncio.shield(future)

    async def fetch(self, query: str, *args: object) -> Sequence[Row]:
        if not only_reads(query):
            return await self._write(query, args)
        version, key = self._cached.version, key_of(query, args)
        cached = self._cached.get(version, key)
        if cached is not None:
            return cached
        with self.timed("read"):
            return await asyncio.get_running_loop().run_in_executor(
                self._readers, self._read, query, args, version, key
            )

    def _read(self, query: str, args: tuple[object, ...], version: int, key: Key) -> Sequence[Row]:
        return self._cached_run(self._local.cursor, query, args, version, key)

    def _cached_run(
        self, cursor: _Cursor, query: str, args: tuple[object, ...], version: int, key: Key
    ) -> Sequence[Row]:
        rows = cursor.run(query, args)
        if self._cached.fits(query, lambda: (row["name"] for row in cursor.run(_ALL_TABLES))):
            self._cached.keep(version, key, rows)
        return rows

    async def read_alone(self, query: str, args: tuple[object, ...]) -> Sequence[Row]:
        """Read in the transaction that has the writer alone. It finds cached rows until it changes
        any itself."""
        if self._write_cursor.has_changed:
            return await self.on_writer(lambda cursor: cursor.run(query, args))
        version, key = self._cached.version, key_of(query, args)
        cached = self._cached.get(version, key)
        if cached is not None:
            return cached
        return await self.on_writer(
            lambda cursor: self._cached_run(cursor, query, args, version, key)
        )

    async def check(self) -> None:
        await self.fetch_one("SELECT 1 AS one")

    async def execute(self, query: str, *args: object) -> None:
        await self._write(query, args)

    async def _write(self, query: str, args: tuple[object, ...]) -> Sequence[Row]:
        done: asyncio.Future[Sequence[Row]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Write(query, args, done))
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run_waiting(), name="duckdb-batches")
        with self.timed("write"):
            return await done

    @property
    def load(self) -> Mapping[str, int]:
        return {"waiting": len(self._waiting)}

    async def _run_waiting(self) -> None:
        while self._waiting:
            async with self._gate:
                batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
                results = await self._results(batch)
            for write, result in zip(batch, results, strict=True):
                if write.done.done():
                    continue
                if isinstance(result, BaseException):
                    write.done.set_exception(result)
                else:
                    write.done.set_result(result)

    async def _results(self, batch: list[_Write]) -> Sequence[Sequence[Row] | BaseException]:
        """Return the result of each write. When one fails, each runs again on its own, so that no
        write fails for another one's values, and none waits for ever."""
        if len(batch) > 1:
            (together,) = await asyncio.gather(
                self.on_writer(lambda cursor: _run_batch(cursor, batch)), return_exceptions=True
            )
            if not isinstance(together, BaseException):
                return together
        alone = [
            self.on_writer(partial(_Writer.run, query=write.query, args=write.args))
            for write in batch
        ]
        return await asyncio.gather(*alone, return_exceptions=True)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Sql]:
        """Give the writer to the block alone. Do not await anything slow inside."""
        with self.timed("transaction"):
            async with self._gate, self._begun() as begun:
                yield begun

    @asynccontextmanager
    async def _begun(self) -> AsyncIterator[Sql]:
        transaction = _Transaction(self)
        try:
            yield transaction
            await transaction.commit()
        except BaseException:
            if transaction.begun:
                await self.on_writer(_Writer.rollback)
            raise

    @asynccontextmanager
    async def without_writes(self) -> AsyncIterator[None]:
        """Put all committed writes into the file, and let writes wait until the block ends.
        Reads go on."""
        async with self._gate:
            await self.on_writer(lambda cursor: cursor.run("CHECKPOINT"))
            yield

    async def checkpoint(self) -> None:
        async with self.without_writes():
            pass

    async def grow(self) -> float:
        """Allow the engine more memory when its file has grown. Returns the seconds until the next
        look."""
        limit = await asyncio.to_thread(memory_limit, self.path, SERVING)
        await self.execute(SET_MEMORY, limit)
        return GROWTH_SEEN_EVERY

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner
        await self.checkpoint()
        self._writer.shutdown(wait=True)
        self._readers.shutdown(wait=True)
        self._root.close()


def end_process(error: duckdb.FatalException) -> NoReturn:
    """End the process, because DuckDB does nothing more for it after a fatal error."""
    log.critical(
        "db_invalid",
        hint="the file is kept as it is; the process ends so that it is opened anew",
        exc_info=error,
    )
    os._exit(70)


async def open_duckdb(path: Path, end: End = end_process) -> DuckDb:
    """Open or create the file. Raises `CannotOpen`; file and log are then as they were. `end` is
    called after a fatal error."""
    return DuckDb(await asyncio.to_thread(_connect, path, SERVING), path, end)


def log_of(path: Path) -> Path:
    """Return the path of the log: committed writes that are not in the file yet."""
    return path.with_name(f"{path.name}.wal")


@contextmanager
def connected(path: Path, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection for statements of one's own. Raises `CannotOpen`."""
    connection = _connect(path, WRITING_ALL, read_only=read_only)
    try:
        yield connection
    finally:
        connection.close()


def _connect(path: Path, memory: int, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    log_file = log_of(path)
    try:
        if not read_only:
            path.parent.mkdir(parents=True, exist_ok=True)
        if _is_filled(log_file):
            if not path.exists():  # DuckDB would make an empty database and delete the log
                raise CannotOpen("missing", f"{path} is not there")
            if not _begins_as_a_log(log_file):
                raise CannotOpen("log", "it does not begin as a log does")
        connection = duckdb.connect(str(path), read_only=read_only, config=CONFIG)
        # not in CONFIG, which has to be the same for all who open a file in one process
        connection.execute(SET_MEMORY, [memory_limit(path, memory)])
        if not read_only:
            _make_private(path, log_file)
        return connection
    except OSError as error:
        raise CannotOpen("refused", f"{error.filename or path}: {error.strerror}") from error
    except duckdb.Error as error:
        raise _cannot_open(error) from error


def _make_private(*files: Path) -> None:
    """Take older files back from other users, too, where they are ours."""
    for file in files:
        with suppress(OSError):
            file.chmod(0o600)


def _is_filled(log_file: Path) -> bool:
    return log_file.exists() and log_file.stat().st_size > 0


def _begins_as_a_log(log_file: Path) -> bool:
    """Return True also for a log that a crash left with less than its first bytes, or with only the
    zeros of a file that was never written."""
    content = log_file.read_bytes()
    head = content[: len(_LOG_HEAD)]
    return _LOG_HEAD.startswith(head) or not content.strip(b"\0")


def _cannot_open(error: duckdb.Error) -> CannotOpen:
    # by the message, because DuckDB's classes do not tell these apart
    said = _first_line(error)
    if "Could not set lock" in said:
        return CannotOpen("locked", said)
    if any(os.strerror(code) in said for code in _REFUSALS):
        return CannotOpen("refused", said)
    if "replaying WAL" in said:
        return CannotOpen("log", said)
    return CannotOpen("damaged" if _DAMAGED.search(said) else "refused", said)


def _first_line(error: duckdb.Error) -> str:
    return str(error).partition("\n")[0]
