"""Both engines keep the same promises behind the four calls."""

import asyncio
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from shutil import copytree

import pytest

from api.db import Db, DbUnavailable, Duplicate, OutOfMemory
from api.db.duckdb import BATCH_MAX, DuckDb, log_of, open_duckdb
from api.db.migrate import MIGRATIONS, migrate
from api.ids import now

INSERT = "INSERT INTO marks (name, created_at) VALUES ($1, $2)"


async def names(db: Db) -> set[str]:
    return {row["name"] for row in await db.fetch("SELECT name FROM marks")}


async def test_values_come_back_as_they_went_in(db: Db) -> None:
    at = now()
    await db.execute(INSERT, "ä \u200f🦊", at)
    row = await db.fetch_one("SELECT name, created_at, NULL AS nothing FROM marks")
    assert row == {"name": "ä \u200f🦊", "created_at": at, "nothing": None}
    assert row is not None
    assert row["created_at"].utcoffset().total_seconds() == 0


async def test_text_that_no_engine_can_keep_is_kept_as_near_as_can_be(db: Db) -> None:
    await db.execute(INSERT, "nul\x00 half \ud83d pair \ud83d\ude00", now())
    async with db.transaction() as sql:
        await sql.execute(INSERT, "\ude00 alone", now())
    assert await names(db) == {"nul half \ufffd pair 😀", "\ufffd alone"}
    found = await db.fetch("SELECT name FROM marks WHERE name = ANY($1::text[])", ["\ud83d alone"])
    assert [row["name"] for row in found] == ["\ufffd alone"]


async def test_what_is_too_large_for_the_memory_is_told_from_a_database_that_is_away(
    tmp_path: Path,
) -> None:
    db = await open_duckdb(tmp_path / "a.duckdb")
    try:
        await db.execute("SET memory_limit = '1MB'")
        with pytest.raises(OutOfMemory):
            await db.fetch("SELECT list(repeat('x', 100) || range) FROM range(1000000)")
        await db.execute("SET memory_limit = '100MB'")
        assert await db.fetch_one("SELECT 1 AS one") == {"one": 1}
    finally:
        await db.close()


async def test_a_taken_key_is_a_duplicate(db: Db) -> None:
    await db.execute(INSERT, "a", now())
    with pytest.raises(Duplicate):
        await db.execute(INSERT, "a", now())


