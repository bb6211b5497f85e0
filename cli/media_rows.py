"""Rows of pictures and videos, as `./run media` asks for them: the running api, else the database
itself."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from api.database import open_database
from api.db import Db
from api.media import missing, store
from api.media.moving import Named
from api.start_errors import CannotStart
from cli.errors import CommandRefused
from cli.running_api import NoApiRuns, call_api
from cli.settings import LaunchSettings, api_settings, load
from client import calls


def forget() -> int:
    """Let the rows of missing files go, and return their number. Raises `CommandRefused`,
    `BadSetting`."""
    launch = load(LaunchSettings)
    try:
        return call_api(launch, calls.forget_missing_files()).files
    except NoApiRuns:
        return asyncio.run(_forget(launch))


async def _forget(launch: LaunchSettings) -> int:
    async with _database(launch) as db:
        return await missing.forget(db)


@asynccontextmanager
async def named_files(launch: LaunchSettings) -> AsyncIterator[Named]:
    """Raises `CommandRefused` when neither is at hand."""

    async def by_api(folder: str) -> Collection[str]:
        try:
            found = await asyncio.to_thread(call_api, launch, calls.named_files(folder))
        except NoApiRuns as error:
            raise CommandRefused("The api has stopped meanwhile. Run this again.") from error
        return found.keys

    try:
        await asyncio.to_thread(call_api, launch, calls.named_files(""))
    except NoApiRuns:
        async with _database(launch) as db:

            async def by_database(folder: str) -> Collection[str]:
                return await store.keys(db, folder)

            yield by_database
    else:
        yield by_api


@asynccontextmanager
async def _database(launch: LaunchSettings) -> AsyncIterator[Db]:
    try:
        db = await open_database(api_settings(launch))
    except CannotStart as error:
        raise CommandRefused(str(error)) from error
    try:
        yield db
    finally:
        await db.close()
