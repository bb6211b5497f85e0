"""`./run backup`: a copy of the database, made by the api while it runs, else by this process."""

import asyncio

from api.admin.backups import BackupPlan, Backups
from api.database import open_database
from api.errors import DomainError
from api.settings import Settings
from api.start_errors import CannotStart
from cli.errors import CommandRefused
from cli.running_api import NoApiRuns, call_api
from cli.settings import LaunchSettings, api_settings, load
from client import calls
from client.schemas.admin import BackupOut


def make_backup(*, media: bool = False) -> str:
    """Make a backup and say where it is; with `media` a second one, with pictures and videos.
    Raises `CommandRefused`, `BadSetting`."""
    launch = load(LaunchSettings)
    settings = api_settings(launch)
    try:
        made = call_api(launch, calls.back_up())
    except NoApiRuns:
        made = asyncio.run(_backup(settings))
    if media:
        # its code is not needed for the others
        from cli.backup_contents import fetched, pack_media

        with fetched(made.name, settings) as here:
            return pack_media(here, settings)
    place = settings.backup_bucket or settings.backups
    return (
        f"Made {place}/{made.name} ({made.size / 1_000_000:.1f} MB). Keep "
        "DATA_DIR/media and secrets.json, too."
    )


async def _backup(settings: Settings) -> BackupOut:
    try:
        db = await open_database(settings)
    except CannotStart as error:
        raise CommandRefused(str(error)) from error
    try:
        return await Backups(db, BackupPlan.of(settings)).make(None)
    except DomainError as error:
        raise CommandRefused(error.detail) from error
    finally:
        await db.close()
