"""Pages of ids: in their order, each row once, also while rows change between two pages."""

from datetime import timedelta

import pytest

from api import ids
from api.db import Db
from api.db.page_ids import NEWEST, OLDEST, Condition, Order, ids_of
from api.errors import InvalidRequest

COST = Order("cost", "bigint", among="cost IS NOT NULL")
NAME = Order("lower(name)", descending=False)
ROWS = (
    ("a", 5, "Zoe"),
    ("b", 9, "mia: m"),
    ("c", 5, "ann"),
    ("d", None, "Mia: m"),
    ("e", 5, "bo"),
    ("f", 1, "x"),
)


@pytest.fixture
async def things(db: Db) -> Db:
    await db.execute("CREATE TABLE things (id TEXT PRIMARY KEY, cost BIGINT, name TEXT NOT NULL)")
    for row in ROWS:
        await db.execute("INSERT INTO things (id, cost, name) VALUES ($1, $2, $3)", *row)
    return db


async def pages(db: Db, order: Order, conditions: list[Condition], between: str = "") -> str:
    """Return the ids, read in pages of two; the statement `between` is executed once, after the
    first page."""
    found, cursor = await ids_of(db, "things", conditions, order, None, 2)
    if between:
        await db.execute(between)
    while cursor is not None:
        more, cursor = await ids_of(db, "things", conditions, order, cursor, 2)
        found += more
    return "".join(found)


async def test_each_order_has_each_row_once(things: Db) -> None:
    assert await pages(things, NEWEST, []) == "fedcba"
    assert await pages(things, OLDEST, []) == "abcdef"
    assert await pages(things, COST, []) == "becaf"
    assert await pages(things, NAME, []) == "cebdfa"
    assert (
        await pages(things, COST, [("cost < {0}", 9), ("name <> {0}", "bo"), ("id = {0}", None)])
        == "caf"
    )


async def test_a_page_begins_where_the_last_one_ended_whatever_changed(things: Db) -> None:
    """The first page ends with `e`, which has moved or gone before the next page."""
    assert await pages(things, COST, [], "UPDATE things SET cost = 0 WHERE id = 'e'") == "becafe"
    await things.execute("UPDATE things SET cost = 5 WHERE id = 'e'")
    assert await pages(things, COST, [], "DELETE FROM things WHERE id = 'e'") == "becaf"


@pytest.mark.parametrize("cursor", ["a", "a:b", f"a:{2**63}", f"a:{-(2**63) - 1}"])
async def test_a_cursor_of_another_order_is_refused(things: Db, cursor: str) -> None:
    with pytest.raises(InvalidRequest):
        await ids_of(things, "things", [], COST, cursor, 2)


async def test_the_newest_come_without_gaps_from_busy_and_from_quiet_times(db: Db) -> None:
    """The two days before the page, which are read first, hold more than a page, less than a page,
    or nothing."""
    await db.execute("CREATE TABLE things (id TEXT PRIMARY KEY)")
    ago = [
        timedelta(days=-1),
        *(timedelta(minutes=n) for n in range(5)),
        *(timedelta(days=n) for n in (1, 3, 30, 31, 90)),
    ]
    made = [ids.floor(ids.now() - each) for each in ago]
    for row_id in made:
        await db.execute("INSERT INTO things (id) VALUES ($1)", row_id)
    assert await pages(db, NEWEST, []) == "".join(made)
    assert await ids_of(db, "things", [], NEWEST, "no id", 100) == (made, None)
    assert await ids_of(db, "things", [], NEWEST, "!", 100) == ([], None)


def test_an_id_tells_when_it_was_made() -> None:
    at = ids.now().replace(microsecond=7000)
    assert ids.moment(ids.floor(at)) == at
    found = [ids.moment(text) for text in ("", "not an id", "ffffffff-ffff-7000-8000-000000000000")]
    assert found == [None, None, None]
