"""An invariant of the rows: a statement that finds those which break it, each domain's beside its
tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from api.db import Row, Sql

InvariantName = Literal[
    "counters_add_up",
    "limits_kept",
    "holds_booked",
    "holds_have_work",
    "days_add_up",
    "states_known",
    "paid_once",
    "jobs_settled",
    "jobs_told",
    "jobs_have_files",
    "parts_have_jobs",
    "deliveries_end",
    "copies_within_promise",
    "deliveries_have_jobs",
    "messages_have_conversations",
    "media_have_owners",
    "rows_have_files",
    "files_have_rows",
    "one_refresh_token",
    "rows_have_accounts",
]

SHOWN = 20
"""Rows of one invariant that are named."""


def _nothing(_now: datetime) -> Sequence[object]:
    return ()


@dataclass(frozen=True, slots=True)
class Invariant:
    """`query` yields `id` and `facts` (text) of each row that breaks it. `values` gives its
    parameters at a moment. `timed`: something has to be done in time, so it says nothing about an
    installation that does not run, or has just begun."""

    name: InvariantName
    query: str
    values: Callable[[datetime], Sequence[object]] = _nothing
    timed: bool = False


async def broken(sql: Sql, one: Invariant, now: datetime) -> tuple[int, Sequence[Row]]:
    """Return the number of rows that break it, and the first of them. One statement, so that it
    sees one moment."""
    query = f"""
        SELECT id, facts, count(*) OVER () AS n FROM ({one.query}) AS broken
        ORDER BY id, facts LIMIT {SHOWN}"""
    rows = await sql.fetch(query, *one.values(now))
    return (rows[0]["n"] if rows else 0), rows
