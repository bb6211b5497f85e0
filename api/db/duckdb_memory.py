"""The memory that DuckDB may use, by the size of its file."""

from pathlib import Path

Config = dict[str, str | bool | int | float | list[str]]

SERVING, WRITING_ALL = 144, 256
"""Megabytes beside those for indexes: of a process that serves people, where larger sorts go to the
folder beside the file; and of one that writes or reads whole tables and ends. One row in each index
takes 58 MB until the next checkpoint, however small the store is."""
OF_FILE = 2 / 3
"""Share of the file. DuckDB cannot put a part of an index that it has read aside again until the
next checkpoint, and every statement fails once these fill its memory. The indexes of 1,000,000 jobs
have 390 MB in a file of 790."""


def memory_limit(path: Path, least: int = WRITING_ALL) -> str:
    """Return DuckDB's setting for this file, which need not be there yet. It is a limit: nothing is
    taken before it is needed."""
    size = path.stat().st_size if path.exists() else 0
    return f"{least + round(size * OF_FILE / 1_000_000)}MB"


def whole_tables(path: Path) -> Config:
    """Return the configuration for a process that reads whole tables and ends."""
    return {"threads": 1, "memory_limit": memory_limit(path)}
