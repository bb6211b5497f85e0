"""Applied migrations are recorded with their checksums and compared; landed files do not change."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.database import about_server
from api.db import Db, DbUnavailable
from api.db import migrate as migrate_module
from api.db.migrate import MIGRATIONS, WrongSchema, migrate, migrations
from api.db.open import open_db
from api.db.postgres_tables import postgres_tables
from tests.conftest import Postgres

LANDED = MIGRATIONS / "landed.txt"


def listed() -> dict[str, str]:
    """Return the checksum of each landed file."""
    return {
        name: checksum
        for checksum, name in (line.split() for line in LANDED.read_text().splitlines())
    }


def test_a_file_that_has_landed_is_as_it_was_and_a_new_one_is_listed() -> None:
    now = {f"{each.name}.sql": each.checksum for each in migrations(MIGRATIONS)}
    changed = sorted(name for name, checksum in listed().items() if now.get(name) != checksum)
    assert not changed, (
        f"databases were made with these files, so they never change, write a new one: {changed}"
    )
    new = "\n".join(f"{now[name]}  {name}" for name in sorted(now.keys() - listed().keys()))
    assert not new, f"add to {LANDED.name}, in its place:\n{new}"


@pytest.fixture
async def db(database: str) -> AsyncIterator[Db]:
    """Open a database and drop its list of migrations afterwards, so that no other test is given
    it."""
    opened = await open_db(database)
    yield opened
    await opened.execute("DROP TABLE IF EXISTS schema_migrations")
    await opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))


async def test_a_migration_does_not_wait_long_for_a_backup(
    postgres_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or all requests would wait behind it."""
    monkeypatch.setattr(migrate_module, "LOCK_TIMEOUT", "200ms")
    (folder / "0998_later.sql").write_text("ALTER TABLE marks ADD COLUMN later TEXT")
    db = await open_db(postgres_url)
    async with asyncio.timeout(20), postgres_tables(postgres_url, read_only=True) as backup:
        await backup.fetch("SELECT name FROM marks")
        with pytest.raises(DbUnavailable) as caught:
            await migrate(db, folder)
    assert caught.value.__cause__ is not None
    said = about_server(caught.value.__cause__, postgres_url)
    assert "while a long transaction reads it" in str(said)
    assert not said.final
    assert await migrate(db, folder) == ["0998_later"]
    await db.execute("ALTER TABLE marks DROP COLUMN later")
    await db.execute("DROP TABLE schema_migrations")
    await db.close()


async def forget_checksums(db: Db) -> None:
    """Make the list look as earlier versions left it."""
    await db.execute("ALTER TABLE schema_migrations DROP COLUMN checksum")


async def checksums(db: Db) -> dict[str, str | None]:
    return {
        row["name"]: row["checksum"]
        for row in await db.fetch("SELECT name, checksum FROM schema_migrations")
    }


async def refused(db: Db, folder: Path = MIGRATIONS) -> tuple[str, str]:
    with pytest.raises(WrongSchema) as caught:
        await migrate(db, folder)
    return caught.value.reason, caught.value.subject


async def test_each_applied_file_has_its_checksum(db: Db) -> None:
    assert await migrate(db) == []
    there = await checksums(db)
    assert {f"{name}.sql": checksum for name, checksum in there.items()}.items() <= listed().items()
    assert {"0001_first", "0003_generations"} <= there.keys()
    assert any("postgresql" in name for name in there) == (db.engine == "postgresql")


async def test_a_file_that_is_not_the_same_any_more_is_refused_before_anything_is_applied(
    db: Db, folder: Path
) -> None:
    with (folder / "0003_generations.sql").open("a") as file:
        file.write("\n-- a word more\n")
    (folder / "0099_more.sql").write_text("CREATE TABLE more (id TEXT PRIMARY KEY);")
    assert await refused(db, folder) == ("changed", "0003_generations")
    assert "0099_more" not in await checksums(db)


async def test_a_database_that_newer_code_made_is_refused(db: Db, folder: Path) -> None:
    (folder / "0099_more.sql").write_text("CREATE TABLE more (id TEXT PRIMARY KEY);")
    assert await migrate(db, folder) == ["0099_more"]
    assert await refused(db) == ("newer", "0099_more")


async def test_a_lower_number_that_comes_later_is_applied(db: Db, folder: Path) -> None:
    for name in ("0099_late", "0098_later"):
        (folder / f"{name}.sql").write_text(f"CREATE TABLE {name[5:]} (id TEXT PRIMARY KEY);")
        assert await migrate(db, folder) == [name]
    assert await migrate(db, folder) == []


async def test_a_database_of_before_checksums_is_taken_when_its_columns_are_right(db: Db) -> None:
    before = await checksums(db)
    await forget_checksums(db)
    assert await migrate(db) == []
    assert await checksums(db) == before


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ("ALTER TABLE media DROP COLUMN copy_most", "media.copy_most"),
        ("ALTER TABLE broadcasts ADD COLUMN platforms_json TEXT", "broadcasts.platforms_json"),
        ("DROP TABLE chats_left", "chats_left.chat_id"),
    ],
    ids=["a column is missing", "a column is too much", "a table is missing"],
)
async def test_one_whose_files_were_edited_after_it_was_made_is_refused(
    change: str, subject: str, db: Db
) -> None:
    """Each of these edits was made to a landed file once, and an older database then started as if
    all was well."""
    await forget_checksums(db)
    await db.execute(change)
    assert await refused(db) == ("other_form", subject)
    assert (await db.fetch("SELECT * FROM schema_migrations"))[0].keys() == {"name", "applied_at"}


async def test_processes_that_start_at_once_on_an_empty_server_all_start(
    postgres: Postgres,
) -> None:
    name = await postgres.take()
    async with postgres.connected(name) as database:
        await database.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    dbs = [await open_db(postgres.url(name)) for _ in range(4)]
    applied = [names for names in await asyncio.gather(*(migrate(each) for each in dbs)) if names]
    for each in dbs:
        await each.close()
    each_once = [name for names in applied for name in names]
    assert len(each_once) == len(set(each_once))
    assert "0001_first" in each_once
    async with postgres.connected("postgres") as server:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
