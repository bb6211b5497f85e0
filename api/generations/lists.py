"""Pages of generations, of one member and of all. The ids are read first, then only the rows of the
page."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, cast

from api import ids
from api.db import Sql
from api.db.page_ids import NEWEST, OLDEST, Condition, Order, ids_of
from api.errors import InvalidRequest
from api.generations import store
from api.generations.store import Listed
from api.schemas import MediaKind

GenerationSort = Literal["newest", "oldest", "cost", "longest"]
_TOOK = "CAST(extract(epoch FROM finished_at - started_at) * 1000 AS BIGINT)"
ORDERS: Mapping[GenerationSort, Order] = {
    "newest": NEWEST,
    "oldest": OLDEST,
    "cost": Order("cost_micro", "bigint", among="cost_micro IS NOT NULL"),
    "longest": Order(_TOOK, "bigint", among="started_at IS NOT NULL AND finished_at IS NOT NULL"),
}
SORTED_WITHIN = timedelta(days=7)
"""The longest time that is sorted without an index: a year has too many generations for one
page."""


@dataclass(frozen=True, slots=True)
class GenerationFilter:
    """The filter of a list; None means any. `cursor` is of the page before. `text` is looked for in
    the prompt, or is a short id. Asked for from `since` on and before `until`."""

    user_id: str | None = None
    kind: str | None = None
    status: str | None = None
    model: str | None = None
    source: str | None = None
    phase: str | None = None
    favourite: bool | None = None
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    cursor: str | None = None
    prompts: bool = True
    """False: `text` is a short id only."""


async def page(
    sql: Sql, wanted: GenerationFilter, limit: int, sort: GenerationSort = "newest"
) -> tuple[list[Listed], str | None]:
    """Return a page, with the cursor of the next one. Raises `InvalidRequest` for a cursor of
    another sort."""
    words = wanted.text.lower() if wanted.text else None
    found = (
        "(short_id = {0} OR position({0} IN lower(prompt)) > 0)"
        if wanted.prompts
        else "short_id = {0}"
    )
    conditions: list[Condition] = [
        ("user_id = {0}", wanted.user_id),
        ("kind = {0}", wanted.kind),
        ("status = {0}", wanted.status),
        ("model = {0}", wanted.model),
        ("source = {0}", wanted.source),
        (
            "phase = {0}" if wanted.phase == "done" else "phase = {0} AND phase <> 'done'",
            wanted.phase,
        ),
        ("favourite = {0}", wanted.favourite),
        (found, words),
        # ids sort by time, and are what there is an index for
        ("id >= {0}", ids.floor(wanted.since) if wanted.since else None),
        ("id < {0}", ids.floor(wanted.until) if wanted.until else None),
    ]
    shown, cursor = await ids_of(sql, "generations", conditions, ORDERS[sort], wanted.cursor, limit)
    return await store.listed(sql, shown) if shown else [], cursor


async def used_models(sql: Sql, user_id: str) -> list[tuple[MediaKind, str]]:
    """Return the models of all that this user has in the gallery, by name."""
    rows = await sql.fetch(
        "SELECT DISTINCT kind, model FROM generations WHERE user_id = $1 ORDER BY 2, 1", user_id
    )
    return [(cast(MediaKind, row["kind"]), row["model"]) for row in rows]


def within(wanted: GenerationFilter, sort: GenerationSort, at: datetime) -> GenerationFilter:
    """Return the filter; for a sort without an index limited to a few days: the last before
    `until`, else the first from `since` on, else the last."""
    if ORDERS[sort].key == "id":
        return wanted
    try:
        until = wanted.until or (wanted.since + SORTED_WITHIN if wanted.since else at)
        earliest = until - SORTED_WITHIN
    except OverflowError as error:
        raise InvalidRequest("days_unknown") from error
    return replace(wanted, since=max(wanted.since or earliest, earliest), until=until)
