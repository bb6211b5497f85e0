"""The contents of a backup, as `./run restore --dry-run` prints them, and its pictures and
videos."""

import asyncio
import json
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from api.admin.backup_copy import ABOUT
from api.admin.backup_names import NAME
from api.admin.backup_place import BackupPlace
from api.database import about_schema
from api.db import CannotOpen
from api.db.duckdb_tables import duckdb_tables
from api.db.migrate import Migration, WrongSchema, missing
from api.errors import DomainError
from api.media import packed
from api.media.files import MediaStore
from api.secrets import ensure_secrets
from api.settings import Settings
from cli.errors import CommandRefused
from cli.restored_file import NOT_A_BACKUP, aside, unpack
from cli.settings import load
from telemetry import logs

SHOWN = 10


def print_contents(file: Path) -> None:
    """Print what a restore would bring, and change nothing. Raises `CommandRefused`."""
    logs.configure(level="error", stream=sys.stderr)
    settings = load(Settings)
    try:
        with zipfile.ZipFile(file) as archive:
            about: dict[str, Any] = json.loads(archive.read(ABOUT))
        folder = settings.data_dir if settings.data_dir.is_dir() else Path(tempfile.gettempdir())
        with aside(folder) as fresh:
            unpack(file, fresh)
            late = asyncio.run(_missing(fresh, file))
        _print_about(file, about, late)
        with zipfile.ZipFile(file) as archive, _store(settings) as files:
            _print_media(archive, asyncio.run(packed.compare(archive, files)) if files else None)
    except NOT_A_BACKUP as error:
        raise CommandRefused(f"{file} is not a backup of this product.") from error
    except OSError as error:
        raise CommandRefused(
            f"{error.filename or file} cannot be read: {error.strerror}."
        ) from error
    except DomainError as error:
        raise CommandRefused(error.detail) from error


async def _missing(fresh: Path, file: Path) -> list[Migration]:
    try:
        with duckdb_tables(fresh, read_only=True) as tables:
            return await missing(tables, "duckdb")
    except CannotOpen as error:
        raise CommandRefused(f"The database in {file} cannot be read: {error.detail}") from error
    except WrongSchema as error:
        raise CommandRefused(f"The database in {file} {about_schema(error)}.") from error


def _print_about(file: Path, about: dict[str, Any], late: list[Migration]) -> None:
    by = f", by version {about['version']}" if "version" in about else ""
    made = f", made {about['made_at']}" if "made_at" in about else ""
    print(f"{file.name}: a {about.get('engine', 'duckdb')} database{made}{by}. Rows:")
    for table, count in about["rows"].items():
        if count:
            print(f"  {table:<20} {int(count):>12,}")
    if late:
        names = ", ".join(each.name for each in late)
        print(f"It is of an earlier version. Restoring it applies {names}.")
    else:
        print("It fits this version.")


@contextmanager
def _store(settings: Settings) -> Iterator[MediaStore | None]:
    """Give the store, without making its folder; None where there is none yet."""
    root = settings.data_dir / "media"
    if settings.media_url is None and not root.is_dir():
        yield None
    else:
        yield store_of(settings)


def store_of(settings: Settings) -> MediaStore:
    """Raises `StorageUnavailable`, `StorageFull`."""
    secrets = ensure_secrets(settings.data_dir)
    return MediaStore(
        settings.media_root, settings.data_dir / "spool", installation=secrets.installation
    )


def _print_media(archive: zipfile.ZipFile, found: packed.Packed | None) -> None:
    inside = sum(name.startswith(packed.FOLDER) for name in archive.namelist())
    if found is None:
        files = list(packed.listed(archive))
        print(f"It names {len(files)} pictures and videos. There is no media store here yet.")
    else:
        print(
            f"It names {found.files} pictures and videos ({found.bytes / 1_000_000:,.1f} MB). The "
            f"media store lacks {len(found.missing)} of them."
        )
        print_some(found.missing)
    if inside:
        print(f"{inside} are in the backup itself, and go into the media store with it.")


