"""`./run after-restore`: a database that was restored by other means than `./run restore`, made
ready for a start."""

import asyncio

from api.admin.restored import InUse, settle
from api.database import open_and_migrate
from api.settings import Settings
from api.start_errors import CannotStart
from cli.errors import CommandRefused
from cli.settings import LaunchSettings, api_settings, load


def settle_now(*, same: bool) -> str:
    """Raises `CommandRefused`, `BadSetting`."""
    asyncio.run(_settle(api_settings(load(LaunchSettings)), same=same))
    if same:
        return "The api takes this database as the one that it used last."
    return (
        "Ready to start. Everybody signs in again; jobs that were queued are not sent to the "
        "provider a second time, and what was on its way to chats is not sent by itself."
    )


async def _settle(settings: Settings, *, same: bool) -> None:
    try:
        db, _ = await open_and_migrate(settings)
    except CannotStart as error:
        raise CommandRefused(str(error)) from error
    try:
        await settle(db, same=same)
    except InUse as error:
        raise CommandRefused(
            "The database is in use: stop every api and worker first. One that was killed counts "
            "for a minute."
        ) from error
    finally:
        await db.close()
