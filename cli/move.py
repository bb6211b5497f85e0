"""`./run move`: the content of a DuckDB database in a PostgreSQL database."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api import moved
from api.budget.store import sums
from api.database import about_file, about_schema
from api.db import CannotOpen
from api.db.duckdb_tables import DuckDbTables, duckdb_tables
from api.db.migrate import WrongSchema, missing
from api.db.postgres_tables import PostgresTables
from api.db.tables import NotEmpty, TableSum, columns_of, fill, must_be_empty
from api.ids import now
from api.settings import Settings
from cli.errors import CommandRefused
from cli.server import UNTOUCHED, CommitUnknown, place_of, server
from cli.settings import LaunchSettings, api_settings, load

MICRO = 1_000_000


def move(to: str, *, dry_run: bool) -> None:
    """Copy everything and print what was copied. Raises `CommandRefused`, `BadSetting`."""
    settings = api_settings(load(LaunchSettings))
    if not to.startswith(("postgresql://", "postgres://")):
        raise CommandRefused("--to should be postgresql://user:password@host:port/name.")
    path = settings.duckdb_path
    if not path.is_file():
        raise CommandRefused(f"There is no database {path} to move.")
    was = moved.moved(path)
    if was is not None and was.place != place_of(to):
        raise CommandRefused(
            f"{path} was moved to {was.place} already, at {was.moved_at}: go on there, or delete "
            f"{moved.mark_of(path)} first if that database is no more."
        )
    with _source(path, settings) as source:
        asyncio.run(_move(source, path, to, dry_run=dry_run))


@contextmanager
def _source(path: Path, settings: Settings) -> Iterator[DuckDbTables]:
    """Open the file so that nobody else can write to it. Not a byte of it changes."""
    try:
        with duckdb_tables(path, read_only=True) as source:
            yield source
    except CannotOpen as error:
        raise CommandRefused(about_file(error, settings)) from error


async def _move(source: DuckDbTables, path: Path, to: str, *, dry_run: bool) -> None:
    await _must_fit(source, path)
    begun, copied = time.monotonic(), None
    try:
        async with server(to, "--to") as target:
            if dry_run:
                await _look(source, target, path, to)
            else:
                copied = await _copy(source, target, path, to)
    except NotEmpty as error:
        raise CommandRefused(_in_use(error, path, to)) from error
    except CommitUnknown:
        raise  # the mark stays: two databases that go on are worse than none
    except CommandRefused:
        if copied is not None:
            moved.unmark(path)
        raise
    if copied is not None:
        _print_end(copied, time.monotonic() - begun, path)


async def _must_fit(source: DuckDbTables, path: Path) -> None:
    try:
        late = await missing(source, "duckdb")
    except WrongSchema as error:
        raise CommandRefused(f"The database {path} {about_schema(error)}.") from error
    if late:
        raise CommandRefused(
            f"The database {path} is of an earlier version: bring it up to date with ./run migrate "
            "first."
        )


def _in_use(error: NotEmpty, path: Path, to: str) -> str:
    place = place_of(to)
    was = moved.moved(path)
    if was is not None and was.place == place:
        return (
            f"{path} was moved to {place} already, at {was.moved_at}: set DATABASE_URL in .env to "
            "that address, and start ./run."
        )
    held = "is of another program" if error.foreign else "has rows"
    return (
        f"The database {place} is not empty: its table {error.table} {held}. Make an empty one "
        "(CREATE DATABASE) and name that; this one was left as it is."
    )


async def _look(source: DuckDbTables, target: PostgresTables, path: Path, to: str) -> None:
    await must_be_empty(target)
    print(f"{path} can be moved to {place_of(to)}, which is empty. Rows in each table:")
    total = 0
    for table in await columns_of(source):
        (row,) = await source.fetch(f'SELECT count(*) AS n FROM "{table}"')
        total += row["n"]
        print(f"  {table:<20} {row['n']:>12,}")
    print(f"  {'together':<20} {total:>12,}")
    _print_money(await sums(source))


async def _copy(source: DuckDbTables, target: PostgresTables, path: Path, to: str) -> TableSum:
    copied = TableSum()

    def say(table: str, total: TableSum) -> None:
        copied.rows += total.rows
        copied.changed += total.changed
        print(f"  {table:<20} {total.rows:>12,}  {total.checksum}  the same", flush=True)

    print(f"{path} to {place_of(to)}. Rows and checksums, counted on both sides:", flush=True)
    await fill(source, target, say)
    before, after = await sums(source), await sums(target)
    _print_money(before, after)
    if before != after:
        raise CommandRefused(f"The sums of money differ: {UNTOUCHED}.")
    # before the commit: after a kill in between the next move to this place goes on, while two
    # databases that go on from the same rows are not noticed
    try:
        moved.mark(path, moved.MovedTo(place_of(to), f"{now():%Y-%m-%d %H:%M} UTC"))
    except OSError as error:
        raise CommandRefused(
            f"{moved.mark_of(path)} cannot be written ({error.strerror}): {UNTOUCHED}."
        ) from error
    return copied


def _print_money(before: dict[str, int], after: dict[str, int] | None = None) -> None:
    print("Sums of money, in USD" + (", in the file and on the server:" if after else ":"))
    for name, micro in before.items():
        there = f" {after[name] / MICRO:>16,.6f}" if after else ""
        print(f"  {name.replace('_', ' '):<20} {micro / MICRO:>16,.6f}{there}")


def _print_end(copied: TableSum, seconds: float, path: Path) -> None:
    if copied.changed:
        print(
            f"{copied.changed} rows hold a character that PostgreSQL refuses (NUL). It is left out."
        )
    print(f"Moved {copied.rows:,} rows in {seconds:.0f} s. Everybody stays signed in.")
    print(
        "Now set DATABASE_URL in .env to the address that --to had, and start ./run. DATA_DIR and "
        "MEDIA_URL stay as they are: pictures, videos and secrets.json were not moved."
    )
    print(
        f"{path} is as it was. No start uses it any more, as long as {moved.mark_of(path)} is "
        "beside it; delete both when you are content."
    )
