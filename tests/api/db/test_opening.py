"""A database that cannot be opened is left as it is, and one sentence says what to do."""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from api.database import open_database
from api.db import CannotOpen, duckdb_tables
from api.db.duckdb import DuckDb, log_of, open_duckdb
from api.db.duckdb_memory import OF_FILE, SERVING, WRITING_ALL, memory_limit
from api.ids import now
from api.settings import Settings
from api.start_errors import CannotStart
from tests.conftest import Postgres
from tests.sample_rows import add_samples

UNSYNCED = (
    'import duckdb, os, sys; db = duckdb.connect(sys.argv[1]); db.execute("INSERT INTO '
    "marks VALUES ('late', now())\"); os._exit(0)"
)
"""A database after a kill: its row is in the log only."""
HELD = (
    "import duckdb, sys; db = duckdb.connect(sys.argv[1]); "
    "print('open', flush=True); sys.stdin.read()"
)

BLOCKS, BLOCK = 12_288, 262_144
"""The offset of the file's first block, and the size of each, in bytes."""

Damage = Callable[[Path], None]


def settings(data: Path, database_url: str | None = None) -> Settings:
    return Settings(_env_file=None, data_dir=data, database_url=database_url)


@pytest.fixture
def data(duckdb_path: Path) -> Path:
    """Return a folder with a database and its log."""
    subprocess.run([sys.executable, "-c", UNSYNCED, str(duckdb_path)], check=True)
    assert log_of(duckdb_path).stat().st_size > 0
    return duckdb_path.parent


def files(data: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in data.glob("app.duckdb*")}


def write(name: str, content: bytes, at: int = 0) -> Damage:
    def damage(data: Path) -> None:
        path = data / name
        path.write_bytes(path.read_bytes()[:at] + content + path.read_bytes()[at + len(content) :])

    return damage


def cut(name: str, size: int) -> Damage:
    return lambda data: os.truncate(data / name, size)


def another_log(data: Path) -> None:
    """Put back a copy of the database while the log of the newer one stays, as happens by hand."""
    import duckdb

    (data / "app.duckdb").unlink()
    log = log_of(data / "app.duckdb").rename(data / "log")
    duckdb.connect(str(data / "app.duckdb")).execute("CREATE TABLE other (id TEXT)").close()
    log.rename(log_of(data / "app.duckdb"))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (write("app.duckdb", b"\xff" * 8000), r"app\.duckdb cannot be read \("),
        (cut("app.duckdb", 4096), r"app\.duckdb cannot be read \("),
        (cut("app.duckdb", 0), r"app\.duckdb cannot be read \("),
        (
            write("app.duckdb.wal", b"\xff" * 3, at=60),
            r"app\.duckdb\.wal, cannot be put into the database \(.*: move .*\.wal away",
        ),
        (another_log, r"app\.duckdb\.wal, cannot be put into the database \("),
        # DuckDB passes over these two in silence: it goes on without the last writes, and
        # then overwrites them
        (
            write("app.duckdb.wal", b"\xff" * 4),
            r"app\.duckdb\.wal, cannot be put into the database \(",
        ),
        (
            lambda data: (data / "app.duckdb").unlink(),
            r"app\.duckdb is missing, but its log .*\.wal is there",
        ),
    ],
    ids=[
        "garbage",
        "cut short",
        "empty",
        "log damaged",
        "log of another",
        "log not one",
        "log alone",
    ],
)
async def test_a_database_that_cannot_be_opened_is_left_alone_and_the_way_back_is_named(
    damage: Damage, said: str, data: Path
) -> None:
    damage(data)
    backups = data / "backups"
    backups.mkdir()
    for day in ("20260101", "20260102"):
        (backups / f"allucanget-{day}-000000.zip").touch()
    before = files(data)
    with pytest.raises(CannotStart, match=said) as caught:
        await open_database(settings(data))
    assert f"./run restore {backups}/allucanget-20260102-000000.zip" in str(caught.value)
    assert caught.value.final
    assert files(data) == before


async def test_without_a_backup_it_says_so(data: Path) -> None:
    cut("app.duckdb", 100)(data)
    with pytest.raises(CannotStart, match=r"\./run restore FILE \(there is none in .*/backups/\)"):
        await open_database(settings(data))


@pytest.mark.parametrize("left", [0, 3, 30])
async def test_a_log_that_a_kill_left_at_its_beginning_holds_nothing_up(
    left: int, data: Path
) -> None:
    cut("app.duckdb.wal", left)(data)
    db = await open_database(settings(data))
    assert await db.fetch("SELECT name FROM marks") == []
    await db.close()


async def test_a_whole_log_is_put_in(data: Path) -> None:
    db = await open_database(settings(data))
    assert [row["name"] for row in await db.fetch("SELECT name FROM marks")] == ["late"]
    await db.close()


async def test_a_damaged_block_that_is_met_later_is_a_database_that_cannot_be_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "app.duckdb"
    db = await open_duckdb(path)
    await db.execute(
        "CREATE TABLE words AS SELECT md5(i::text) || md5((i + 1)::text) AS word "
        "FROM range(30000) r(i)"
    )
    await db.close()
    write("app.duckdb", os.urandom(400), at=BLOCKS + BLOCK + 1000)(tmp_path)
    again = await open_duckdb(path)
    with pytest.raises(CannotOpen) as caught:
        await again.fetch("SELECT max(word) FROM words")
    assert caught.value.reason == "damaged"
    await again.close()


