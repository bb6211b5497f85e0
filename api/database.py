"""The opening of the database at a start: it is brought to this version's form, or one sentence
says why it cannot be."""

import re
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from api.admin.backup_names import BackupNames, made_at
from api.db import CannotOpen, Db, DbUnavailable, Pool, home
from api.db.duckdb import log_of
from api.db.migrate import WrongSchema, migrate, missing
from api.db.open import open_db
from api.moved import mark_of, moved
from api.settings import Settings
from api.start_errors import CannotStart

Look = Callable[[Db], Awaitable[list[str]]]
"""Looks at an opened database, and returns names of migrations."""


async def open_database(settings: Settings) -> Db:
    """Open the database. Raises `CannotStart`."""
    db, _ = await open_and_migrate(settings)
    if settings.is_postgres and not await home.is_home(db):
        await db.close()
        raise CannotStart(
            "The database of DATABASE_URL was restored, or brought here, from another one: run "
            "./run after-restore, which ends all sessions and pays for no queued job again; or "
            "./run after-restore --same if nobody used another copy of it since."
        )
    return db


async def open_and_migrate(settings: Settings) -> tuple[Db, list[str]]:
    """Open the database, and return the applied migrations, too. Raises `CannotStart`."""
    return await _opened(settings, migrate)


async def open_unchanged(settings: Settings) -> tuple[Db, list[str]] | None:
    """Open the database as it is, and return the migrations that it lacks, too; None: there is no
    file yet. Raises `CannotStart`."""
    path = settings.duckdb_path
    if not settings.is_postgres and not path.exists() and not log_of(path).exists():
        return None
    return await _opened(settings, _lacking)


async def _lacking(db: Db) -> list[str]:
    return [each.name for each in await missing(db, db.engine)]


async def _opened(settings: Settings, look: Look) -> tuple[Db, list[str]]:
    return await (
        _open_postgres(settings, look) if settings.is_postgres else _open_duckdb(settings, look)
    )


async def _open(target: str | Path, look: Look, pool: Pool | None = None) -> tuple[Db, list[str]]:
    """Raises `DbUnavailable`, `WrongSchema`, and with PostgreSQL what its library raises."""
    db = await open_db(target, pool)
    try:
        return db, await look(db)
    except BaseException:
        await db.close()
        raise


async def _open_duckdb(settings: Settings, look: Look) -> tuple[Db, list[str]]:
    path = settings.duckdb_path
    if (was := moved(path)) is not None:
        raise CannotStart(
            f"The database {path} was moved to {was.place} at {was.moved_at}: set DATABASE_URL to "
            f"go on there, or delete {mark_of(path)} to go on with the file as it was then."
        )
    try:
        return await _open(path, look)
    except CannotOpen as error:
        raise CannotStart(about_file(error, settings), final=error.reason != "locked") from error
    except WrongSchema as error:
        raise CannotStart(
            f"The database {path} {about_schema(error)}, or {_go_back(settings)}."
        ) from error
    except DbUnavailable as error:
        raise CannotStart(f"The database {path} cannot be used: {error}", final=False) from error


def about_file(error: CannotOpen, settings: Settings) -> str:
    path = settings.duckdb_path
    wal = log_of(path)
    if error.reason == "locked":
        holder = re.search(r"PID [1-9]\d*", error.detail)
        return (
            f"The database {path} is open in another "
            f"process{f' ({holder[0]})' if holder else ''}: stop that one, or set another DATA_DIR."
        )
    if error.reason == "missing":
        return (
            f"The database {path} is missing, but its log {wal} is there: put the database "
            f"back beside it, or {_go_back(settings)}."
        )
    if error.reason == "log":
        lose = f"move {wal} away to go on without what was written last"
        return (
            f"What was written last, {wal}, cannot be put into the database ({error.detail}): "
            f"{lose}, or {_go_back(settings)}."
        )
    if error.reason == "damaged":
        return f"The database {path} cannot be read ({error.detail}): {_go_back(settings)}."
    return f"The database {path} cannot be opened: {error.detail}"


