"""`python -m api.admin.backup_copy DATABASE ZIP`: one backup, made in a process of its own, at low
priority. DATABASE is a DuckDB file, or `server` with its address in DATABASE_URL.

A process of its own because closing a file gives up all locks that a process has on it, and the
api's lock on its database must stay. It says `ready`, waits for a line, says `copied` as soon as
the database may be written again, and one line of JSON at the end.
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED

import duckdb

from api.db.duckdb_memory import whole_tables
from api.ids import now
from api.version import VERSION

DATABASE = "app.duckdb"
MANIFEST = "media.csv"
ABOUT = "about.json"
SERVER = "server"
ADDRESS = "DATABASE_URL"


def make(database: str, target: Path) -> None:
    """Readers find the zip at its name when it is whole, or not at all. `database`: the path of a
    DuckDB file, or `SERVER`."""
    with tempfile.TemporaryDirectory(prefix=".making-", dir=target.parent) as folder:
        copy = Path(folder) / DATABASE
        _say("ready")
        if not sys.stdin.readline():
            return  # whoever wanted the backup is gone
        if database == SERVER:
            os.nice(10)
            asyncio.run(_copy_server(os.environ[ADDRESS], copy))
            _say("copied")
        else:
            _copy_file(Path(database), copy)
            _say("copied")
            os.nice(10)
        about = _look_into(copy) | {
            "engine": "postgresql" if database == SERVER else "duckdb",
            "version": VERSION,
            "made_at": f"{now():%Y-%m-%d %H:%M:%S} UTC",
        }
        part = Path(folder) / "whole.zip"
        with zipfile.ZipFile(part, "w", ZIP_STORED) as archive:
            archive.writestr(ABOUT, json.dumps(about, indent=1))
            archive.write(copy.with_name(MANIFEST), MANIFEST, ZIP_DEFLATED)
            # the file of a copied server is as loose as a new one
            archive.write(copy, DATABASE, ZIP_DEFLATED if database == SERVER else ZIP_STORED)
        _sync(part)
        part.chmod(0o600)
        part.replace(target)
        _sync(target.parent)
    _say(json.dumps(about))


def _copy_file(database: Path, copy: Path) -> None:
    shutil.copyfile(database, copy)
    log = database.with_name(database.name + ".wal")
    if log.exists() and log.stat().st_size:
        shutil.copyfile(log, copy.with_name(copy.name + ".wal"))


async def _copy_server(url: str, copy: Path) -> None:
    """Copy one state of a PostgreSQL database into a new DuckDB file, so that a backup is restored
    on either engine. Raises `DifferentCopy`, and what the libraries raise."""
    # only where they are used: they would make the backup of a file take longer
    from api.db.duckdb_tables import duckdb_tables
    from api.db.postgres_tables import postgres_tables
    from api.db.tables import fill

    async with postgres_tables(url, read_only=True) as source:
        with duckdb_tables(copy, read_only=False) as target:
            await fill(source, target, lambda _table, _total: None)


def _look_into(copy: Path) -> dict[str, object]:
    """Open the copy, which proves that it can be opened; count every table, and list the media
    files that belong to it."""
    with duckdb.connect(str(copy), config=whole_tables(copy)) as db:
        tables = [
            name
            for (name,) in db.execute(
                "SELECT table_name FROM duckdb_tables() ORDER BY 1"
            ).fetchall()
        ]
        rows = {name: _count(db, name) for name in tables}
        last = db.execute("SELECT max(name) FROM schema_migrations").fetchone()
        listed = copy.with_name(MANIFEST)
        db.execute(
            "COPY (SELECT key, sha256, size, content_type FROM media ORDER BY key) TO '"
            + str(listed).replace("'", "''")
            + "' (HEADER)"
        )
        db.execute("CHECKPOINT")
    return {"schema": last[0] if last else None, "duckdb": duckdb.__version__, "rows": rows}


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _count(db: duckdb.DuckDBPyConnection, table: str) -> int:
    found = db.execute(f'SELECT count(*) FROM "{table}"').fetchone()
    return int(found[0]) if found else 0


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


if __name__ == "__main__":
    make(sys.argv[1], Path(sys.argv[2]))
