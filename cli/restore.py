"""`./run restore`: a backup in the place of the database, which stays beside it."""

import asyncio
import errno
import fcntl
import json
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.admin import restored
from api.admin.backup_copy import ABOUT, DATABASE
from api.db import DbUnavailable, home
from api.db.duckdb import log_of
from api.ids import now
from api.moved import unmark
from api.settings import Settings
from cli.backup_contents import put_media
from cli.errors import CommandRefused
from cli.ready import HostPort
from cli.restored_file import NOT_A_BACKUP, aside, beside, care_for, unpack
from cli.settings import LaunchSettings, load
from telemetry import logs

AFTER = (
    "Everybody signs in again; jobs that were queued then are not paid for a second time, and what "
    "was on its way to chats then is not sent by itself."
)


def look_into(file: Path) -> str:
    """Describe the content of a backup. Raises `CommandRefused`."""
    try:
        with zipfile.ZipFile(file) as archive:
            rows = json.loads(archive.read(ABOUT))["rows"]
            about = (
                f"{int(rows.get('users', 0))} accounts and {int(rows.get('generations', 0))} "
                "generations"
            )
            archive.getinfo(DATABASE)
            return about
    except OSError as error:
        raise CommandRefused(f"{file} cannot be read: {error.strerror}.") from error
    except NOT_A_BACKUP as error:
        raise CommandRefused(f"{file} is not a backup of this product.") from error


def restore(file: Path, *, replace: bool = False) -> str:
    """Replace the database, in whatever state it is. `replace`: a PostgreSQL database with rows,
    too. Raises `CommandRefused` and `BadSetting`, with everything as it was."""
    logs.configure(level="error", stream=sys.stderr)
    launch, settings = load(LaunchSettings), load(Settings)
    path = settings.data_dir if settings.is_postgres else settings.duckdb_path
    try:
        if settings.is_postgres:
            said = _into_server(file, settings, replace=replace)
        else:
            said = _into_file(file, settings.duckdb_path, launch)
    except OSError as error:
        raise CommandRefused(
            f"{file} cannot be put in place, and nothing was changed: {error.filename or path}: "
            f"{error.strerror}."
        ) from error
    except DbUnavailable as error:
        raise CommandRefused(
            f"{file} cannot be put in place, and nothing was changed: {error}"
        ) from error
    return said + put_media(file, settings)


def _into_file(file: Path, path: Path, launch: LaunchSettings) -> str:
    with _held(path, launch), beside(path) as fresh:
        unpack(file, fresh)
        asyncio.run(care_for(fresh, file))
        kept = _swap(path, fresh)
        unmark(path)
    before = f" The one before is kept as {kept}." if kept else ""
    return f"{file.name} is the database now.{before} {AFTER}"


def _into_server(file: Path, settings: Settings, *, replace: bool) -> str:
    # its library takes long to load
    from cli.server import place_of

    url = settings.database_url or ""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with aside(settings.data_dir) as fresh:
        unpack(file, fresh)
        asyncio.run(care_for(fresh, file))
        kept = asyncio.run(_fill(fresh, url, replace=replace))
    before = f" The tables before are kept in the schema {kept}." if kept else ""
    return f"{file.name} is in the database {place_of(url)} now.{before} {AFTER}"


async def _fill(fresh: Path, url: str, *, replace: bool) -> str | None:
    """Return the schema with the tables of before; None where there were none."""
    from api.db.duckdb_tables import duckdb_tables
    from api.db.tables import NotEmpty, columns_of, fill, set_aside
    from cli.server import place_of, server

    kept = f"before_{now():%Y%m%d_%H%M%S}" if replace else None
    with duckdb_tables(fresh, read_only=True) as source:
        try:
            async with server(url, "DATABASE_URL") as target:
                if "leases" in await columns_of(target):
                    await restored.must_be_idle(target)
                if kept is not None and not await set_aside(target, await columns_of(source), kept):
                    kept = None
                await fill(source, target, lambda _table, _total: None)
                await home.settle(target)
        except NotEmpty as error:
            held, way = (
                ("is of another program", "Name another database in DATABASE_URL")
                if error.foreign
                else ("has rows", "Give --replace to set them aside")
            )
            raise CommandRefused(
                f"The database {place_of(url)} is not empty: its table {error.table} {held}. "
                f"{way}. Nothing was changed."
            ) from error
    return kept


@contextmanager
def _held(path: Path, launch: LaunchSettings) -> Iterator[None]:
    """Keep everybody from opening the database until the block ends, with the lock that DuckDB
    takes: it works on a damaged file, too. Raises `CommandRefused` while a process has it."""
    if not path.is_file():
        yield
        return
    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in {errno.EACCES, errno.EAGAIN}:
                raise
            url = HostPort(launch.api_host, launch.api_port).url
            raise CommandRefused(
                f"The database {path} is in use. If the api at {url} has it, stop it first."
            ) from error
        yield


def _swap(path: Path, fresh: Path) -> Path | None:
    """Put the new database in place. Return the new path of the one before, which has its log
    beside it and loses nothing, whatever state it is in."""
    kept = path.with_name(f"{path.name}.before-{now():%Y%m%d-%H%M%S-%f}")
    # the log first: a database without its log can be opened, but a log must never lie beside
    # another database than its own
    moves = [
        (old, new) for old, new in ((log_of(path), log_of(kept)), (path, kept)) if old.exists()
    ]
    done: list[tuple[Path, Path]] = []
    try:
        for old, new in [*moves, (fresh, path)]:
            old.rename(new)
            done.append((old, new))
    except OSError:
        for old, new in reversed(done):
            new.rename(old)
        raise
    return moves[-1][1] if moves else None
