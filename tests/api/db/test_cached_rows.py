"""Rows cached in memory are never older than the last write whose success was reported."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.db import Db, Duplicate
from api.db.cached_rows import MOST_ROWS, TABLES, CachedRows, key_of
from api.db.duckdb import BATCH_MAX, open_duckdb
from api.ids import now

INSERT = "INSERT INTO studio_settings (name, value_json, changed_at) VALUES ($1, $2, $3)"
UPDATE = "UPDATE studio_settings SET value_json = $2 WHERE name = $1"
READ = "SELECT value_json FROM studio_settings WHERE name = $1"


async def value(db: Db, name: str = "n") -> str | None:
    row = await db.fetch_one(READ, name)
    return str(row["value_json"]) if row else None


@pytest.fixture
async def filled(db: Db) -> Db:
    await db.execute(INSERT, "n", "0", now())
    assert await value(db) == "0"
    return db


async def test_a_write_is_seen_by_every_read_after_it(filled: Db) -> None:
    await filled.execute(UPDATE, "n", "1")
    assert await value(filled) == "1"
    assert await filled.fetch(
        "UPDATE studio_settings SET value_json = '2' WHERE name = $1 RETURNING name", "n"
    )
    assert await value(filled) == "2"
    await filled.execute("DELETE FROM studio_settings")
    assert await value(filled) is None
    await filled.execute(INSERT, "n", "3", now())
    assert await value(filled) == "3"


WAYS = {
    "update studio_settings set value_json = '1' where name = 'n'": "1",
    "Update Studio_Settings\nSet value_json = '1'": "1",
    "UPDATE \"STUDIO_SETTINGS\" SET value_json = '1'": "1",
    "insert into studio_settings select * from studio_settings on conflict (name) "
    "do update set value_json = '1'": "1",
    "/* first */ -- why\n with taken as (select '1' as json) update main.studio_settings set "
    "value_json = json from taken": "1",
    "delete from studio_settings": None,
    "TRUNCATE studio_settings": None,
    "truncate table studio_settings": None,
    "merge into studio_settings using (select 'n' as name) given using (name) "
    "when matched then delete": None,
}


@pytest.mark.parametrize("database", ["duckdb"], indirect=True)
@pytest.mark.parametrize("way", ["execute", "fetch", "transaction"])
@pytest.mark.parametrize("query", WAYS)
async def test_a_write_in_whatever_words_is_seen(filled: Db, query: str, way: str) -> None:
    if way == "transaction":
        async with filled.transaction() as sql:
            await sql.execute(query)
    else:
        await (filled.execute(query) if way == "execute" else filled.fetch(query))
    assert await value(filled) == WAYS[query]


@pytest.mark.parametrize("database", ["duckdb"], indirect=True)
async def test_a_write_that_does_not_name_its_table_is_seen(filled: Db) -> None:
    """The statement is prepared, so that the executed text holds only its name."""
    async with filled.transaction() as sql:
        await sql.execute("PREPARE later AS UPDATE studio_settings SET value_json = '1'")
    assert await value(filled) == "0"
    async with filled.transaction() as sql:
        await sql.execute("execute later")
    assert await value(filled) == "1"


@pytest.mark.parametrize("database", ["duckdb"], indirect=True)
async def test_reading_in_a_transaction_forgets_nothing(filled: Db) -> None:
    first = await filled.fetch_one(READ, "n")
    async with filled.transaction() as sql:
        await sql.fetch("SELECT * FROM studio_settings WHERE name = 'n'")
        await sql.fetch("select name from studio_settings")
        await sql.execute("insert into marks (name, created_at) values ('a', $1)", now())
    assert await filled.fetch_one(READ, "n") is first


@pytest.mark.parametrize("database", ["duckdb"], indirect=True)
async def test_cached_rows_cannot_be_changed_by_their_reader(filled: Db) -> None:
    for _ in range(2):
        rows: Any = await filled.fetch(READ, "n")
        with pytest.raises(TypeError):
            rows[0]["value_json"] = "mine"
        rows[0] = {"value_json": "mine"}
        rows.clear()
        assert await value(filled) == "0"


async def test_writes_of_one_batch_are_seen(filled: Db) -> None:
    """This includes a batch that fails as a whole and is repeated one by one."""
    for taken in ("other", "n"):
        written = [filled.execute(UPDATE, "n", taken), filled.execute(INSERT, taken, "x", now())]
        results = await asyncio.gather(*written, return_exceptions=True)
        assert isinstance(results[1], Duplicate) == (taken == "n")
        assert await value(filled) == taken


async def test_a_transaction_is_seen_when_it_is_committed_and_not_before(filled: Db) -> None:
    async with filled.transaction() as sql:
        await sql.execute(UPDATE, "n", "1")
        assert await value(filled) == "0"
    assert await value(filled) == "1"


async def test_a_write_that_was_rolled_back_is_never_seen(filled: Db) -> None:
    async def fail() -> None:
        async with filled.transaction() as sql:
            await sql.execute(UPDATE, "n", "1")
            await sql.execute(INSERT, "n", "2", now())

    with pytest.raises(Duplicate):
        await fail()
    assert await value(filled) == "0"
    await filled.execute(UPDATE, "n", "3")
    assert await value(filled) == "3"


async def test_a_commit_that_nobody_waits_for_is_seen(filled: Db) -> None:
    async def change() -> None:
        async with filled.transaction() as sql:
            await sql.execute(UPDATE, "n", "1")
            asyncio.get_running_loop().call_soon(task.cancel)

    task = asyncio.create_task(change())
    await asyncio.wait({task})
    await filled.execute("UPDATE marks SET name = name")  # behind it on the writer's thread
    whole = await filled.fetch(
        "SELECT value_json, (SELECT count(*) FROM marks) AS marks "
        "FROM studio_settings WHERE name = 'n'"
    )
    assert await value(filled) == whole[0]["value_json"]


async def test_readers_beside_a_writer_never_fall_behind_it(filled: Db) -> None:
    told = 0

    async def read() -> None:
        while told < 200:
            least = told
            found = await value(filled)
            assert found is not None
            assert int(found) >= least
            await asyncio.sleep(0)

    readers = [asyncio.create_task(read()) for _ in range(8)]
    for number in range(1, 201):
        await filled.execute(UPDATE, "n", str(number))
        told = number
    await asyncio.gather(*readers)


async def test_rows_that_a_write_has_overtaken_are_not_kept(
    duckdb_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write comes between the answer of the read and the moment the cache would keep it."""
    has_read, go_on = threading.Event(), threading.Event()
    fits = CachedRows.fits

    def held(kept: CachedRows, query: str, tables: Callable[[], list[str]]) -> bool:
        has_read.set()
        assert go_on.wait(30)
        return fits(kept, query, tables)

    db = await open_duckdb(duckdb_path)
    try:
        await db.execute(INSERT, "n", "0", now())
        monkeypatch.setattr(CachedRows, "fits", held)
        reading = asyncio.create_task(value(db))
        await asyncio.to_thread(has_read.wait, 30)
        await db.execute(UPDATE, "n", "1")
        go_on.set()
        assert await reading == "0"
        assert await value(db) == "1"
    finally:
        go_on.set()
        await db.close()


