"""Upgrades from every form that the database has had, with rows in every table, killed on the
way."""

import asyncio
import multiprocessing
import os
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path

import pytest

from api import fault_points
from api.db import Db
from api.db.migrate import MIGRATIONS, migrate, migrations
from api.db.open import open_db
from api.db.tables import Columns, columns_of
from tests.conftest import Postgres
from tests.sample_rows import add_samples, contents

ROWS = 2
RELEASES = {"0.1.0": "0011_words.postgresql.sql"}
"""The last line of `landed.txt` at each release."""
REWRITTEN = {("users", "language"), ("deliveries", "user_id")}
"""Columns whose values a migration changes."""


def landed() -> list[str]:
    """Return the files in the order in which they came to whoever follows the branch."""
    lines = (MIGRATIONS / "landed.txt").read_text(encoding="utf-8").splitlines()
    return [line.split()[1] for line in lines]


def is_for(engine: str, name: str) -> bool:
    return name.count(".") == 1 or name.split(".")[1] == engine


def test_every_release_is_one_of_these_forms() -> None:
    changelog = (MIGRATIONS.parents[2] / "CHANGELOG.md").read_text(encoding="utf-8")
    released = [
        line.split("]")[0].removeprefix("## [")
        for line in changelog.splitlines()
        if line.startswith("## [") and "Unreleased" not in line
    ]
    assert list(RELEASES) == released
    assert set(RELEASES.values()) <= set(landed())


def _start(target: str, armed: Path) -> None:
    """Start on the database, in a process of its own, as an api does."""
    os.environ[fault_points.VARIABLE] = str(armed)

    async def act() -> None:
        await migrate(await open_db(target))

    asyncio.run(act())


def killed_within_a_migration(target: str, folder: Path) -> None:
    """Start a process that is killed when the next migration is done and not committed."""
    armed = folder / "armed"
    armed.write_text("migrating")
    process = multiprocessing.get_context("forkserver").Process(
        target=_start, args=(target, armed), daemon=True
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


class DuckDbForms:
    """An empty database that gets one file after the other, and copies of it."""

    engine = "duckdb"
    since = ""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.base = str(folder / "base.duckdb")

    @asynccontextmanager
    async def copy(self) -> AsyncIterator[str]:
        path = Path(shutil.copyfile(self.base, self._folder / "copy.duckdb"))
        yield str(path)
        path.unlink()


class PostgresForms:
    engine = "postgresql"
    since = next(iter(RELEASES.values()))
    """The form to begin with: a database of a server takes longer to copy."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self.base = postgres.url("forms")

    async def _do(self, *statements: str) -> None:
        async with self._postgres.connected("postgres") as server:
            for statement in statements:
                await server.execute(statement)

    async def make(self) -> None:
        await self._do("DROP DATABASE IF EXISTS forms WITH (FORCE)", "CREATE DATABASE forms")

    @asynccontextmanager
    async def copy(self) -> AsyncIterator[str]:
        await self._do("CREATE DATABASE form TEMPLATE forms")
        yield self._postgres.url("form")
        await self._do("DROP DATABASE form WITH (FORCE)")


async def whole_form(db: Db) -> dict[str, Columns]:
    """Return tables, columns and types of a database with every migration."""
    await migrate(db)
    return await columns_of(db)


@asynccontextmanager
async def opened(target: str) -> AsyncIterator[Db]:
    db = await open_db(target)
    try:
        yield db
    finally:
        await db.close()


async def upgraded(forms: DuckDbForms | PostgresForms, tmp_path: Path) -> None:
    """Upgrade from each form in turn: killed within the first missing migration, nothing has
    changed; the next start applies all of them, and no row is lost. A kill between two migrations
    leaves the form that comes next."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    ours = [name for name in landed() if is_for(forms.engine, name)]
    forms_of = [(name, list(files)) for name, files in groupby(ours, lambda name: name[:4])]
    begun = False
    for number, (name, files) in enumerate(forms_of, 1):
        for file in files:
            shutil.copy(MIGRATIONS / file, folder)
        async with opened(forms.base) as base:
            await migrate(base, folder)
        begun = begun or forms.since in {"", *files}
        if not begun:
            continue
        async with forms.copy() as target:
            async with opened(target) as db:
                await add_samples(db, ROWS)
                before, form = await contents(db), await columns_of(db)
            if number < len(forms_of):
                await asyncio.to_thread(killed_within_a_migration, target, tmp_path)
            async with opened(target) as db:
                assert await contents(db) == before, f"{name}: a killed upgrade changed something"
                await migrate(db)
                applied = {row["name"] for row in await db.fetch("SELECT * FROM schema_migrations")}
                after, now = await contents(db), await columns_of(db)
        every = {
            each.name for each in migrations(MIGRATIONS) if each.engine in {None, forms.engine}
        }
        assert applied == every, name
        compare(name, (before, form), (after, now))


def compare(
    name: str,
    old: tuple[Mapping[str, list[tuple[object, ...]]], Mapping[str, Columns]],
    new: tuple[Mapping[str, list[tuple[object, ...]]], Mapping[str, Columns]],
) -> None:
    (before, form), (after, now) = old, new
    for table, columns in form.items():
        kept = [
            column
            for column in columns
            if column in now[table] and (table, column) not in REWRITTEN
        ]
        assert rows_of(before[table], columns, kept) == rows_of(after[table], now[table], kept), (
            f"from {name}: {table}"
        )


def rows_of(
    rows: list[tuple[object, ...]], columns: Columns, kept: list[str]
) -> list[tuple[object, ...]]:
    places = [list(columns).index(column) for column in kept]
    return sorted((tuple(row[place] for place in places) for row in rows), key=repr)


@pytest.mark.timeout(300)
async def test_every_form_of_duckdb_is_upgraded(tmp_path: Path, migrated_duckdb: Path) -> None:
    forms = DuckDbForms(tmp_path)
    await upgraded(forms, tmp_path)
    async with opened(forms.base) as db, opened(str(tmp_path / "new.duckdb")) as new:
        assert await columns_of(db) == await whole_form(new)


@pytest.mark.timeout(300)
async def test_every_form_of_postgresql_is_upgraded(tmp_path: Path, postgres: Postgres) -> None:
    forms = PostgresForms(postgres)
    await forms.make()
    await upgraded(forms, tmp_path)
