"""PostgreSQL fails over, shuts down, cancels and deadlocks: the errors become `DbUnavailable`
unless they are our mistakes, and the pool goes on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

import asyncpg
import pytest

from api.db import TRIES, Db, DbUnavailable, Duplicate, Lost, Pool, repeated
from api.db import postgres as engine
from api.db.open import open_db
from api.db.postgres_tables import postgres_tables
from api.ids import now
from tests.conftest import Postgres

INSERT = "INSERT INTO marks (name, created_at) VALUES ($1, $2)"
RAISE = "DO $$ BEGIN RAISE EXCEPTION 'so it is' USING ERRCODE = '{}'; END $$"


@pytest.fixture
def server(postgres: Postgres, postgres_url: str) -> "Server":
    return Server(postgres, urlsplit(postgres_url).path.strip("/"))


class Server:
    """Acts of an administrator on one database."""

    def __init__(self, postgres: Postgres, database: str) -> None:
        self._postgres = postgres
        self.database = database

    async def do(self, *statements: str) -> None:
        async with self._postgres.connected("postgres") as connection:
            for statement in statements:
                await connection.execute(statement.format(database=self.database))

    async def drop_connections(self) -> None:
        await self.do(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
        )


@pytest.fixture
async def reset(server: Server) -> AsyncIterator[None]:
    """Undo the settings, because another test gets the database afterwards."""
    yield
    await server.do(
        "ALTER DATABASE {database} RESET ALL", "ALTER DATABASE {database} ALLOW_CONNECTIONS true"
    )


@pytest.fixture
async def db(postgres_url: str, reset: None) -> AsyncIterator[Db]:
    opened = await open_db(postgres_url)
    yield opened
    await opened.close()


async def noticed(db: Db) -> None:
    """Use every connection in the pool: a dropped one is noticed by the statement that gets it."""
    with contextlib.suppress(DbUnavailable):
        for _ in range(Pool().most):
            await db.check()


AWAY = [
    "25006", "57014", "57P01", "57P02", "57P03", "57P05", "40001", "40P01", "40003", "53000",
    "53100", "53200", "53300", "55P03", "58030",
    "08006", "25P03", "XX000",
]  # fmt: skip


@pytest.mark.parametrize("state", AWAY)
async def test_errors_that_pass_are_unavailable(db: Db, state: str) -> None:
    for _ in range(2):  # the second round uses connections from the pool
        with pytest.raises(DbUnavailable, match="so it is"):
            await db.execute(RAISE.format(state))

        async def inside() -> None:
            async with db.transaction() as sql:
                await sql.execute(RAISE.format(state))

        with pytest.raises(DbUnavailable, match="so it is"):
            await inside()


@pytest.mark.parametrize(
    "statement",
    ["SELECT * FROM nowhere", "SELECT 1/0", "INSERT INTO marks (name) VALUES ('a')", "SELECT ("],
)
async def test_a_mistake_of_ours_is_not_called_an_outage(db: Db, statement: str) -> None:
    with pytest.raises(asyncpg.PostgresError):
        await db.fetch(statement)


async def test_a_value_that_does_not_fit_is_not_called_an_outage(db: Db) -> None:
    with pytest.raises(asyncpg.DataError):
        await db.fetch("SELECT $1::bigint AS n", 2**80)


async def test_a_statement_on_its_own_wins_against_a_deadlock_the_next_time(
    db: Db, server: Server, postgres_url: str
) -> None:
    await server.do("ALTER DATABASE {database} SET deadlock_timeout = '100ms'")
    for name in ("a", "b"):
        await db.execute(INSERT, name, now())
    victim = await open_db(postgres_url)
    async with db.transaction() as sql:
        await sql.execute("UPDATE marks SET created_at = $1 WHERE name = 'b'", now())
        locked = "WITH locked AS MATERIALIZED (SELECT name FROM marks ORDER BY name FOR UPDATE)"
        deleting = asyncio.create_task(
            victim.execute(f"{locked} DELETE FROM marks WHERE name IN (SELECT name FROM locked)")
        )
        while not await db.fetch(
            "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
            "AND datname = current_database()"
        ):
            pass
        # it waits longer than the other, which therefore finds the deadlock
        await sql.execute("SET LOCAL deadlock_timeout = '10s'")
        await sql.execute("UPDATE marks SET created_at = $1 WHERE name = 'a'", now())
    await deleting
    assert await db.fetch("SELECT name FROM marks") == []
    await victim.close()


async def test_a_statement_on_its_own_is_repeated_when_it_could_not_be_serialized(
    db: Db, server: Server, postgres_url: str
) -> None:
    await db.execute(INSERT, "a", now())
    await server.do(
        "ALTER DATABASE {database} SET default_transaction_isolation = 'repeatable read'"
    )
    strict = await open_db(postgres_url)
    async with db.transaction() as sql:
        await sql.execute("UPDATE marks SET created_at = $1", now())
        deleting = asyncio.create_task(strict.execute("DELETE FROM marks"))
        while not await db.fetch(
            "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
            "AND datname = current_database()"
        ):
            pass
    await deleting
    assert await db.fetch("SELECT name FROM marks") == []
    await strict.close()


async def test_a_transaction_that_gets_no_connection_is_unavailable(db: Db, server: Server) -> None:
    await server.do("ALTER DATABASE {database} ALLOW_CONNECTIONS false")
    await server.drop_connections()

    async def begun() -> None:
        async with db.transaction() as sql:
            await sql.fetch("SELECT 1 AS one")

    for _ in range(3):
        with pytest.raises(DbUnavailable):
            await begun()
        with pytest.raises(DbUnavailable):
            await db.fetch("SELECT 1 AS one")
    await server.do("ALTER DATABASE {database} ALLOW_CONNECTIONS true")
    await begun()


async def test_the_error_in_a_transaction_goes_before_the_loss_of_its_connection(
    db: Db, server: Server
) -> None:
    async def broken(reason: BaseException) -> None:
        async with db.transaction() as sql:
            await sql.execute(INSERT, "lost", now())
            await server.drop_connections()
            raise reason

    with pytest.raises(KeyError):
        await broken(KeyError())
    with pytest.raises(asyncio.CancelledError):
        await broken(asyncio.CancelledError())
    await server.drop_connections()
    await noticed(db)
    assert await db.fetch("SELECT name FROM marks") == []


async def test_connections_to_a_server_that_takes_no_writes_are_made_anew(
    server: Server, postgres_url: str, reset: None
) -> None:
    await server.do("ALTER DATABASE {database} SET default_transaction_read_only = on")
    db = await open_db(postgres_url)
    with pytest.raises(DbUnavailable):
        await db.check()
    await server.do("ALTER DATABASE {database} RESET default_transaction_read_only")
    with pytest.raises(DbUnavailable, match="read-only"):
        await db.execute(INSERT, "a", now())
    await db.execute(INSERT, "a", now())
    await db.check()
    with pytest.raises(Duplicate):
        await db.execute(INSERT, "a", now())
    await db.close()


@pytest.fixture
async def network(
    postgres: Postgres, server: Server, tmp_path: Path
) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Give an address of the server, and the event that lets everything through. Without it nothing
    comes back and nothing is refused: the silence that a network leaves behind."""
    passes = asyncio.Event()
    passes.set()
    passing: set[asyncio.Task[None]] = set()

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                await passes.wait()
                sink.write(data)
        sink.close()
        with contextlib.suppress(OSError):
            await sink.wait_closed()

    async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(
            str(postgres.folder / ".s.PGSQL.5432")
        )
        passing.update(
            asyncio.create_task(pump(*way))
            for way in ((reader, inner_writer), (inner_reader, writer))
        )

    folder = tmp_path / "p"
    folder.mkdir()
    proxy = await asyncio.start_unix_server(through, folder / ".s.PGSQL.5432")
    yield f"postgresql://postgres@/{server.database}?host={quote(str(folder))}", passes
    passes.set()
    proxy.close()
    await asyncio.wait(passing, timeout=5)
    await proxy.wait_closed()


