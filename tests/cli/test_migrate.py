"""`./run migrate --plan`: what an upgrade would do, without doing it."""

import asyncio
import shutil
from pathlib import Path

import pytest

from api.db.migrate import MIGRATIONS, migrate, migrations
from api.db.open import open_db
from cli.errors import CommandRefused
from cli.migrate import migrate_now, print_plan
from tests.conftest import Postgres, run
from tests.sample_rows import add_samples

OLD = "0021_spend_days"
ROWS = 3


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def old_form(target: str, folder: Path) -> None:
    """Make a database of an earlier version with rows in every table."""
    shutil.copytree(MIGRATIONS, folder)
    for path in folder.glob("*.sql"):
        if path.name.split(".")[0] > OLD:
            path.unlink()

    async def make() -> None:
        db = await open_db(target)
        await migrate(db, folder)
        await add_samples(db, ROWS)
        await db.close()

    run(make())


def planned() -> None:
    """Run the command outside of a test's loop."""

    async def act() -> None:
        await asyncio.to_thread(print_plan)

    run(act())


def test_the_plan_of_a_file_names_migrations_rows_and_the_backup(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandRefused, match="There is no database"):
        planned()
    file = data / "app.duckdb"
    old_form(str(file), tmp_path / "old")
    before = file.read_bytes()
    planned()
    said = capsys.readouterr().out
    late = [each.name for each in migrations(MIGRATIONS) if each.engine is None and each.name > OLD]
    assert f"{len(late)} migrations would be applied" in said
    assert all(f"  {name} " in said for name in late)
    assert f"changes the form of deliveries ({ROWS} rows)" in said
    assert "There is no backup" in said
    assert file.read_bytes() == before
    (data / "backups").mkdir()
    (data / "backups" / "allucanget-20260101-000000.zip").write_bytes(b"")
    assert migrate_now().startswith("Applied: ")
    planned()
    said = capsys.readouterr().out
    assert "It is up to date." in said
    assert "The newest backup, allucanget-20260101-000000.zip, is " in said


def test_the_plan_of_a_server_changes_nothing(
    data: Path, postgres: Postgres, postgres_url: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    planned()
    assert "It is up to date." in capsys.readouterr().out

    async def age() -> None:
        db = await open_db(postgres_url)
        await db.execute("DELETE FROM schema_migrations WHERE name LIKE '0009%'")
        await db.close()

    run(age())
    planned()
    said = capsys.readouterr().out
    assert "1 migrations would be applied" in said
    assert "goes through " in said
    assert "Whoever uses these tables waits meanwhile." in said

    async def newer() -> None:
        db = await open_db(postgres_url)
        await db.execute("INSERT INTO schema_migrations (name, applied_at) VALUES ('0999', now())")
        await db.close()

    run(newer())
    with pytest.raises(CommandRefused, match="is newer than this version"):
        planned()
    run(drop(postgres_url))


async def drop(url: str) -> None:
    """Drop the list of migrations, so that no other test is given this database."""
    db = await open_db(url)
    await db.execute("DROP TABLE schema_migrations")
    await db.close()
