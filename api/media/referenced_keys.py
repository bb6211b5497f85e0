"""`python -m api.media.referenced_keys DATABASE ...`: print those keys of the standard input that
these databases and backups name.

It is a process of its own, because reading a damaged database may end the process. An unreadable
database is an error: its keys are unknown.
"""

import csv
import io
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import duckdb

from api.admin.backup_copy import MANIFEST
from api.db.duckdb_memory import whole_tables

MAGIC = b"DUCK"
MAGIC_AT = 8


def databases(folders: Iterable[Path], live: Path | None) -> list[Path]:
    """Return the databases and backups in these folders, except the one in use."""
    found = {path.resolve() for folder in folders for path in folder.glob("*") if path.is_file()}
    found.discard(live.resolve() if live is not None else Path())
    return sorted(path for path in found if path.suffix == ".zip" or _is_database(path))


def _is_database(path: Path) -> bool:
    """Return True also for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MAGIC_AT + len(MAGIC))[MAGIC_AT:] == MAGIC
    except OSError:
        return True


def named(path: Path, keys: set[str]) -> set[str]:
    """Return the keys that a database or a backup names. A zip without a list of files is no backup
    of ours, and a database without media not ours."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            if MANIFEST not in archive.namelist():
                return set()
            with archive.open(MANIFEST) as listed:
                rows = csv.DictReader(io.TextIOWrapper(listed, "utf-8"))
                return {row["key"] for row in rows if row["key"] in keys}
    with duckdb.connect(str(path), read_only=True, config=whole_tables(path)) as db:
        if not db.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'media'").fetchall():
            return set()
        return {
            key
            for (key,) in db.execute(
                "SELECT key FROM media WHERE key = ANY($1::text[])", [sorted(keys)]
            ).fetchall()
        }


def main(paths: list[str]) -> None:
    keys = set(sys.stdin.read().split())
    found: set[str] = set()
    for path in map(Path, paths):
        found |= named(path, keys - found)
    sys.stdout.write("".join(f"{key}\n" for key in sorted(found)))


if __name__ == "__main__":
    main(sys.argv[1:])
