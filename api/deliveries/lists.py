"""SQL of the lists: all deliveries for operators, the inbox for its owner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from api.db import Sql
from api.db.page_ids import NEWEST, OLDEST, Condition, Order, ids_of
from api.deliveries.schemas import DeliverySort
from api.deliveries.store import COLUMNS, Delivery, row_of

ORDERS: Mapping[DeliverySort, Order] = {
    "newest": NEWEST,
    "oldest": OLDEST,
    "tries": Order("attempt", "bigint", among="state <> 'done'"),
    "due": Order(
        "CAST(extract(epoch FROM due_at) * 1000 AS BIGINT)",
        "bigint",
        descending=False,
        among="state = 'pending'",
    ),
}


@dataclass(frozen=True, slots=True)
class AdminFilter:
    """None means any. `troubled`: failed at least once and still not shown. `cursor` is of the page
    before."""

    state: str | None = None
    platform: str | None = None
    user_id: str | None = None
    generation_id: str | None = None
    troubled: bool | None = None
    cursor: str | None = None


async def page(
    sql: Sql, wanted: AdminFilter, limit: int, sort: DeliverySort = "newest"
) -> tuple[list[Delivery], str | None]:
    """Return a page, with the cursor of the next one. By `tries` it shows only rows that are not
    done, by `due` only pending ones: all rows would take too long. Raises `InvalidRequest` for a
    cursor of another sort."""
    conditions: list[Condition] = [
        ("state = {0}", wanted.state),
        ("platform = {0}", wanted.platform),
        ("user_id = {0}", wanted.user_id),
        ("generation_id = {0}", wanted.generation_id),
        (
            "(state <> 'done' AND (state <> 'pending' OR reason IS NOT NULL)) = {0}::boolean",
            wanted.troubled,
        ),
    ]
    return await _whole(sql, conditions, ORDERS[sort], wanted.cursor, limit)


async def inbox(
    sql: Sql, user_id: str, cursor: str | None, limit: int
) -> tuple[list[Delivery], str | None]:
    return await _whole(
        sql, [("user_id = {0}", user_id), ("state = {0}", "inbox")], NEWEST, cursor, limit
    )


async def _whole(
    sql: Sql, conditions: Sequence[Condition], order: Order, cursor: str | None, limit: int
) -> tuple[list[Delivery], str | None]:
    """The ids come first, and only the rows that are shown are read whole."""
    shown, more = await ids_of(sql, "deliveries", conditions, order, cursor, limit)
    if not shown:
        return [], None
    whole = await sql.fetch(f"SELECT {COLUMNS} FROM deliveries WHERE id = ANY($1::text[])", shown)
    place = {delivery_id: number for number, delivery_id in enumerate(shown)}
    return sorted((row_of(row) for row in whole), key=lambda each: place[each.id]), more


async def unread(sql: Sql, user_id: str) -> int:
    query = (
        "SELECT count(*) AS n FROM deliveries "
        "WHERE user_id = $1 AND state = 'inbox' AND read_at IS NULL"
    )
    row = await sql.fetch_one(query, user_id)
    return cast(int, row["n"]) if row else 0


async def read(sql: Sql, user_id: str, delivery_id: str | None, now: datetime) -> bool:
    """Mark one as read, or with None all of them. False when there is no such one."""
    query = """
        UPDATE deliveries SET read_at = coalesce(read_at, $3)
        WHERE user_id = $1 AND state = 'inbox' AND ($2::text IS NULL OR id = $2::text) RETURNING id
        """
    rows = await sql.fetch(query, user_id, delivery_id, now)
    return bool(rows)


async def put_aside(sql: Sql, user_id: str, delivery_id: str, now: datetime) -> bool:
    query = """
        UPDATE deliveries SET state = 'done', read_at = coalesce(read_at, $3)
        WHERE user_id = $1 AND id = $2 AND state = 'inbox' RETURNING id
        """
    return await sql.fetch_one(query, user_id, delivery_id, now) is not None
