"""Writes that are done later in their transaction, on both engines."""

import pytest

from api.db import Db, Duplicate
from api.db.one_statement import together
from api.ids import now

INSERT = "INSERT INTO marks (name, created_at) VALUES ($1, $2)"
UPDATE = "UPDATE marks SET name = name || $1 WHERE name <> $2"
LIMIT = "INSERT INTO budget_limits (scope, limit_micro) VALUES ($1, $2)"


async def _names(db: Db) -> list[str]:
    return [row["name"] for row in await db.fetch("SELECT name FROM marks ORDER BY name")]


async def test_later_writes_are_done_in_their_turn(db: Db) -> None:
    """Two of them change the same row, and a read in between sees what was before it."""
    async with db.transaction() as sql:
        await sql.later(INSERT, "a", now())
        await sql.later(LIMIT, "users", 5)
        await sql.later(UPDATE, "1", "b")
        seen = await sql.fetch("SELECT name FROM marks")
        await sql.later(UPDATE, "2", "b")
        await sql.later(INSERT, "b", now())
        await sql.later(UPDATE, "3", "b")
    assert [row["name"] for row in seen] == ["a1"]
    assert await _names(db) == ["a123", "b"]
    assert await db.fetch_one("SELECT limit_micro FROM budget_limits") == {"limit_micro": 5}


async def test_a_later_write_that_fails_undoes_its_transaction(db: Db) -> None:
    async def twice() -> None:
        async with db.transaction() as sql:
            await sql.later(INSERT, "a", now())
            await sql.later(LIMIT, "users", 5)
            await sql.later(LIMIT, "users", 6)

    with pytest.raises(Duplicate):
        await twice()
    assert await _names(db) == []
    assert await db.fetch("SELECT scope FROM budget_limits") == []
    await db.execute(INSERT, "a", now())


async def test_later_writes_of_a_block_that_fails_are_never_done(db: Db) -> None:
    async def broken() -> None:
        async with db.transaction() as sql:
            await sql.later(INSERT, "a", now())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await broken()
    assert await _names(db) == []


def test_no_table_is_written_twice_by_one_statement() -> None:
    found = together(
        [(INSERT, ("a", 1)), (LIMIT, ("x", 2)), (UPDATE, ("b", "c")), ("SELECT 1", ())]
    )
    joined = f"WITH part0 AS ({INSERT}) {LIMIT.replace('$2', '$4').replace('$1', '$3')}"
    assert list(found) == [
        (joined, ("a", 1, "x", 2)),
        (UPDATE, ("b", "c")),
        ("SELECT 1", ()),
    ]
