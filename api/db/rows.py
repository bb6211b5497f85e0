"""Many rows in one statement: a list a column, which both engines turn into rows."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from api.db import Sql

Columns = Mapping[str, str]
"""Columns and their types, in the order of a row's values."""


FEW = 2
"""Rows that are values of the statement; for more of them lists are faster."""


async def insert(sql: Sql, table: str, columns: Columns, rows: Sequence[Sequence[object]]) -> None:
    """Insert all rows, or none, at the commit at the latest. Raises `Duplicate` then."""
    if not rows:
        return
    if len(rows) <= FEW:
        values = [value for row in rows for value in row]
        await sql.later(_insert_few(table, tuple(columns.items()), len(rows)), *values)
    else:
        await sql.later(_insert(table, tuple(columns.items())), *lists(rows))


def lists(rows: Sequence[Sequence[object]]) -> list[list[object]]:
    """Return the values of rows, one list a column."""
    return [list(column) for column in zip(*rows, strict=True)]


def listed(columns: Columns, first: int = 1) -> str:
    """Return a SELECT of the rows in these parameters, the first of which is `$first`."""
    return _listed(tuple(columns.items()), first)


@lru_cache
def _insert(table: str, columns: tuple[tuple[str, str], ...]) -> str:
    names = ", ".join(name for name, _ in columns)
    return f"INSERT INTO {table} ({names}) {_listed(columns, 1)}"


@lru_cache
def _insert_few(table: str, columns: tuple[tuple[str, str], ...], rows: int) -> str:
    names, kinds = ", ".join(name for name, _ in columns), [kind for _, kind in columns]
    listed = [
        ", ".join(f"${number}::{kind}" for number, kind in enumerate(kinds, 1 + row * len(columns)))
        for row in range(rows)
    ]
    return f"INSERT INTO {table} ({names}) VALUES {', '.join(f'({row})' for row in listed)}"


@lru_cache
def _listed(columns: tuple[tuple[str, str], ...], first: int) -> str:
    parts = [
        f"unnest(${number}::{kind}[]) AS {name}"
        for number, (name, kind) in enumerate(columns, first)
    ]
    return f"SELECT {', '.join(parts)}"
