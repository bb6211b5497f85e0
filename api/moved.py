"""The mark beside a DuckDB file whose content was moved to a server: two databases that go on from
the same rows would send the same paid jobs."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class MovedTo:
    """`place`: the server's host and the database's name. `moved_at`: a time in UTC."""

    place: str
    moved_at: str


def mark_of(database: Path) -> Path:
    return database.with_name(f"{database.name}.moved")


def moved(database: Path) -> MovedTo | None:
    mark = mark_of(database)
    if not mark.exists():
        return None
    try:
        return MovedTo(**json.loads(mark.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        return MovedTo("a PostgreSQL server", "an unknown time")


def mark(database: Path, value: MovedTo) -> None:
    """Write it whole, or not at all. Raises OSError."""
    path = mark_of(database)
    part = path.with_name(f"{path.name}.new")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(json.dumps(asdict(value)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def unmark(database: Path) -> None:
    mark_of(database).unlink(missing_ok=True)