async def test_one_that_another_process_has_may_be_free_at_the_next_try(data: Path) -> None:
    pipe = asyncio.subprocess.PIPE
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HELD, str(data / "app.duckdb"), stdin=pipe, stdout=pipe
    )
    assert other.stdout is not None
    assert await other.stdout.readline() == b"open\n"
    with pytest.raises(
        CannotStart, match=rf"is open in another process \(PID {other.pid}\): stop that one"
    ) as caught:
        await open_database(settings(data))
    await other.communicate(b"")
    assert not caught.value.final


async def test_a_schema_that_is_not_ours_is_told_with_the_way_back(data: Path) -> None:
    db = await open_database(settings(data))
    await db.execute("INSERT INTO schema_migrations VALUES ('0999_more', $1, 'x')", now())
    await db.close()
    with pytest.raises(
        CannotStart,
        match=r"is newer than this version, which knows no 0999_more: start the version that made "
        r"it, or put back",
    ):
        await open_database(settings(data))


async def test_a_server_that_does_not_have_what_the_address_says(
    postgres: Postgres, tmp_path: Path
) -> None:
    """No part of a password is repeated, even if a character in it makes the address another
    one."""
    known = postgres.url("postgres")
    socket = known.partition("?")[2]
    for url, said, final in [
        (
            postgres.url("nothing"),
            'has no such database, create it there first: database "nothing" does not exist',
            True,
        ),
        (
            f"postgresql://nobody:hunter2@/postgres?{socket}",
            'does not let us in: role "nobody" does not exist',
            True,
        ),
        (
            "postgresql://u:hunter2@127.0.0.1:1/x",
            r"PostgreSQL server of DATABASE_URL \(127\.0\.0\.1\) cannot be used: .*Connect",
            False,
        ),
        (
            "postgresql://u:hun/ter2@127.0.0.1/x",
            "DATABASE_URL cannot be read; it should be postgresql://user",
            True,
        ),
        (
            "postgresql://u:hunter2@[::1/x",
            "DATABASE_URL cannot be read; it should be postgresql://user",
            True,
        ),
    ]:
        with pytest.raises(CannotStart, match=said) as caught:
            await open_database(settings(tmp_path, url))
        assert (caught.value.final, "ter2" in str(caught.value)) == (final, False), url


async def test_a_user_who_may_make_no_tables_is_told_so(postgres: Postgres, tmp_path: Path) -> None:
    async with postgres.connected("postgres") as server:
        await server.execute("CREATE ROLE guest LOGIN")
        await server.execute("CREATE DATABASE bare")
    async with postgres.connected("bare") as bare:
        await bare.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    with pytest.raises(
        CannotStart,
        match="may not make tables, make it the owner of its database: permission denied",
    ):
        await open_database(settings(tmp_path, postgres.url("bare").replace("postgres@", "guest@")))
    async with postgres.connected("postgres") as server:
        await server.execute("DROP DATABASE bare WITH (FORCE)")
        await server.execute("DROP ROLE guest")


async def test_a_database_that_grew_may_use_more_memory(tmp_path: Path) -> None:
    async def limit(db: DuckDb) -> float:
        row = await db.fetch_one("SELECT current_setting('memory_limit') AS said")
        assert row is not None
        assert str(row["said"]).endswith(" MiB")
        return float(str(row["said"]).removesuffix(" MiB")) * 1.048576

    db = await open_duckdb(tmp_path / "app.duckdb")
    assert round(await limit(db)) == SERVING
    await db.execute(
        "CREATE TABLE grown AS SELECT md5(CAST(i AS TEXT)) AS x FROM range(500000) r(i)"
    )
    await db.checkpoint()
    await db.grow()
    grown = (tmp_path / "app.duckdb").stat().st_size / 1_000_000
    assert grown > 5
    assert await limit(db) == pytest.approx(SERVING + grown * OF_FILE, abs=1)
    await db.close()
    again = await open_duckdb(tmp_path / "app.duckdb")
    assert await limit(again) == pytest.approx(SERVING + grown * OF_FILE, abs=1)
    await again.close()


async def test_every_index_of_a_new_store_leaves_half_of_the_memory(duckdb_path: Path) -> None:
    db = await open_duckdb(duckdb_path)
    await add_samples(db)
    row = await db.fetch_one(
        "SELECT CAST(sum(memory_usage_bytes) AS BIGINT) AS bytes FROM duckdb_memory()"
    )
    assert row is not None
    assert 0 < row["bytes"] < SERVING * 1_000_000 / 2
    await db.close()


async def test_a_file_that_is_filled_may_use_more_memory_with_each_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_tables, "COMMITTED_AFTER", 1)
    file = tmp_path / "app.duckdb"
    with duckdb_tables.duckdb_tables(file, read_only=False) as tables:
        await tables.fetch("SET wal_autocheckpoint = '1KB'")
        await tables.fetch("CREATE TABLE filled (x TEXT)")
        await tables.write(
            "filled", {"x": "TEXT"}, [(f"{random.random()}",) for _ in range(99_999)]
        )
        (row,) = await tables.fetch("SELECT current_setting('memory_limit') AS said")
        limit = float(str(row["said"]).removesuffix(" MiB")) * 1.048576
        assert limit == pytest.approx(float(memory_limit(file).removesuffix("MB")), abs=0.5)
        assert limit > WRITING_ALL + 0.5
