"""The check-up and the invariants of an installation that does not run, looked at by the shell
itself."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from api.check_up.schemas import FindingOut, InvariantsOut, Subject
from api.check_up.service import failed
from api.database import open_unchanged
from api.db import Db
from api.db.duckdb import open_duckdb
from api.live_processes import LiveProcesses
from api.media.decoders import Decoders
from api.metrics import Metrics
from api.secrets import ensure_secrets
from api.services import Services, files_of
from api.settings import Settings
from api.shutdown import Stop
from api.start_errors import CannotStart
from api.users.passwords import Cost


async def look_at_rest(settings: Settings) -> list[FindingOut]:
    """Look at all that the api would use. The database is not brought up to date, so one that is
    older, damaged or away is only named."""
    async with AsyncExitStack() as stack:
        db, found = await _database(settings, stack)
        without: set[Subject] = {"bots"} if db else {"bots", "database", "backup"}
        try:
            services = await stack.enter_async_context(
                _services(settings, db or await _empty(stack))
            )
        except CannotStart as error:
            return [*found, failed("media", error)]
        return [*found, *(await services.check_up.all(without)).findings]


async def invariants_at_rest(settings: Settings) -> InvariantsOut:
    """Look at rows and files. Raises `CannotStart`, also without a database of this version's
    form, and `DbUnavailable`."""
    opened = await open_unchanged(settings)
    if opened is None:
        raise CannotStart("There is no database yet: the first start makes it.")
    db, lacking = opened
    async with AsyncExitStack() as stack:
        stack.push_async_callback(db.close)
        if lacking:
            raise CannotStart(
                "The database is older than this version: run ./run migrate first, or start it."
            )
        services = await stack.enter_async_context(_services(settings, db))
        return await services.invariants.all()


@asynccontextmanager
async def _services(settings: Settings, db: Db) -> AsyncIterator[Services]:
    """Raises `CannotStart`."""
    secrets = ensure_secrets(settings.data_dir)
    files = files_of(settings, secrets)
    decoders = Decoders()
    services = Services(
        settings,
        secrets,
        db,
        files,
        Metrics(),
        Stop(settings.drain_seconds),
        Cost(),
        decoders,
        LiveProcesses(None, "api"),
    )
    try:
        await services.media.files.look()
        yield services
    finally:
        await services.provider.close()
        decoders.close()


async def _database(
    settings: Settings, stack: AsyncExitStack
) -> tuple[Db | None, list[FindingOut]]:
    try:
        opened = await open_unchanged(settings)
    except CannotStart as error:
        return None, [failed("database", error)]
    if opened is None:
        return None, [FindingOut.of("database", "off", "database_new")]
    db, lacking = opened
    stack.push_async_callback(db.close)
    if lacking:
        return None, [FindingOut.of("database", "warn", "database_waits", count=len(lacking))]
    return db, []


async def _empty(stack: AsyncExitStack) -> Db:
    """Return a database in the place of one that cannot be asked, for the rest of the services."""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    db = await open_duckdb(Path(folder) / "empty.duckdb")
    stack.push_async_callback(db.close)
    return db
