"""SQL of `marks`: named facts with a time, of which each is there once."""

from collections.abc import Collection
from datetime import datetime

from api.db import Sql


async def add(sql: Sql, name: str, at: datetime) -> None:
    """Raises `Duplicate` when the fact is there already."""
    await sql.execute("INSERT INTO marks (name, created_at) VALUES ($1, $2)", name, at)


async def touch(sql: Sql, name: str, at: datetime) -> None:
    """Write a mark that may be there already: others that write it wait until this transaction
    ends."""
    query = (
        "INSERT INTO marks (name, created_at) VALUES ($1, $2) "
        "ON CONFLICT (name) DO UPDATE SET created_at = excluded.created_at"
    )
    await sql.execute(query, name, at)


async def named(sql: Sql, prefix: str) -> Collection[str]:
    """Return the marks whose names begin so."""
    rows = await sql.fetch("SELECT name FROM marks WHERE starts_with(name, $1)", prefix)
    return [row["name"] for row in rows]


async def remove(sql: Sql, prefix: str) -> None:
    """Delete the marks whose names begin so."""
    await sql.execute("DELETE FROM marks WHERE starts_with(name, $1)", prefix)