async def test_a_server_whose_machine_is_gone_is_given_up(
    network: tuple[str, asyncio.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "COMMAND_SECONDS", 0.2)
    monkeypatch.setattr(engine, "CONNECT_SECONDS", 0.5)
    address, passes = network
    db = await open_db(address)
    await db.execute(INSERT, "a", now())
    passes.clear()

    async def inside() -> None:
        async with db.transaction() as sql:
            await sql.execute(INSERT, "b", now())

    async with asyncio.timeout(20):
        for _ in range(2):
            with pytest.raises(DbUnavailable):
                await db.fetch("SELECT name FROM marks")
            with pytest.raises(DbUnavailable):
                await inside()
    passes.set()
    await inside()
    await db.close()


@pytest.mark.parametrize("at_commit", [False, True], ids=["rows", "commit"])
async def test_a_copy_of_everything_gives_up_a_server_that_is_gone(
    network: tuple[str, asyncio.Event], *, at_commit: bool
) -> None:
    address, passes = network

    async def copy() -> None:
        async with postgres_tables(address, read_only=False, silent=0.3) as tables:
            passes.clear()
            if not at_commit:
                await tables.fetch("SELECT name FROM marks")

    async with asyncio.timeout(20):
        with pytest.raises(OSError, match=r"said nothing for 0\.3 seconds"):
            await copy()


async def test_a_transaction_that_lost_is_done_again_a_few_times(db: Db) -> None:
    tries = 0

    async def work() -> int:
        nonlocal tries
        tries += 1
        async with db.transaction() as sql:
            await sql.execute(INSERT, f"try {tries}", now())
            if tries < TRIES:
                await sql.execute(RAISE.format("40001"))
        return tries

    assert await repeated(work) == TRIES
    rows = await db.fetch("SELECT name FROM marks WHERE starts_with(name, 'try')")
    assert [row["name"] for row in rows] == [f"try {TRIES}"]
    tries = -1
    with pytest.raises(Lost):
        await repeated(work)


async def test_the_server_ends_what_a_lost_client_has_left(
    db: Db, monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    monkeypatch.setattr(engine, "SERVER_SECONDS", 1)
    impatient = await open_db(postgres_url, Pool(2))
    try:
        with pytest.raises(DbUnavailable, match="statement timeout"):
            await impatient.fetch("SELECT pg_sleep(20)")

        async def idle() -> None:
            async with impatient.transaction() as sql:
                await sql.execute(INSERT, "idle", now())
                await asyncio.sleep(1.5)
                await sql.fetch("SELECT 1")

        with pytest.raises(DbUnavailable):
            await idle()
        assert await db.fetch("SELECT name FROM marks WHERE name = 'idle'") == []
    finally:
        await impatient.close()


@pytest.mark.parametrize("pooler", ["session", "transaction"])
async def test_nothing_is_set_that_a_pooler_refuses(
    postgres_url: str, pooler: Literal["session", "transaction"]
) -> None:
    """And in transaction mode no statement is prepared for later: the next connection would not
    know it."""
    pooled = await open_db(postgres_url, Pool(2, pooler))
    try:
        row = await pooled.fetch_one("SELECT current_setting('statement_timeout') AS it")
        assert row == {"it": "0"}
        for _ in range(3):
            rows = await pooled.fetch("SELECT name FROM pg_prepared_statements")
        assert bool(rows) == (pooler == "session")
    finally:
        await pooled.close()