async def test_writes_at_once_each_get_their_own_result(db: Db) -> None:
    """They are more than a batch, and half are duplicates: a failing write does not take others
    with it."""
    tries = [db.execute(INSERT, str(number // 2), now()) for number in range(BATCH_MAX * 4)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, Duplicate) for result in results) == BATCH_MAX * 2
    assert all(result is None or isinstance(result, Duplicate) for result in results)
    assert len(await names(db)) == BATCH_MAX * 2


class Nowhere(tzinfo):
    """A time zone that breaks the driver with an error that is not the driver's, as any value
    may."""

    def utcoffset(self, _: datetime | None) -> timedelta:
        raise ValueError("no such place")


async def test_a_value_that_breaks_the_driver_holds_up_nobody(db: Db) -> None:
    """The value is tried on its own and among others."""
    for others in (0, 2):
        tries = [db.execute(INSERT, f"{others} {number}", now()) for number in range(others)]
        tries.insert(1, db.execute(INSERT, "broken", datetime(2026, 1, 1, tzinfo=Nowhere())))  # type: ignore[abstract]
        results = await asyncio.wait_for(asyncio.gather(*tries, return_exceptions=True), 10)
        assert [isinstance(result, Exception) for result in results].count(True) == 1
    assert await names(db) == {"2 0", "2 1"}


async def test_a_transaction_is_whole_or_nothing(db: Db) -> None:
    async def interrupted() -> None:
        async with db.transaction() as sql:
            await sql.execute(INSERT, "lost", now())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await interrupted()
    async with db.transaction() as sql:
        await sql.execute(INSERT, "kept", now())
        assert await sql.fetch_one("SELECT name FROM marks WHERE name = $1", "kept")
    assert await names(db) == {"kept"}


async def test_nobody_sees_an_open_transaction(db: Db) -> None:
    async with db.transaction() as sql:
        await sql.execute(INSERT, "hidden", now())
        assert await names(db) == set()
    assert await names(db) == {"hidden"}


async def test_a_swallowed_error_does_not_commit_the_rest_in_silence(db: Db) -> None:
    await db.execute(INSERT, "taken", now())

    async def careless() -> None:
        async with db.transaction() as sql:
            await sql.execute(INSERT, "first", now())
            with pytest.raises(Duplicate):
                await sql.execute(INSERT, "taken", now())

    with pytest.raises(DbUnavailable):
        await careless()
    assert await names(db) == {"taken"}


async def test_a_cancelled_transaction_leaves_nothing_and_frees_the_writer(db: Db) -> None:
    inside = asyncio.Event()

    async def hangs() -> None:
        async with db.transaction() as sql:
            await sql.execute(INSERT, "half", now())
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hangs())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await db.execute(INSERT, "after", now())
    assert await names(db) == {"after"}


async def test_cancelling_at_any_statement_leaves_the_engine_usable(db: Db) -> None:
    async def works(number: int) -> None:
        async with db.transaction() as sql:
            await sql.execute(INSERT, f"{number}-a", now())
            await sql.execute(INSERT, f"{number}-b", now())

    for turns in range(12):
        task = asyncio.create_task(works(turns))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    kept = await names(db)
    found = {name.removesuffix("-a") for name in kept if name.endswith("-a")}
    assert found == {name.removesuffix("-b") for name in kept if name.endswith("-b")}
    await db.execute(INSERT, "still works", now())


async def test_a_read_modify_write_under_transactions_loses_no_update(db: Db) -> None:
    await db.execute(
        "INSERT INTO budgets (scope, month, held_micro, spent_micro) VALUES ('s', 'm', 0, 0)"
    )

    async def add() -> None:
        async with db.transaction() as sql:
            await sql.execute(
                "UPDATE budgets SET held_micro = held_micro + 1 WHERE scope = $1 AND month = $2",
                "s",
                "m",
            )

    await asyncio.gather(*[add() for _ in range(40)])
    assert await db.fetch_one("SELECT held_micro FROM budgets") == {"held_micro": 40}


async def test_migrations_are_applied_once(db: Db) -> None:
    assert await migrate(db) == []


async def test_a_migration_that_fails_leaves_nothing_and_can_be_repeated(
    db: Db, tmp_path: Path
) -> None:
    folder = Path(copytree(MIGRATIONS, tmp_path / "migrations"))
    file = folder / "0099_more.sql"
    file.write_text(
        "CREATE TABLE half (id TEXT PRIMARY KEY); CREATE TABLE broken (id NO_SUCH_TYPE);"
    )
    with pytest.raises(Exception, match=r"(?i)no_such_type"):
        await migrate(db, folder)
    file.write_text("CREATE TABLE half (id TEXT PRIMARY KEY);")
    assert await migrate(db, folder) == ["0099_more"]
    assert await db.fetch("SELECT id FROM half") == []


async def test_a_second_opening_of_the_file_is_refused_in_words(duckdb_path: Path) -> None:
    db = await open_duckdb(duckdb_path)
    code = f"import duckdb; duckdb.connect({str(duckdb_path)!r})"
    from sys import executable

    process = await asyncio.create_subprocess_exec(
        executable, "-c", code, stderr=asyncio.subprocess.PIPE
    )
    _, stderr = await process.communicate()
    await db.close()
    assert b"lock" in stderr


async def test_acknowledged_writes_are_there_after_kill(tmp_path: Path) -> None:
    """A child reports each write and is killed in the middle; no reported write is missing."""
    from signal import SIGKILL
    from sys import executable

    code = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom api.db.duckdb import open_duckdb\n"
        "from api.db.migrate import migrate\nfrom api.ids import now\n"
        "async def main():\n    db = await open_duckdb(Path(sys.argv[1])); await migrate(db)\n"
        "    for number in range(100000):\n"
        f"        await db.execute({INSERT!r}, str(number), now()); print(number, flush=True)\n"
        "asyncio.run(main())\n"
    )
    path = tmp_path / "killed.duckdb"
    child = await asyncio.create_subprocess_exec(
        executable, "-c", code, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    said = [int(await child.stdout.readline()) for _ in range(50)]
    child.send_signal(SIGKILL)
    said += [int(line) for line in (await child.stdout.read()).splitlines()]
    await child.wait()
    db: DuckDb = await open_duckdb(path)
    found = await names(db)
    await db.close()
    assert {str(number) for number in said} <= found


async def test_a_file_that_others_could_read_is_made_private(duckdb_path: Path) -> None:
    log = log_of(duckdb_path)
    log.touch()
    for file in (duckdb_path, log):
        file.chmod(0o644)
    opened = await open_duckdb(duckdb_path)
    try:
        found = {oct(file.stat().st_mode & 0o777) for file in (duckdb_path, log) if file.exists()}
        assert found == {"0o600"}
    finally:
        await opened.close()
