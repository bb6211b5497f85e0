"""Pages of generations: of one member, and of all. The ids come first, and only the rows that are shown are read whole."""

from dataclasses import dataclass
from datetime import datetime

from api import ids
from api.db import Sql
from api.db.conditions import newest
from api.generations import store
from api.generations.store import Generation


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list shows; None means any. `before` is the id after which the page begins, newest first. `text` is looked for in the prompt,
    or is a short id. Asked for from `since` on and before `until`."""

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
    before: str | None = None
    prompts: bool = True
    """False: `text` is a short id only."""


async def page(sql: Sql, wanted: Filter, limit: int) -> list[Generation]:
    """Newest first."""
    words = wanted.text.lower() if wanted.text else None
    found = "(short_id = {0} OR position({0} IN lower(prompt)) > 0)" if wanted.prompts else "short_id = {0}"
    clause, values = newest(
        [
            ("user_id = {0}", wanted.user_id),
            ("kind = {0}", wanted.kind),
            ("status = {0}", wanted.status),
            ("model = {0}", wanted.model),
            ("source = {0}", wanted.source),
            ("phase = {0}" if wanted.phase == "done" else "phase = {0} AND phase <> 'done'", wanted.phase),
            ("favourite = {0}", wanted.favourite),
            (found, words),
            # ids sort by time, and are what there is an index for
            ("id >= {0}", ids.floor(wanted.since) if wanted.since else None),
            ("id < {0}", ids.floor(wanted.until) if wanted.until else None),
            ("id < {0}", wanted.before),
        ],
        limit,
    )
    rows = await sql.fetch(f"SELECT id FROM generations {clause}", *values)
    whole = await store.by_ids(sql, [row["id"] for row in rows]) if rows else []
    return sorted(whole, key=lambda each: each.id, reverse=True)
