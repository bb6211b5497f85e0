"""What `./run backup`, `./run restore` and `./run migrate` do."""

import asyncio
import errno
import fcntl
import json
import logging
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from api import log
from api.admin.backup_copy import ABOUT, DATABASE
from api.admin.backups import Backups, Plan
from api.database import about_schema, open_and_migrate, open_database
from api.db import DbUnavailable
from api.db.duckdb import log_of, open_duckdb
from api.db.migrate import WrongSchema, migrate
from api.errors import DomainError
from api.ids import now
from api.settings import Settings
from api.start_errors import CannotStart
from api.users import audit
from cli.admin import Refused, call_api
from cli.ready import Place
from cli.settings import LaunchSettings, load, secrets_of
from client.schemas.admin import BackupOut

BACKUP_WITHIN = 600.0
NOT_A_BACKUP = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    RuntimeError,
)
"""What reading a file raises that is no zip, or a damaged one, or none of ours."""


def backup() -> str:
    """Where it is. Raises `Refused`, `BadSetting`."""
    launch = load(LaunchSettings)
    settings = _settings(launch)
    answer = call_api(launch, "backups", within=BACKUP_WITHIN)
    made = (
        BackupOut.model_validate_json(answer)
        if answer is not None
        else asyncio.run(_backup(settings))
    )
    return (
        f"Made {settings.backups / made.name} ({made.size / 1_000_000:.1f} MB). Keep "
        "DATA_DIR/media and secrets.json, too."
    )


async def _backup(settings: Settings) -> BackupOut:
    try:
        db = await open_database(settings)
    except CannotStart as error:
        raise Refused(str(error)) from error
    try:
        return await Backups(
            db, Plan(settings.backups, settings.backup_hours, settings.backup_keep)
        ).make(None)
    except DomainError as error:
        raise Refused(error.detail) from error
    finally:
        await db.close()


def look_into(file: Path) -> str:
    """What a backup holds, in words. Raises `Refused`."""
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
        raise Refused(f"{file} cannot be read: {error.strerror}.") from error
    except NOT_A_BACKUP as error:
        raise Refused(f"{file} is not a backup of this product.") from error


def restore(file: Path) -> str:
    """Replaces the database, in whatever state it is. Raises `Refused`, `BadSetting`; everything is
    then as it was."""
    launch = load(LaunchSettings)
    settings = _settings(launch)
    if settings.is_postgres:
        raise Refused(
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
    except OSError as error:
        raise Refused(
            f"{file} cannot be put in place, and nothing was changed: {error.filename or path}: "
            f"{error.strerror}."
        ) from error
    except DbUnavailable as error:
        raise Refused(f"{file} cannot be put in place, and nothing was changed: {error}") from error
    before = f" The one before is kept as {kept}." if kept else ""
    return (
        f"{file.name} is the database now.{before} Everybody signs in again; jobs that were "
        "under way are not paid for a second time."
    )


@contextmanager
def _held(path: Path, launch: LaunchSettings) -> Iterator[None]:
    """Nobody opens the database until the block ends: this is the lock that DuckDB takes, and it
    needs no file that can be read. Raises `Refused` while somebody has it."""
    if not path.is_file():
        yield
        return
    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in {errno.EACCES, errno.EAGAIN}:
                raise
            url = Place(launch.api_host, launch.api_port).url
            raise Refused(
                f"The database {path} is in use. If the api at {url} has it, stop it first."
            ) from error
        yield


@contextmanager
def _fresh(path: Path) -> Iterator[Path]:
    """Where the new database is made, beside the old one; what is left there at the end goes, and
    with it what an earlier try left."""
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
        raise Refused(f"{file} is damaged, and nothing was changed: {error}.") from error


def _swap(path: Path, fresh: Path) -> Path | None:
    """Where the database before is now, its log beside it as before: nothing of it is lost,
    whatever state it is in."""
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
    """Not the end of this process: the copy has still to be taken away."""
    raise DbUnavailable(str(error).partition("\n")[0]) from error


async def _start_anew(fresh: Path, file: Path) -> None:
    """What was revoked since must not come back, and what was queued then may have been made since:
    it is not sent again."""
    db = await open_duckdb(fresh, _give_up)
    try:
        await migrate(db)
        async with db.transaction() as sql:
            await sql.execute(
                "UPDATE sessions SET revoked_at = $1, revoke_reason = 'restore' WHERE revoked_at "
                "IS NULL",
                now(),
            )
            await sql.execute("DELETE FROM one_time_tokens")
            await sql.execute(
                "UPDATE generations SET status = 'processing', phase = 'submitting' WHERE status "
                "= 'queued'"
            )
            await audit.record(
                sql, "backup_restore", actor_id=None, subject="database", after={"from": "shell"}
            )
    except WrongSchema as error:
        raise Refused(
            f"Nothing was changed. The database in {file} {about_schema(error)}."
        ) from error
    finally:
        await db.close()


def migrate_now() -> str:
    """What was done. Raises `Refused`, `BadSetting`."""
    applied = asyncio.run(_migrate(_settings(load(LaunchSettings))))
    return f"Applied: {', '.join(applied)}." if applied else "The database is up to date."


async def _migrate(settings: Settings) -> list[str]:
    try:
        db, applied = await open_and_migrate(settings)
    except CannotStart as error:
        raise Refused(str(error)) from error
    await db.close()
    return applied


def _settings(launch: LaunchSettings) -> Settings:
    log.configure(logging.ERROR)
    return load(Settings, launch.given("api", secrets_of(launch)))
