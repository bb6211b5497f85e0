"""`./run migrate`: the database in the form that this version needs."""

import asyncio
import shutil

from api.admin.backup_place import BackupPlace
from api.database import about_file, about_schema, open_and_migrate
from api.db import CannotOpen
from api.db.duckdb_tables import duckdb_tables
from api.db.migrate import WrongSchema
from api.db.plan import PlannedMigration, plan, size_of
from api.errors import StorageUnavailable
from api.ids import now
from api.settings import Settings
from api.start_errors import CannotStart
from cli.errors import CommandRefused
from cli.settings import LaunchSettings, api_settings, load

MB = 1_000_000


def migrate_now() -> str:
    """Apply what is missing and say so. Raises `CommandRefused`, `BadSetting`."""
    applied = asyncio.run(_migrate(api_settings(load(LaunchSettings))))
    return f"Applied: {', '.join(applied)}." if applied else "The database is up to date."


async def _migrate(settings: Settings) -> list[str]:
    try:
        db, applied = await open_and_migrate(settings)
    except CannotStart as error:
        raise CommandRefused(str(error)) from error
    await db.close()
    return applied


def print_plan() -> None:
    """Print what an upgrade would do, and change nothing. Raises `CommandRefused`, `BadSetting`."""
    settings = api_settings(load(LaunchSettings))
    try:
        steps, place, size = asyncio.run(
            _of_server(settings) if settings.is_postgres else _of_file(settings)
        )
    except CannotOpen as error:
        raise CommandRefused(about_file(error, settings)) from error
    except WrongSchema as error:
        raise CommandRefused(f"The database {about_schema(error)}.") from error
    free = f", {shutil.disk_usage(settings.data_dir).free / MB:,.0f} MB free in DATA_DIR"
    print(f"The database {place} has {size / MB:,.1f} MB{free}.")
    print(_about_backup(settings))
    if not steps:
        print("It is up to date.")
        return
    print(f"{len(steps)} migrations would be applied, each whole or not at all:")
    for step in steps:
        print(f"  {step.name:<34} {_work(step)}")
    if any(step.long for step in steps):
        print(
            "Whoever uses these tables waits meanwhile."
            if settings.is_postgres
            else "The api answers when they are done."
        )


async def _of_file(settings: Settings) -> tuple[list[PlannedMigration], str, int]:
    path = settings.duckdb_path
    if not path.is_file():
        raise CommandRefused(f"There is no database {path} yet: the first start makes it.")
    with duckdb_tables(path, read_only=True) as tables:
        return await plan(tables), str(path), path.stat().st_size


async def _of_server(settings: Settings) -> tuple[list[PlannedMigration], str, int]:
    # its library takes long to load
    from cli.server import place_of, server

    url = settings.database_url or ""
    async with server(url, "DATABASE_URL") as tables:
        return await plan(tables), place_of(url), await size_of(tables)


def _work(step: PlannedMigration) -> str:
    if not step.rows:
        return "new tables"
    rows = ", ".join(f"{table} ({count:,} rows)" for table, count in step.rows.items())
    return f"goes through {rows}" if step.long else f"changes the form of {rows}"


def _about_backup(settings: Settings) -> str:
    place = BackupPlace.of(settings)
    try:
        found = [each for each in asyncio.run(place.all()) if place.is_ours(each.name)]
    except StorageUnavailable as error:
        return f"The backups cannot be seen: {error.detail}"
    if not found:
        return (
            f"There is no backup in {settings.backup_bucket or settings.backups}: make one first "
            "with ./run backup."
        )
    newest = found[0]
    hours = (now() - newest.created_at).total_seconds() / 3600
    return f"The newest backup, {newest.name}, is {hours:,.0f} hours old."
