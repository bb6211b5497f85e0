"""The writes that move a generation. Each names the states that it may come from, out of
`states.py`, so that no other move is possible.

A worker's writes carry the fence (id, attempt, lease token) too; they touch nothing once another
worker has it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from api.db import Db, Sql
from api.errors import DomainError
from api.generations.schemas import GenerationStatus
from api.generations.states import Phase, endings, in_phase, sources
from api.generations.store import COLUMNS, Generation, row_of

IMAGES_PER_USER = 3
VIDEOS_PER_USER = 2
"""Generations of one user at the provider at a time, also those that the user has cancelled there;
more of them wait in the queue."""
_PLACES = (VIDEOS_PER_USER, IMAGES_PER_USER)


# The order of turns. $1: now; $2, $3: places of a user for videos and images; $4: generations that
# are due by then.
_PLACED = """
    running AS MATERIALIZED (
        SELECT user_id, kind, count(*) AS jobs FROM generations
        WHERE phase IN ('submitting', 'poll', 'fetch')
           -- a worker has it and is about to send it
           OR (status = 'queued' AND phase = 'submit' AND lease_token IS NOT NULL
               AND run_at > $1::timestamptz)
        GROUP BY user_id, kind
    ), due AS MATERIALIZED (
        SELECT id, user_id, kind, run_at FROM generations
        WHERE status = 'queued' AND phase = 'submit' AND run_at <= $4::timestamptz
          AND (lease_token IS NULL OR run_at <= $1::timestamptz)
    ), placed AS MATERIALIZED (
        SELECT due.id, due.run_at,
            row_number() OVER (PARTITION BY due.user_id ORDER BY due.run_at, due.id)
                + (SELECT coalesce(sum(jobs), 0) FROM running WHERE running.user_id = due.user_id)
                    AS turn,
            row_number() OVER (PARTITION BY due.user_id, due.kind ORDER BY due.run_at, due.id)
                + (SELECT coalesce(sum(jobs), 0) FROM running
                    WHERE running.user_id = due.user_id AND running.kind = due.kind)
                > CASE due.kind WHEN 'video' THEN $2::bigint ELSE $3::bigint END AS waits
        FROM due
    )"""
WAIT_MOST = timedelta(minutes=30)
_MUCH_LATER = timedelta(days=1)
_OPEN = "phase NOT IN ('done', 'needs_review')"
"""As the index of PostgreSQL has it. The embedded engine needs it too, in each part of a statement:
without it a claim among a million generations puts status and phase together for all of them, which
takes half a second."""


async def claim_submits(
    db: Db, lease_token: str, now: datetime, until: datetime, limit: int, lapsed: Sequence[str] = ()
) -> list[Generation]:
    """Lease new generations, fairly: those of the user with the fewest under way come first, and
    nobody gets above the limits per user. `lapsed`: generations that may be taken from whoever
    leased them."""
    # the conditions stand inside and outside of the subselect: PostgreSQL looks at a row again
    # after it has waited for its lock, by the outer ones only
    query = f"""
        WITH {_PLACED}, chosen AS MATERIALIZED (
            SELECT id FROM placed WHERE NOT waits ORDER BY turn, run_at, id LIMIT $8
        )
        UPDATE generations SET attempt = attempt + 1, lease_token = $5, run_at = $6,
            rescues = rescues + CASE WHEN lease_token IS NULL THEN 0 ELSE 1 END
        WHERE {_OPEN} AND id IN (
            SELECT id FROM generations WHERE {_OPEN} AND id IN (SELECT id FROM chosen)
                AND status || '/' || phase = ANY($7::text[])
            {db.skip_locked}
        )
          AND status || '/' || phase = ANY($7::text[]) AND run_at <= $1
          AND (lease_token IS NULL OR id = ANY($9::text[]))
        RETURNING {COLUMNS}
        """
    rows = await db.fetch(
        query, now, *_PLACES, now, lease_token, until, in_phase("submit"), limit, list(lapsed)
    )
    return [row_of(row) for row in rows]


async def queue_positions(sql: Sql, ids: Sequence[str], now: datetime) -> dict[str, int]:
    """Return the places of waiting generations, from 1 in the order of `claim_submits`; one that is
    refused for now keeps its place."""
    query = f"""
        WITH {_PLACED}, numbered AS MATERIALIZED (
            SELECT id, row_number() OVER (ORDER BY waits, turn, run_at, id) AS position FROM placed
        )
        SELECT id, position FROM numbered WHERE id = ANY($5::text[])
        """
    rows = await sql.fetch(query, now, *_PLACES, now + _MUCH_LATER, list(ids))
    return {row["id"]: row["position"] for row in rows}


async def claim(
    db: Db,
    phases: Sequence[Phase],
    lease_token: str,
    now: datetime,
    until: datetime,
    limit: int,
    lapsed: Sequence[str] = (),
) -> list[Generation]:
    """Lease what is due. A row still in `submitting` was left by a dead worker: whether it was paid
    for is unknown. `lapsed` as in `claim_submits`."""
    query = f"""
        UPDATE generations SET attempt = attempt + 1, lease_token = $1, run_at = $2,
            rescues = rescues + CASE WHEN lease_token IS NULL THEN 0 ELSE 1 END,
            phase = CASE WHEN phase = 'submitting' THEN 'submit_unknown' ELSE phase END
        WHERE {_OPEN} AND id IN (
            SELECT id FROM generations
                WHERE {_OPEN} AND status || '/' || phase = ANY($3::text[]) AND run_at <= $4
              AND (lease_token IS NULL OR id = ANY($6::text[]))
            ORDER BY run_at, id LIMIT $5 {db.skip_locked}
        )
          AND status || '/' || phase = ANY($3::text[]) AND run_at <= $4
          AND (lease_token IS NULL OR id = ANY($6::text[]))
        RETURNING {COLUMNS}
        """
    return [
        row_of(row)
        for row in await db.fetch(
            query, lease_token, until, in_phase(*phases), now, limit, list(lapsed)
        )
    ]


@dataclass(frozen=True, slots=True)
class DueSteps:
    """Generations that wait for a worker, without videos to look at: numbers of those that are due,
    some of them perhaps for a place, and the first due time to come."""

    submits: int
    others: int
    next_due: datetime | None


async def due_steps(sql: Sql, now: datetime, lapsed: Sequence[str]) -> DueSteps:
    """`lapsed` as in `claim_submits`. It costs a tenth of a claim."""
    query = f"""
        SELECT count(*) FILTER (WHERE phase = 'submit' AND run_at <= $1) AS submits,
            count(*) FILTER (WHERE phase <> 'submit' AND run_at <= $1) AS others,
            min(run_at) FILTER (WHERE run_at > $1) AS next_due
        FROM generations
        WHERE {_OPEN} AND phase <> 'poll'
            AND (lease_token IS NULL OR run_at > $1 OR id = ANY($2::text[]))
        """
    row = await sql.fetch_one(query, now, list(lapsed))
    assert row is not None
    return DueSteps(**row)


async def extend(sql: Sql, ids: Sequence[str], lease_token: str, until: datetime) -> None:
    query = "UPDATE generations SET run_at = $1 WHERE id = ANY($2::text[]) AND lease_token = $3"
    await sql.execute(query, until, list(ids), lease_token)


async def over(sql: Sql, now: datetime) -> list[tuple[str, datetime]]:
    """Return generations whose lease was not renewed in time, each with the end of the lease."""
    query = (
        "SELECT id, run_at FROM generations "
        f"WHERE {_OPEN} AND lease_token IS NOT NULL AND run_at <= $1"
    )
    return [(row["id"], row["run_at"]) for row in await sql.fetch(query, now)]


async def bring_back(sql: Sql, now: datetime) -> int:
    """Make generations due that wait for longer than any wait there is: the clock has been set back
    since. Return their number."""
    query = f"UPDATE generations SET run_at = $1 WHERE {_OPEN} AND run_at > $2 RETURNING id"
    rows = await sql.fetch(query, now, now + WAIT_MOST)
    return len(rows)


async def free_leases(sql: Sql, now: datetime) -> None:
    """Free all leases of the embedded engine at a start: no other process can hold one on this
    file."""
    query = "UPDATE generations SET run_at = $1 WHERE lease_token IS NOT NULL AND phase <> 'done'"
    await sql.execute(query, now)


async def lease_tokens(sql: Sql, but_not: str) -> list[str]:
    """Return the tokens of other workers that hold something which may be taken from the dead."""
    query = f"""
        SELECT DISTINCT lease_token FROM generations
        WHERE {_OPEN} AND phase <> 'submitting' AND lease_token <> $1
            AND starts_with(lease_token, 'process:')
        """
    return [row["lease_token"] for row in await sql.fetch(query, but_not)]


async def free_dead(sql: Sql, lease_tokens: Sequence[str], now: datetime) -> list[str]:
    """Make due what these workers have left, and return the ids. The attempt moves on, so that one
    which lives after all is fenced off. What they may be paying for waits for the end of its lease:
    its worker, if it lives, brings the result."""
    query = f"""
        UPDATE generations SET lease_token = NULL, run_at = $2, attempt = attempt + 1,
            rescues = rescues + 1
        WHERE {_OPEN} AND phase <> 'submitting' AND lease_token = ANY($1::text[]) RETURNING id
        """
    return [row["id"] for row in await sql.fetch(query, list(lease_tokens), now)]


async def advance(
    sql: Sql,
    row: Generation,
    phase: Phase,
    *,
    status: GenerationStatus | None = None,
    **changes: object,
) -> bool:
    """Move it to another phase. False when another worker has taken it meanwhile, or when it may
    not go there any more."""
    values = {"phase": phase, **({"status": status} if status else {}), **changes}
    sets = ", ".join(f"{name} = ${number}" for number, name in enumerate(values, 5))
    query = f"""
        UPDATE generations SET {sets}
        WHERE id = $1 AND attempt = $2 AND lease_token = $3
        AND status || '/' || phase = ANY($4::text[]) RETURNING id
        """
    fence = (row.id, row.attempt, row.lease_token)
    return await sql.fetch_one(query, *fence, sources(phase, status), *values.values()) is not None


async def release(
    sql: Sql,
    row: Generation,
    phase: Phase,
    run_at: datetime,
    now: datetime,
    *,
    status: GenerationStatus | None = None,
    **changes: object,
) -> bool:
    """Give the lease back until `run_at`, or at once when a webhook came in the meantime.

    A step that ended well proves that the generation kills no process: its rescues are forgotten.
    False as in `advance`.
    """
    values = {"phase": phase, **({"status": status} if status else {}), **changes}
    sets = ", ".join(f"{name} = ${number}" for number, name in enumerate(values, 8))
    # a webhook that came while the step ran found the lease and could only count itself
    query = f"""
        UPDATE generations SET lease_token = NULL, rescues = 0,
            run_at = CASE WHEN nudges > $4 THEN $5::timestamptz ELSE $6::timestamptz END, {sets}
        WHERE id = $1 AND attempt = $2 AND lease_token = $3
        AND status || '/' || phase = ANY($7::text[]) RETURNING id
        """
    fence = (row.id, row.attempt, row.lease_token)
    written = await sql.fetch_one(
        query, *fence, row.nudges, now, run_at, sources(phase, status), *values.values()
    )
    return written is not None


_ENDED = """phase = 'done', lease_token = NULL, cost_micro = $2,
            status = CASE WHEN status = 'cancelled' THEN status ELSE $3 END,
            finished_at = CASE WHEN status = 'cancelled' THEN finished_at ELSE $4::timestamptz END,
            error_code = CASE WHEN status = 'cancelled' THEN NULL ELSE $5::text END,
            error_message = CASE WHEN status = 'cancelled' THEN NULL ELSE $6::text END,
            error_reason = CASE WHEN status = 'cancelled' THEN NULL ELSE $7::text END,
            error_params_json = CASE WHEN status = 'cancelled' THEN NULL ELSE $8::text END"""
"""A cancelled generation keeps its status and only gets its cost."""


_ERROR = ("error_code", "error_message", "error_reason", "error_params_json")


def error_columns(error: DomainError) -> dict[str, object]:
    said = (error.code, error.detail, error.reason, json.dumps(error.params))
    return dict(zip(_ERROR, said, strict=True))


def _ended(outcome: Mapping[str, object]) -> list[object]:
    """Return the values of `_ENDED`, from $2 on."""
    return [outcome.get(name) for name in ("cost_micro", "status", "finished_at", *_ERROR)]


async def finish(
    sql: Sql, row: Generation, outcome: Mapping[str, object]
) -> tuple[GenerationStatus, str] | None:
    """Write the end, the last fenced write. Return the status that stands and the owner's id: a
    guest's generation may belong to an account by now. A cancelled generation keeps that status and
    only gets its cost."""
    query = f"""
        UPDATE generations SET {_ENDED},
            files_json = CASE WHEN status = 'cancelled' THEN NULL ELSE $9::text END,
            provider_id = coalesce($10::text, provider_id)
        WHERE id = $1 AND attempt = $11 AND lease_token = $12
        AND status || '/' || phase = ANY($13::text[])
        RETURNING status, user_id
        """
    left = (outcome.get("files_json"), outcome.get("provider_id"), row.attempt, row.lease_token)
    sources_of = endings(cast(GenerationStatus, outcome["status"]))
    written = await sql.fetch_one(query, row.id, *_ended(outcome), *left, sources_of)
    return (written["status"], written["user_id"]) if written else None


async def cancel_unsubmitted(sql: Sql, generation_id: str, now: datetime) -> bool:
    """Cancel a generation of which nothing was sent: it ends here. The attempt moves on, so that a
    worker that holds it is fenced off."""
    query = """
        UPDATE generations SET status = 'cancelled', phase = 'done', finished_at = $2,
            attempt = attempt + 1, lease_token = NULL
        WHERE id = $1 AND phase = 'submit' AND status = 'queued' RETURNING id
        """
    return await sql.fetch_one(query, generation_id, now) is not None


async def cancel_submitted(sql: Sql, generation_id: str, now: datetime) -> bool:
    """The provider works on it: the user stops waiting, a worker follows it for its cost."""
    query = (
        "UPDATE generations SET status = 'cancelled', finished_at = $2 "
        "WHERE id = $1 AND status = 'processing' RETURNING id"
    )
    return await sql.fetch_one(query, generation_id, now) is not None


async def nudge(sql: Sql, generation_id: str, now: datetime) -> None:
    query = """
        UPDATE generations SET nudges = nudges + 1,
            run_at = CASE WHEN lease_token IS NULL THEN $2::timestamptz ELSE run_at END
        WHERE id = $1
        """
    await sql.execute(query, generation_id, now)


async def adopt_provider_id(sql: Sql, generation_id: str, provider_id: str, now: datetime) -> bool:
    """A webhook, an operator, or a worker that lost its lease names the generation whose submit
    answer was lost: follow it from here. The attempt moves on, as the state was not the one that a
    worker may still hold."""
    query = """
        UPDATE generations SET provider_id = $2, phase = 'poll', run_at = $3, submitted_at = $3,
            followed_ms = 0, lease_token = NULL,
            attempt = attempt + 1, tries = 0, rescues = 0
        WHERE id = $1 AND status || '/' || phase = ANY($4::text[]) RETURNING id
        """
    row = await sql.fetch_one(
        query, generation_id, provider_id, now, in_phase("submit_unknown", "needs_review")
    )
    return row is not None


async def name_provider_id(sql: Sql, generation_id: str, provider_id: str) -> bool:
    """For the operator, who sees it with a generation that nobody follows any more. False when
    there is no such generation, or it has another one."""
    query = (
        "UPDATE generations SET provider_id = $2 "
        "WHERE id = $1 AND coalesce(provider_id, $2) = $2 RETURNING id"
    )
    return await sql.fetch_one(query, generation_id, provider_id) is not None


async def end(
    sql: Sql,
    generation_id: str,
    from_phases: Sequence[Phase],
    now: datetime,
    *,
    cost_micro: int | None,
    error: DomainError,
) -> Generation | None:
    """An operator's decision, or a deadline: failed, whoever holds the lease. None when it is in
    another phase by now."""
    query = f"""
        UPDATE generations SET {_ENDED}, attempt = attempt + 1
        WHERE id = $1 AND status || '/' || phase = ANY($9::text[])
        AND status || '/' || phase = ANY($10::text[])
        RETURNING {COLUMNS}
        """
    outcome = {"cost_micro": cost_micro, "status": "failed", "finished_at": now}
    values = _ended(outcome | error_columns(error))
    row = await sql.fetch_one(
        query, generation_id, *values, in_phase(*from_phases), endings("failed")
    )
    return row_of(row) if row else None


async def overdue_ids(sql: Sql, most_ms: int) -> list[str]:
    query = (
        "SELECT id FROM generations WHERE phase IN ('poll', 'fetch') AND followed_ms >= $1 "
        "ORDER BY id"
    )
    return [cast(str, row["id"]) for row in await sql.fetch(query, most_ms)]
