"""`./run migrate`: the database in the form that this version needs."""

import asyncio

from api.database import open_and_migrate
from api.settings import Settings
from api.start_errors import CannotStart
from cli.errors import CommandRefused
from cli.settings import LaunchSettings, api_settings, load


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
