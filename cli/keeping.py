"""What `./run backup`, `./run restore` and `./run migrate` do."""

import asyncio
import json
import logging
import shutil
import zipfile
from pathlib import Path

from api import log
from api.admin.backup_copy import ABOUT, DATABASE
from api.admin.backups import Backups, Plan
from api.admin.schemas import BackupOut
from api.db import Db, DbUnavailable
from api.db.migrate import migrate
from api.db.open import open_db
from api.errors import DomainError
from api.ids import now
from api.settings import Settings
from api.users import audit
from cli.operating import Refused, call_api
from cli.ready import Place
from cli.settings import LaunchSettings, load, secrets_of

BACKUP_WITHIN = 600.0


def backup() -> str:
    """Where it is. Raises `Refused`, `BadSetting`."""
    launch = load(LaunchSettings)
    settings = _settings(launch)
    answer = call_api(launch, "backups", within=BACKUP_WITHIN)
    made = BackupOut.model_validate_json(answer) if answer is not None else asyncio.run(_backup(launch, settings))
    return f"Made {settings.data_dir / 'backups' / made.name} ({made.size / 1_000_000:.1f} MB). Keep DATA_DIR/media and secrets.json, too."


async def _backup(launch: LaunchSettings, settings: Settings) -> BackupOut:
    db = await _open(launch, settings)
    try:
        await migrate(db)
        return await Backups(db, Plan(settings.data_dir / "backups", settings.backup_hours, settings.backup_keep)).make(None)
    except DomainError as error:
        raise Refused(error.detail) from error
    finally:
        await db.close()


def look_into(file: Path) -> str:
    """What a backup holds, in words. Raises `Refused`."""
    try:
        with zipfile.ZipFile(file) as archive:
            rows = json.loads(archive.read(ABOUT))["rows"]
            archive.getinfo(DATABASE)
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise Refused(f"{file} is not a backup of this product.") from error
    return f"{rows.get('users', 0)} accounts and {rows.get('generations', 0)} generations"


def restore(file: Path) -> str:
    """Replaces the database. Raises `Refused`, `BadSetting`."""
    launch = load(LaunchSettings)
    settings = _settings(launch)
    if settings.is_postgres:
        raise Refused("The database is a PostgreSQL server: restore it with its own tools, such as pg_restore.")
    path = settings.duckdb_path
    fresh = path.with_name(f"{path.name}.restoring")
    fresh.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file) as archive, archive.open(DATABASE) as source, fresh.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    asyncio.run(_start_anew(launch, fresh))
    if path.exists():
        asyncio.run(_check_free(launch, settings))
    kept = _swap(path, fresh)
    before = f" The one before is kept as {kept}." if kept else ""
    return f"{file.name} is the database now.{before} Everybody signs in again; jobs that were under way are not paid for a second time."


async def _check_free(launch: LaunchSettings, settings: Settings) -> None:
    """Raises `Refused` while somebody has the database open. Its log is in the file afterwards."""
    await (await _open(launch, settings)).close()


def _swap(path: Path, fresh: Path) -> Path | None:
    """Where the database before is now."""
    kept = path.with_name(f"{path.name}.before-{now():%Y%m%d-%H%M%S}") if path.exists() else None
    if kept is not None:
        path.replace(kept)
    path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
    fresh.replace(path)
    return kept


async def _start_anew(launch: LaunchSettings, fresh: Path) -> None:
    """What was revoked since must not come back, and what was queued then may have been made since: it is not sent again."""
    db = await _open_at(launch, fresh)
    try:
        await migrate(db)
        async with db.transaction() as sql:
            await sql.execute("UPDATE sessions SET revoked_at = $1, revoke_reason = 'restore' WHERE revoked_at IS NULL", now())
            await sql.execute("DELETE FROM one_time_tokens")
            await sql.execute("UPDATE generations SET status = 'processing', phase = 'submitting' WHERE status = 'queued'")
            await audit.record(sql, "backup_restore", actor_id=None, subject="database", after={"from": "shell"})
    finally:
        await db.close()


def migrate_now() -> str:
    """What was done. Raises `Refused`, `BadSetting`."""
    launch = load(LaunchSettings)
    applied = asyncio.run(_migrate(launch, _settings(launch)))
    return f"Applied: {', '.join(applied)}." if applied else "The database is up to date."


async def _migrate(launch: LaunchSettings, settings: Settings) -> list[str]:
    db = await _open(launch, settings)
    try:
        return await migrate(db)
    finally:
        await db.close()


def _settings(launch: LaunchSettings) -> Settings:
    log.configure(logging.ERROR)
    return load(Settings, launch.given("api", secrets_of(launch)))


async def _open(launch: LaunchSettings, settings: Settings) -> Db:
    return await _open_at(launch, settings.database_url if settings.is_postgres and settings.database_url else settings.duckdb_path)


async def _open_at(launch: LaunchSettings, where: str | Path) -> Db:
    try:
        return await open_db(where)
    except DbUnavailable as error:
        place = Place(launch.api_host, launch.api_port)
        raise Refused(f"The database cannot be opened. If the api at {place.url} has it, stop it first.\n{error}") from error
