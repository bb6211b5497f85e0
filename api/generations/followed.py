"""Videos that the provider works on: they are claimed and released many at a time, each time by one
statement, and with the columns alone that a poll needs.

All writes come from the phase `poll`, and carry the fence (id, attempt, lease token) as those of
`transitions.py` do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal, cast

from api.db import Db, Sql


@dataclass(frozen=True, slots=True)
class Due:
    """A video that is due since `run_at`."""

    id: str
    model: str
    run_at: datetime


@dataclass(frozen=True, slots=True)
class Followed:
    """A claimed video. The names of the fields are those of the columns."""

    id: str
    model: str
    attempt: int
    rescues: int
    provider_id: str | None
    tries: int
    nudges: int
    followed_ms: int | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Look:
    """The outcome of a poll: the video is looked at again at `run_at`, or fetched then.
    `provider_state` and `cost_micro` None: as they were."""

    video: Followed
    phase: Literal["poll", "fetch"]
    run_at: datetime
    followed_ms: int
    tries: int
    provider_state: str | None = None
    cost_micro: int | None = None


_FREE = "(lease_token IS NULL OR id = ANY($2::text[]))"
_COLUMNS = ", ".join(field.name for field in fields(Followed))


async def due(
    sql: Sql, now: datetime, lapsed: Sequence[str], without: Sequence[str], limit: int
) -> list[Due]:
    """Return videos that are due, in turns between the models. `lapsed`: those that may be taken
    from whoever leased them. `without`: models of which none is wanted."""
    query = f"""
        SELECT id, model, run_at FROM (
            SELECT id, model, run_at,
                row_number() OVER (PARTITION BY model ORDER BY run_at, id) AS turn
            FROM generations
            WHERE phase = 'poll' AND run_at <= $1 AND {_FREE} AND NOT model = ANY($3::text[])
        ) AS due
        WHERE turn <= $4 ORDER BY turn, run_at, id LIMIT $4
        """
    rows = await sql.fetch(query, now, list(lapsed), list(without), limit)
    return [Due(**row) for row in rows]


async def claim(
    db: Db,
    ids: Sequence[str],
    lease_token: str,
    now: datetime,
    until: datetime,
    lapsed: Sequence[str],
) -> list[Followed]:
    """Lease those of these videos that are still due."""
    # the subselect for PostgreSQL: of two workers that chose the same ones none waits for the other
    query = f"""
        UPDATE generations SET attempt = attempt + 1, lease_token = $3, run_at = $4,
            rescues = rescues + CASE WHEN lease_token IS NULL THEN 0 ELSE 1 END
        WHERE id IN (
            SELECT id FROM generations WHERE id = ANY($1::text[]) {db.skip_locked}
        )
            AND phase = 'poll' AND run_at <= $5 AND {_FREE}
        RETURNING {_COLUMNS}
        """
    rows = await db.fetch(query, list(ids), list(lapsed), lease_token, until, now)
    return [Followed(**row) for row in rows]


async def release(sql: Sql, looks: Sequence[Look], lease_token: str, now: datetime) -> None:
    """Give the leases of these videos back, with what was seen. One for which a webhook came in the
    meantime is due at once. A look that ended well proves that the video kills no process: its
    rescues are forgotten."""
    query = """
        UPDATE generations SET lease_token = NULL, rescues = 0,
            run_at = CASE WHEN generations.nudges > seen.nudges THEN $2::timestamptz
                ELSE seen.run_at END,
            phase = seen.phase, followed_ms = seen.followed_ms, tries = seen.tries,
            provider_state = coalesce(seen.provider_state, generations.provider_state),
            cost_micro = coalesce(seen.cost_micro, generations.cost_micro)
        FROM (
            SELECT unnest($3::text[]) AS id, unnest($4::bigint[]) AS attempt,
                unnest($5::bigint[]) AS nudges, unnest($6::text[]) AS phase,
                unnest($7::timestamptz[]) AS run_at, unnest($8::bigint[]) AS followed_ms,
                unnest($9::bigint[]) AS tries, unnest($10::text[]) AS provider_state,
                unnest($11::bigint[]) AS cost_micro
        ) AS seen
        WHERE generations.id = seen.id AND generations.attempt = seen.attempt
            AND generations.lease_token = $1 AND generations.phase = 'poll'
        """
    videos = [each.video for each in looks]
    await sql.execute(
        query,
        lease_token,
        now,
        [each.id for each in videos],
        [each.attempt for each in videos],
        [each.nudges for each in videos],
        [each.phase for each in looks],
        [each.run_at for each in looks],
        [each.followed_ms for each in looks],
        [each.tries for each in looks],
        [each.provider_state for each in looks],
        [each.cost_micro for each in looks],
    )


async def ahead(sql: Sql, after: datetime) -> tuple[int, datetime | None]:
    """Return the number of videos that the provider works on, and the first due time after a
    moment."""
    query = """
        SELECT count(*) AS number, min(run_at) FILTER (WHERE run_at > $1) AS due
        FROM generations WHERE phase = 'poll'
        """
    row = await sql.fetch_one(query, after)
    assert row is not None
    return cast(int, row["number"]), cast(datetime | None, row["due"])