def print_some(keys: list[str]) -> None:
    for key in keys[:SHOWN]:
        print(f"  {key}")
    if len(keys) > SHOWN:
        print(f"  and {len(keys) - SHOWN} more")


def put_media(file: Path, settings: Settings) -> str:
    """Put the pictures and videos of a backup into the media store, and say so; an empty text where
    it holds none. Raises `CommandRefused`."""
    with zipfile.ZipFile(file) as archive:
        if not any(name.startswith(packed.FOLDER) for name in archive.namelist()):
            return ""
    try:
        put = asyncio.run(packed.unpack(file, store_of(settings)))
    except (DomainError, *NOT_A_BACKUP) as error:
        said = error.detail if isinstance(error, DomainError) else str(error)
        raise CommandRefused(
            f"The database is restored, but not all pictures and videos: {said} Restore again "
            "when that is mended."
        ) from error
    damaged = f" {len(put.damaged)} are damaged and were left out." if put.damaged else ""
    return f" {put.files} pictures and videos were put into the media store.{damaged}"


def pack_media(backup: Path, settings: Settings) -> str:
    """Write the backup once more, with its pictures and videos. Raises `CommandRefused`."""
    target = settings.backups / f"{backup.stem}-with-media.zip"
    try:
        done = asyncio.run(packed.pack(backup, store_of(settings), target))
    except (DomainError, OSError) as error:
        said = error.detail if isinstance(error, DomainError) else str(error)
        raise CommandRefused(
            f"{backup} is made, but not the one with pictures and videos: {said}"
        ) from error
    if done.missing:
        print(f"The media store lacks {len(done.missing)} files that the database names:")
        print_some(done.missing)
    if done.damaged:
        print(f"{len(done.damaged)} files are not what they were, and are packed as they are:")
        print_some(done.damaged)
    return (
        f"Made {target}: the same with {done.files} pictures and videos "
        f"({target.stat().st_size / 1_000_000:,.1f} MB). It is not deleted by itself."
    )


@contextmanager
def fetched(name: str, settings: Settings) -> Iterator[Path]:
    """Give the path of a backup of this place. One that is in the bucket is brought here for the
    time of the block. Raises `CommandRefused`."""
    place = BackupPlace.of(settings)
    folder = settings.data_dir / "fetched"
    try:
        found = asyncio.run(place.fetch(name, folder))
    except DomainError as error:
        raise CommandRefused(error.detail) from error
    if found is None:
        raise CommandRefused(
            f"There is no {name}, neither here nor in {settings.backup_bucket or settings.backups}."
        )
    try:
        yield found
    finally:
        if found.parent == folder:
            found.unlink(missing_ok=True)
            with suppress(OSError):  # another command has one there
                folder.rmdir()


@contextmanager
def local(file: Path) -> Iterator[Path]:
    """Give the path of a backup that is named by its path, or by its name alone, as `fetched` does.
    Raises `CommandRefused`, `BadSetting`."""
    logs.configure(level="error", stream=sys.stderr)
    settings = load(Settings)
    is_name = len(file.parts) == 1 and NAME.fullmatch(file.name) is not None
    if is_name and not file.exists():
        with fetched(file.name, settings) as here:
            yield here
    else:
        yield file


def print_list() -> None:
    """Print the backups, the newest first. Raises `CommandRefused`, `BadSetting`."""
    logs.configure(level="error", stream=sys.stderr)
    settings = load(Settings)
    place = BackupPlace.of(settings)
    try:
        found = asyncio.run(place.all())
    except DomainError as error:
        raise CommandRefused(error.detail) from error
    number = "1 backup" if len(found) == 1 else f"{len(found)} backups"
    print(f"{number} in {settings.backup_bucket or settings.backups}:")
    for one in found:
        whose = "" if place.is_ours(one.name) else "  of another installation"
        print(f"  {one.name}  {one.size / 1_000_000:>12,.1f} MB{whose}")
