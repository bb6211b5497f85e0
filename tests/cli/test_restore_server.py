"""Backups of both engines in a PostgreSQL database, and the care for one that was restored by
`pg_restore`."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from api.admin.backups import BackupPlan, Backups
from api.database import open_database
from api.db import Db, home
from api.db.open import open_db
from api.settings import Settings
from api.start_errors import CannotStart
from cli.after_restore import settle_now
from cli.errors import CommandRefused
from cli.restore import restore
from tests.conftest import Postgres, run
from tests.sample_rows import ROWS, add_samples, contents

CARED_FOR = {
    "audit",
    "bot_processes",
    "bot_updates",
    "broadcast_chats",
    "broadcasts",
    "deliveries",
    "generations",
    "idempotency",
    "leases",
    "marks",
    "one_time_tokens",
    "sessions",
}
"""Tables that a restore changes."""


@pytest.fixture
def folder(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the data folder of `./run` on the PostgreSQL database while no api runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    return tmp_path / "data"


def asked(target: str | Path, *statements: str) -> Sequence[Any]:
    async def act() -> Sequence[Any]:
        db = await open_db(target)
        try:
            found: list[Any] = []
            for statement in statements:
                found += await db.fetch(statement)
            return found
        finally:
            await db.close()

    return run(act())


def backup_of(target: str | Path, folder: Path, prepare: Callable[[Db], Any] = add_samples) -> Path:
    async def act() -> Path:
        db = await open_db(target)
        try:
            await prepare(db)
            plan = BackupPlan(folder, 0, 9, server=str(target))
            return folder / (await Backups(db, plan).make(None)).name
        finally:
            await db.close()

    return run(act())


def restored(file: Path, *, replace: bool = False) -> str:
    """Run the command outside of a test's loop."""

    async def act() -> str:
        return await asyncio.to_thread(restore, file, replace=replace)

    return run(act())


def settled(*, same: bool) -> str:
    async def act() -> str:
        return await asyncio.to_thread(settle_now, same=same)

    return run(act())


def everything(target: str | Path) -> dict[str, list[tuple[object, ...]]]:
    async def act() -> dict[str, list[tuple[object, ...]]]:
        db = await open_db(target)
        try:
            return await contents(db)
        finally:
            await db.close()

    return run(act())


@pytest.mark.parametrize("engine", ["duckdb", "postgresql"])
def test_a_backup_of_either_engine_fills_an_empty_server(
    engine: str, folder: Path, postgres: Postgres, postgres_url: str, duckdb_path: Path
) -> None:
    source = duckdb_path if engine == "duckdb" else run(postgres.take())
    address = str(source) if engine == "duckdb" else postgres.url(str(source))
    made = backup_of(address, folder.parent)
    before = everything(address)
    if engine == "postgresql":
        run(postgres.give_back(str(source)))
    assert "is in the database" in restored(made)
    after = everything(postgres_url)
    assert {name for name in after if after[name] != before[name]} <= CARED_FOR
    open_ones = "SELECT id FROM sessions WHERE revoked_at IS NULL"
    assert asked(postgres_url, open_ones, "SELECT token_hash FROM one_time_tokens") == []
    assert asked(postgres_url, "SELECT id FROM generations WHERE status = 'queued'") == []
    for table in ("bot_updates", "bot_processes", "leases"):
        assert after[table] == [], "or what was answered since would be answered and paid again"
    assert len(after["bot_updates_seen"]) == ROWS
    assert len(after["generations"]) == ROWS
    assert list(folder.iterdir()) == []
    run(opened(folder, postgres_url))


async def opened(folder: Path, url: str) -> None:
    db = await open_database(Settings(_env_file=None, data_dir=folder, database_url=url))
    await db.close()


