"""The database out of a backup, as a DuckDB file of its own: unpacked, brought to this version, and
cared for as a restored one."""

import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from api.admin.backup_copy import DATABASE
from api.admin.restored import start_anew
from api.database import about_schema
from api.db import DbUnavailable
from api.db.duckdb import log_of, open_duckdb
from api.db.migrate import WrongSchema, migrate
from cli.errors import CommandRefused

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
LEFTOVERS = ".restoring-*"


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Give a place for the new database beside the old one, empty before and after. A folder that
    was made for it goes with it."""
    fresh = path.with_name(f"{path.name}.restoring")
    made = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove(fresh)
    try:
        yield fresh
    finally:
        _remove(fresh)
        with suppress(OSError):  # they are in use now
            for folder in made:
                folder.rmdir()


@contextmanager
def aside(folder: Path) -> Iterator[Path]:
    """Give a place for a file that is needed for a moment only, below a folder that is there."""
    for left in folder.glob(LEFTOVERS):
        shutil.rmtree(left, ignore_errors=True)
    with TemporaryDirectory(prefix=LEFTOVERS.removesuffix("*"), dir=folder) as place:
        yield Path(place) / DATABASE


def _remove(fresh: Path) -> None:
    for left in (fresh, log_of(fresh)):
        left.unlink(missing_ok=True)


def unpack(file: Path, fresh: Path) -> None:
    """Raises `CommandRefused`, OSError."""
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


def _give_up(error: Exception) -> NoReturn:
    """Raise instead of ending the process: the copy has to be removed."""
    raise DbUnavailable(str(error).partition("\n")[0]) from error


async def care_for(fresh: Path, file: Path) -> None:
    """Bring it to this version's form, and make it a restored one. Raises `CommandRefused`,
    `DbUnavailable`."""
    db = await open_duckdb(fresh, _give_up)
    try:
        await migrate(db)
        async with db.transaction() as sql:
            await start_anew(sql, source="shell")
    except WrongSchema as error:
        raise CommandRefused(
            f"Nothing was changed. The database in {file} {about_schema(error)}."
        ) from error
    finally:
        await db.close()
