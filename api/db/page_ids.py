"""The ids of one page of a list, with filters and in an order.

The statement holds only the wanted conditions, so that each engine can use its indexes. A page
begins behind the place where the last row of the page before would be now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from api import ids
from api.db import Row, Sql
from api.errors import InvalidRequest

Condition = tuple[str, object]
"""SQL of our own with `{0}` in place of its parameter, and the parameter; None: not wanted."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order of a list by `key`, SQL of our own, and then by id. The condition `among` limits the
    list to rows whose key is not null, and to few enough of them to sort for one page."""

    key: str = "id"
    type: Literal["text", "bigint"] = "text"
    descending: bool = True
    among: str = ""


LATELY = timedelta(days=2)
_FIRST = datetime(1971, 1, 1, tzinfo=UTC)
NEWEST = Order()
OLDEST = Order(descending=False)


async def ids_of(
    sql: Sql,
    table: str,
    conditions: Sequence[Condition],
    order: Order,
    cursor: str | None,
    limit: int,
) -> tuple[list[str], str | None]:
    """Return up to `limit` ids in their order, and the cursor of the next page, None for the last
    one. Raises `InvalidRequest` for a cursor of another order."""
    asked = [(text, value) for text, value in conditions if value is not None]
    texts = [text.format(f"${number}") for number, (text, _) in enumerate(asked, 1)]
    values = [value for _, value in asked]
    if order.among:
        texts.append(order.among)
    if cursor is not None:
        text, more = behind(order, cursor, len(values) + 1)
        texts.append(text)
        values += more
    rows: Sequence[Row] = ()
    if not asked and order == NEWEST and (since := _lately(cursor)) is not None:
        rows = await _rows(
            sql, table, [*texts, f"id >= ${len(values) + 1}"], order, [*values, since], limit
        )
    if len(rows) <= limit:
        rows = await _rows(sql, table, texts, order, values, limit)
    last = rows[limit - 1] if len(rows) > limit else None
    return [row["id"] for row in rows[:limit]], None if last is None else cursor_of(
        order, last["id"], last["sort_key"]
    )


async def _rows(
    sql: Sql, table: str, texts: Sequence[str], order: Order, values: Sequence[object], limit: int
) -> Sequence[Row]:
    where = f"WHERE {' AND '.join(texts)} " if texts else ""
    query = f"""
        SELECT id, {order.key} AS sort_key FROM {table} {where}
        {by(order)} LIMIT ${len(values) + 1}"""
    return await sql.fetch(query, *values, limit + 1)


def _lately(cursor: str | None) -> str | None:
    """Return an id from some time before the page as a bound to try first, because without one the
    embedded engine sorts tens of thousands of ids."""
    end = ids.moment(cursor) if cursor is not None else ids.now()
    return None if end is None else ids.floor(max(end, _FIRST) - LATELY)


def by(order: Order) -> str:
    direction = "DESC" if order.descending else "ASC"
    before = "" if order.key == "id" else f"{order.key} {direction}, "
    return f"ORDER BY {before}id {direction}"


def behind(order: Order, cursor: str, number: int) -> tuple[str, list[object]]:
    """Return the condition for the rows behind the cursor, and its parameters, the first of
    which is `$number`."""
    beyond = "<" if order.descending else ">"
    if order.key == "id":
        return f"id {beyond} ${number}", [cursor]
    last, _, text = cursor.partition(":")
    value = _bigint(text) if order.type == "bigint" else text
    if value is None:
        raise InvalidRequest("cursor_of_other_list", field="cursor")
    key, at = order.key, f"${number + 1}::{order.type}"
    return f"({key} {beyond} {at} OR ({key} = {at} AND id {beyond} ${number}))", [last, value]


def _bigint(text: str) -> int | None:
    try:
        value = int(text)
    except ValueError:
        return None
    return value if -(2**63) <= value < 2**63 else None


def cursor_of(order: Order, row_id: str, value: object) -> str:
    return row_id if order.key == "id" else f"{row_id}:{value}"
