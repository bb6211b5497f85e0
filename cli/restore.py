"""`./run restore`: a backup in the place of the database, which stays beside it."""

import asyncio
import errno
import fcntl
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from api.admin.backup_copy import ABOUT, DATABASE
from api.database import about_schema
from api.db import DbUnavailable
from api.db.duckdb import log_of, open_duckdb
from api.db.migrate import WrongSchema, migrate
from api.ids import now
from api.moved import unmark
from api.users import audit
from cli.errors import CommandRefused
from cli.ready import HostPort
from cli.settings import LaunchSettings, api_settings, load

NOT_A_BACKUP = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    RuntimeError,
)
"""Errors of reading a file that is no zip, a damaged one, or a foreign one."""


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


def restore(file: Path) -> str:
    """Replace the database, in whatever state it is. Raises `CommandRefused` and `BadSetting`, with
    everything as it was."""
    launch = load(LaunchSettings)
    settings = api_settings(launch)
    if settings.is_postgres:
        raise CommandRefused(
            "The database is a PostgreSQL server: restore it with its own tools, such as "
            "pg_restore."
        )
    path = settings.duckdb_path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _held(path, launch), _fresh(path) as fresh:
            _unpack(file, fresh)
            asyncio.run(_start_anew(fresh, file))
            kept = _swap(path, fresh)
            unmark(path)
    except OSError as error:
        raise CommandRefused(
            f"{file} cannot be put in place, and nothing was changed: {error.filename or path}: "
            f"{error.strerror}."
        ) from error
    except DbUnavailable as error:
        raise CommandRefused(
            f"{file} cannot be put in place, and nothing was changed: {error}"
        ) from error
    before = f" The one before is kept as {kept}." if kept else ""
    return (
        f"{file.name} is the database now.{before} Everybody signs in again; jobs that were "
        "under way are not paid for a second time."
    )


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


@contextmanager
def _fresh(path: Path) -> Iterator[Path]:
    """Give a place for the new database beside the old one, empty before and after."""
    fresh = path.with_name(f"{path.name}.restoring")
    for left in (fresh, log_of(fresh)):
        left.unlink(missing_ok=True)
    try:
        yield fresh
    finally:
        for left in (fresh, log_of(fresh)):
            left.unlink(missing_ok=True)


def _unpack(file: Path, fresh: Path) -> None:
    try:
        with (
            zipfile.ZipFile(file) as archive,
            archive.open(DATABASE) as source,
            fresh.open("xb") as target,
        ):
            os.fchmod(target.fileno(), 0o600)
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
    except NOT_A_BACKUP as error:
        raise CommandRefused(f"{file} is damaged, and nothing was changed: {error}.") from error


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


def _give_up(error: Exception) -> NoReturn:
    """Raise instead of ending the process: the copy has to be removed."""
    raise DbUnavailable(str(error).partition("\n")[0]) from error


async def _start_anew(fresh: Path, file: Path) -> None:
    """End all sessions, because some were revoked since the backup, and submit no queued job again,
    because it may have been paid since."""
    db = await open_duckdb(fresh, _give_up)
    try:
        await migrate(db)
        async with db.transaction() as sql:
            await sql.execute(
                """
                UPDATE sessions SET revoked_at = $1, revoke_reason = 'restore'
                WHERE revoked_at IS NULL""",
                now(),
            )
            await sql.execute("DELETE FROM one_time_tokens")
            await sql.execute("""
                UPDATE generations SET status = 'processing', phase = 'submitting'
                WHERE status = 'queued'""")
            await audit.record(
                sql, "backup_restore", actor_id=None, subject="database", after={"from": "shell"}
            )
    except WrongSchema as error:
        raise CommandRefused(
            f"Nothing was changed. The database in {file} {about_schema(error)}."
        ) from error
    finally:
        await db.close()