def test_a_server_with_rows_is_replaced_only_when_asked_and_keeps_the_old(
    folder: Path, postgres_url: str, duckdb_path: Path
) -> None:
    made = backup_of(duckdb_path, folder.parent)
    asked(postgres_url, "INSERT INTO marks (name, created_at) VALUES ('precious', now())")
    with pytest.raises(CommandRefused, match=r"its table marks has rows. Give --replace"):
        restored(made)
    assert asked(postgres_url, "SELECT name FROM marks")[0]["name"] == "precious"
    held = "INSERT INTO leases VALUES ('duties', 'x', 1, now() + INTERVAL '1 minute')"
    asked(postgres_url, held)
    with pytest.raises(CommandRefused, match="is in use: stop every api"):
        restored(made, replace=True)
    asked(postgres_url, "DELETE FROM leases")
    said = restored(made, replace=True)
    schema = said.partition("in the schema ")[2].partition(".")[0]
    assert [row["name"] for row in asked(postgres_url, f"SELECT name FROM {schema}.marks")] == [
        "precious"
    ]
    assert len(everything(postgres_url)["users"]) == ROWS
    asked(postgres_url, f"DROP SCHEMA {schema} CASCADE")


def test_a_refused_restore_leaves_nothing_behind(
    folder: Path, postgres_url: str, tmp_path: Path
) -> None:
    (tmp_path / "none.zip").write_bytes(b"")
    for file in ("none.zip", "gone.zip"):
        with pytest.raises(CommandRefused, match="nothing was changed"):
            restored(tmp_path / file)
    assert not folder.exists() or list(folder.iterdir()) == []
    assert asked(postgres_url, "SELECT name FROM marks") == []


async def copy_of(postgres: Postgres, url: str) -> str:
    """Return a database with the same rows at another place, as `pg_restore` makes it."""
    name = "copied"
    async with postgres.connected("postgres") as server:
        await server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await server.execute(
            f"CREATE DATABASE {name} TEMPLATE {url.partition('@/')[2].partition('?')[0]}"
        )
    return postgres.url(name)


def test_a_restored_dump_starts_only_after_its_care(
    folder: Path, postgres: Postgres, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(opened(folder, postgres_url))
    run(opened(folder, postgres_url))  # at home
    session = (
        "INSERT INTO sessions (id, user_id, client, ip, created_at, last_seen_at, expires_at) "
        "VALUES ('s', 'u', '', '', now(), now(), now())"
    )
    asked(postgres_url, session)
    copy = run(copy_of(postgres, postgres_url))
    with pytest.raises(CannotStart, match=r"was restored, or brought here.*after-restore --same"):
        run(opened(folder, copy))
    monkeypatch.setenv("DATABASE_URL", copy)
    assert "takes this database" in settled(same=True)
    run(opened(folder, copy))
    assert asked(copy, "SELECT revoke_reason FROM sessions")[0]["revoke_reason"] is None
    again = run(copy_of(postgres, postgres_url))
    asked(again, "INSERT INTO leases VALUES ('duties', 'x', 1, now() + INTERVAL '1 minute')")
    with pytest.raises(CommandRefused, match="is in use"):
        settled(same=False)
    asked(again, "UPDATE leases SET held_until = now()")
    assert "Ready to start" in settled(same=False)
    run(opened(folder, again))
    assert asked(again, "SELECT revoke_reason FROM sessions")[0]["revoke_reason"] == "restore"
    assert (
        len(asked(again, f"SELECT name FROM marks WHERE starts_with(name, '{home.PREFIX}')")) == 1
    )


def test_the_care_works_for_a_file_that_was_copied_back_by_hand(
    folder: Path, duckdb_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"duckdb://{duckdb_path}")
    run(filled(duckdb_path))
    settled(same=False)
    assert asked(duckdb_path, "SELECT id FROM sessions WHERE revoked_at IS NULL") == []


async def filled(path: Path) -> None:
    db = await open_db(path)
    await add_samples(db)
    await db.execute("UPDATE leases SET held_until = now()")
    await db.close()