def about_schema(error: WrongSchema) -> str:
    """Return the end of a sentence that begins with "the database", with advice."""
    if error.reason == "newer":
        return (
            f"is newer than this version, which knows no {error.subject}: start the version "
            "that made it"
        )
    if error.reason == "changed":
        return (
            f"was made with another {error.subject} than this version has: start the version "
            "that made it"
        )
    return (
        f"was made by an early version, whose {error.subject} is not as it is now, and cannot "
        "be brought up to date: start that version"
    )


def _go_back(settings: Settings) -> str:
    """Return the command that restores the newest backup."""
    folder = settings.backups
    if settings.backup_bucket is not None:
        return (
            f"go back to a backup in {settings.backup_bucket} (./run backup --list) with "
            "./run restore NAME"
        )
    names = BackupNames.of(settings.data_dir)
    ours = (path for path in folder.glob("allucanget-*.zip") if names.is_ours(path.name))
    newest = max(ours, default=None, key=lambda path: made_at(path.name))
    if newest is None:
        return f"put back a backup of your own with ./run restore FILE (there is none in {folder}/)"
    return (
        f"go back to the newest backup with ./run restore {shlex.quote(str(newest))}, which "
        "keeps the files of now"
    )


async def _open_postgres(settings: Settings, look: Look) -> tuple[Db, list[str]]:
    import asyncpg  # only where it is used: it would make every start longer

    url = settings.database_url or ""
    try:
        return await _open(url, look, Pool(settings.database_pool, settings.database_pooler))
    except WrongSchema as error:
        raise CannotStart(
            f"The database of DATABASE_URL {about_schema(error)}, or restore it as it was then."
        ) from error
    except (DbUnavailable, asyncpg.PostgresError, ValueError) as error:
        cause = (
            error.__cause__
            if isinstance(error, DbUnavailable) and error.__cause__ is not None
            else error
        )
        raise about_server(cause, url) from error


def about_server(cause: BaseException, url: str) -> CannotStart:
    """Return the error for a server that cannot be used. Of its address only the host is repeated:
    a password with a sign in it may have become any other part."""
    import asyncpg

    if isinstance(cause, ValueError):
        form = (
            "postgresql://user:password@host:port/name, with signs such as / # @ : in the "
            "password as %2F %23 %40 %3A"
        )
        return CannotStart(f"DATABASE_URL cannot be read; it should be {form}.")
    said = str(cause).partition("\n")[0] or type(cause).__name__
    if isinstance(cause, TimeoutError):
        said = "nothing that speaks PostgreSQL answers there"
    if isinstance(cause, asyncpg.InvalidAuthorizationSpecificationError):
        return CannotStart(f"The server of DATABASE_URL does not let us in: {said}.")
    if isinstance(cause, asyncpg.InvalidCatalogNameError):
        return CannotStart(
            f"The server of DATABASE_URL has no such database, create it there first: {said}."
        )
    if isinstance(cause, asyncpg.InsufficientPrivilegeError):
        return CannotStart(
            "The user of DATABASE_URL may not make tables, make it the owner of its database: "
            f"{said}."
        )
    if isinstance(cause, asyncpg.LockNotAvailableError):
        return CannotStart(
            "The database cannot be brought up to date while a long transaction reads it, such as "
            "a backup: start again when that is done.",
            final=False,
        )
    if "startup parameter" in said:
        return CannotStart(
            "DATABASE_URL leads to PgBouncer: set DATABASE_POOLER=transaction, or =session if "
            f"that is its pool_mode ({said})."
        )
    host = urlsplit(url).hostname or "this machine"
    return CannotStart(
        f"The PostgreSQL server of DATABASE_URL ({host}) cannot be used: {said}.", final=False
    )
