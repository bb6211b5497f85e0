"""`python -m api.media.referenced_keys DATABASE ...`: which of the keys on its input do these
databases and backups name?

A process of its own because one of them may be so damaged that reading it ends the process. It
prints the keys that are named. Whatever cannot be read is an error: then nobody knows what it
names.
"""

import csv
import io
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import duckdb

from api.admin.backup_copy import CONFIG, MANIFEST

MAGIC = b"DUCK"
MAGIC_AT = 8


def databases(folders: Iterable[Path], live: Path | None) -> list[Path]:
    """Those in these folders, and backups: all but the one in use."""
    found = {path.resolve() for folder in folders for path in folder.glob("*") if path.is_file()}
    found.discard(live.resolve() if live is not None else Path())
    return sorted(path for path in found if path.suffix == ".zip" or _is_database(path))


def _is_database(path: Path) -> bool:
    """One that cannot be looked at may be."""
    try:
        with path.open("rb") as file:
            return file.read(MAGIC_AT + len(MAGIC))[MAGIC_AT:] == MAGIC
    except OSError:
        return True


def named(path: Path, keys: set[str]) -> set[str]:
    """Those of `keys` that it names. A zip without a list of files is none of our backups, and a
    database without media none of ours."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            if MANIFEST not in archive.namelist():
                return set()
            with archive.open(MANIFEST) as listed:
                rows = csv.DictReader(io.TextIOWrapper(listed, "utf-8"))
                return {row["key"] for row in rows if row["key"] in keys}
    with duckdb.connect(str(path), read_only=True, config=CONFIG) as db:
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