async def test_only_tables_that_are_named_are_kept_and_they_are(duckdb_path: Path) -> None:
    db = await open_duckdb(duckdb_path)
    try:
        tables = {
            row["name"] for row in await db.fetch("SELECT table_name AS name FROM duckdb_tables()")
        }
        assert tables > TABLES
        both = "SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM marks) AS marks"
        assert (await db.fetch(both))[0]["marks"] == 0
        await db.execute("INSERT INTO marks (name, created_at) VALUES ('a', $1)", now())
        assert (await db.fetch(both))[0]["marks"] == 1
        assert (await db.fetch(both.replace("FROM marks", "from Marks")))[0]["marks"] == 1
        await db.execute(INSERT, "n", "0", now())
        first = await db.fetch_one(READ, "n")
        assert await db.fetch_one(READ, "n") is first
        await db.execute("DELETE FROM marks")
        assert (await db.fetch(both.replace("FROM marks", "from Marks")))[0]["marks"] == 0
        assert await db.fetch_one(READ, "n") is first
    finally:
        await db.close()


async def test_many_at_once_are_one_commit_and_seen(filled: Db) -> None:
    await asyncio.gather(
        *(filled.execute(INSERT, f"k{number}", "x", now()) for number in range(BATCH_MAX * 2))
    )
    assert [await value(filled, f"k{number}") for number in (0, BATCH_MAX * 2 - 1)] == ["x", "x"]


def test_it_does_not_grow_for_ever() -> None:
    kept = CachedRows()
    for number in range(3 * MOST_ROWS):
        kept.keep(kept.version, key_of("q", [number, [number]]), ())
    assert len(kept._answers) <= MOST_ROWS + 1
    assert kept.get(kept.version, key_of("q", [3 * MOST_ROWS - 1, [3 * MOST_ROWS - 1]])) == []
