"""SQL of generations, next to its row mapping."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from api.db import Db, Row, Sql
from api.generations.schemas import GenerationStatus, Mode
from api.schemas import MediaKind

Phase = Literal["submit", "submitting", "poll", "fetch", "store", "done", "submit_unknown", "needs_review"]
Options = dict[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class Input:
    """An input image of ours; `frame` is `first_frame` or `last_frame` for videos."""

    media_id: str
    frame: str | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """A row. `attempt` and `lease_token` together are the fence of whoever works on it."""

    id: str
    short_id: str
    user_id: str
    kind: MediaKind
    mode: Mode
    model: str
    model_name: str
    prompt: str
    options: Options
    inputs: tuple[Input, ...]
    status: GenerationStatus
    phase: Phase
    attempt: int
    rescues: int
    tries: int
    lease_token: str | None
    run_at: datetime
    nudges: int
    deadline_at: datetime | None
    callback_token: str
    provider_id: str | None
    hold_id: str
    estimate_micro: int
    cost_micro: int | None
    error_code: str | None
    error_message: str | None
    source: str
    sandbox: bool
    platform: str | None
    chat_id: str | None
    thread_id: str | None
    message_id: str | None
    card_message_id: str | None
    user_name: str | None
    chat_private: bool | None
    parent_id: str | None
    favourite: bool
    created_at: datetime
    started_at: datetime | None
    submitted_at: datetime | None
    finished_at: datetime | None

    @property
    def finished(self) -> bool:
        """The user's view; a cancelled job may still be followed for its cost."""
        return self.status in {"completed", "failed", "cancelled"}


COLUMNS = (
    "id, short_id, user_id, kind, mode, model, model_name, prompt, options_json, inputs_json, status, phase, attempt, rescues, tries, "
    "lease_token, run_at, nudges, deadline_at, callback_token, provider_id, hold_id, estimate_micro, cost_micro, error_code, "
    "error_message, source, sandbox, platform, chat_id, thread_id, message_id, card_message_id, user_name, chat_private, parent_id, "
    "favourite, created_at, started_at, submitted_at, finished_at"
)
_NAMES = COLUMNS.split(", ")


def _row(row: Row) -> Generation:
    values: dict[str, Any] = {name: row[name] for name in _NAMES}
    values["options"] = json.loads(values.pop("options_json"))
    values["inputs"] = tuple(Input(**item) for item in json.loads(values.pop("inputs_json")))
    return Generation(**values)


async def insert(sql: Sql, generation: Generation) -> None:
    values = {name: getattr(generation, name, None) for name in _NAMES}
    values["options_json"] = json.dumps(generation.options)
    values["inputs_json"] = json.dumps([{"media_id": item.media_id, "frame": item.frame} for item in generation.inputs])
    marks = ", ".join(f"${number}" for number in range(1, len(_NAMES) + 1))
    await sql.execute(f"INSERT INTO generations ({COLUMNS}) VALUES ({marks})", *values.values())


async def get(sql: Sql, generation_id: str) -> Generation | None:
    row = await sql.fetch_one(f"SELECT {COLUMNS} FROM generations WHERE id = $1", generation_id)
    return _row(row) if row else None


async def by_short_id(sql: Sql, short_id: str) -> Generation | None:
    row = await sql.fetch_one(f"SELECT {COLUMNS} FROM generations WHERE short_id = $1", short_id)
    return _row(row) if row else None


async def by_ids(sql: Sql, ids: Sequence[str]) -> list[Generation]:
    rows = await sql.fetch(f"SELECT {COLUMNS} FROM generations WHERE id = ANY($1::text[])", list(ids))
    return [_row(row) for row in rows]


async def by_callback(sql: Sql, callback_token: str) -> Generation | None:
    row = await sql.fetch_one(f"SELECT {COLUMNS} FROM generations WHERE callback_token = $1", callback_token)
    return _row(row) if row else None


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list shows; None means any. `before` is the id after which the page begins, newest first."""

    user_id: str
    kind: str | None = None
    status: str | None = None
    text: str | None = None
    favourite: bool | None = None
    before: str | None = None


async def page(sql: Sql, wanted: Filter, limit: int) -> list[Generation]:
    rows = await sql.fetch(
        f"""
        WITH mine AS MATERIALIZED (SELECT {COLUMNS} FROM generations WHERE user_id = $1)
        SELECT * FROM mine
        WHERE ($2::text IS NULL OR kind = $2::text) AND ($3::text IS NULL OR status = $3::text)
          AND ($4::text IS NULL OR position(lower($4::text) IN lower(prompt)) > 0)
          AND ($5::boolean IS NULL OR favourite = $5::boolean) AND ($6::text IS NULL OR id < $6::text)
        ORDER BY id DESC LIMIT $7
        """,
        wanted.user_id,
        wanted.kind,
        wanted.status,
        wanted.text,
        wanted.favourite,
        wanted.before,
        limit,
    )
    return [_row(row) for row in rows]


async def unfinished_count(sql: Sql, user_id: str) -> int:
    row = await sql.fetch_one("SELECT count(*) AS n FROM generations WHERE user_id = $1 AND status IN ('queued', 'processing')", user_id)
    return cast(int, row["n"]) if row else 0


async def queued_before(sql: Sql, generation_id: str) -> int:
    row = await sql.fetch_one("SELECT count(*) AS n FROM generations WHERE status = 'queued' AND id < $1", generation_id)
    return cast(int, row["n"]) if row else 0


async def recent_seconds(sql: Sql, model: str) -> list[float]:
    """How long the last completed ones of a model took, from the provider's acceptance to the end."""
    rows = await sql.fetch(
        """
        WITH done AS MATERIALIZED (SELECT id, started_at, finished_at FROM generations WHERE model = $1 AND status = 'completed')
        SELECT started_at, finished_at FROM done WHERE started_at IS NOT NULL ORDER BY id DESC LIMIT 50
        """,
        model,
    )
    return [(row["finished_at"] - row["started_at"]).total_seconds() for row in rows]


async def claim(db: Db, phases: Sequence[Phase], lease_token: str, now: datetime, until: datetime, limit: int) -> list[Generation]:
    """Lease what is due. A row still in `submitting` was left by a dead worker: whether it was paid for is unknown."""
    rows = await db.fetch(
        f"""
        UPDATE generations SET attempt = attempt + 1, lease_token = $1, run_at = $2,
            rescues = rescues + CASE WHEN lease_token IS NULL THEN 0 ELSE 1 END,
            phase = CASE WHEN phase = 'submitting' THEN 'submit_unknown' ELSE phase END
        WHERE id IN (
            SELECT id FROM generations WHERE phase = ANY($3::text[]) AND run_at <= $4 ORDER BY run_at, id LIMIT $5 {db.skip_locked}
        )
          AND phase = ANY($3::text[]) AND run_at <= $4
        RETURNING {COLUMNS}
        """,
        lease_token,
        until,
        list(phases),
        now,
        limit,
    )
    return [_row(row) for row in rows]


async def next_due(sql: Sql) -> datetime | None:
    row = await sql.fetch_one("SELECT min(run_at) AS due FROM generations WHERE phase NOT IN ('done', 'needs_review')")
    return cast(datetime, row["due"]) if row and row["due"] else None


async def extend(sql: Sql, ids: Sequence[str], lease_token: str, until: datetime) -> None:
    await sql.execute("UPDATE generations SET run_at = $1 WHERE id = ANY($2::text[]) AND lease_token = $3", until, list(ids), lease_token)


async def free_leases(sql: Sql, now: datetime) -> None:
    """For the embedded engine at start: no other process can hold a lease on this file."""
    await sql.execute("UPDATE generations SET run_at = $1 WHERE lease_token IS NOT NULL AND phase <> 'done'", now)


async def advance(sql: Sql, job: Generation, phase: Phase, **changes: object) -> bool:
    """A fenced write; False when somebody else has taken the job meanwhile."""
    names = ["phase", *changes]
    sets = ", ".join(f"{name} = ${number}" for number, name in enumerate(names, 4))
    row = await sql.fetch_one(
        f"UPDATE generations SET {sets} WHERE id = $1 AND attempt = $2 AND lease_token = $3 RETURNING id",
        job.id,
        job.attempt,
        job.lease_token,
        phase,
        *changes.values(),
    )
    return row is not None


async def release(sql: Sql, job: Generation, phase: Phase, run_at: datetime, now: datetime, **changes: object) -> bool:
    """Give the lease back until `run_at`, or at once when a webhook came in the meantime. Fenced."""
    names = ["phase", *changes]
    sets = ", ".join(f"{name} = ${number}" for number, name in enumerate(names, 7))
    row = await sql.fetch_one(
        f"""
        UPDATE generations SET lease_token = NULL, run_at = CASE WHEN nudges > $4 THEN $5::timestamptz ELSE $6::timestamptz END, {sets}
        WHERE id = $1 AND attempt = $2 AND lease_token = $3 RETURNING id
        """,
        job.id,
        job.attempt,
        job.lease_token,
        job.nudges,
        now,
        run_at,
        phase,
        *changes.values(),
    )
    return row is not None


async def finish(sql: Sql, job: Generation, outcome: Mapping[str, object]) -> GenerationStatus | None:
    """The last fenced write; returns the status that stands. A cancelled job keeps that status and only gets its cost."""
    row = await sql.fetch_one(
        """
        UPDATE generations SET phase = 'done', lease_token = NULL, cost_micro = $4,
            status = CASE WHEN status = 'cancelled' THEN status ELSE $5 END,
            error_code = CASE WHEN status = 'cancelled' THEN NULL ELSE $6::text END,
            error_message = CASE WHEN status = 'cancelled' THEN NULL ELSE $7::text END,
            finished_at = CASE WHEN status = 'cancelled' THEN finished_at ELSE $8::timestamptz END
        WHERE id = $1 AND attempt = $2 AND lease_token = $3 AND phase <> 'done' RETURNING status
        """,
        job.id,
        job.attempt,
        job.lease_token,
        outcome.get("cost_micro"),
        outcome["status"],
        outcome.get("error_code"),
        outcome.get("error_message"),
        outcome["finished_at"],
    )
    return cast(GenerationStatus, row["status"]) if row else None


async def cancel_unsubmitted(sql: Sql, generation_id: str, now: datetime) -> bool:
    """Nothing was sent: the job ends here. The attempt moves on, so that a worker that holds it is fenced off."""
    row = await sql.fetch_one(
        """
        UPDATE generations SET status = 'cancelled', phase = 'done', finished_at = $2, attempt = attempt + 1, lease_token = NULL
        WHERE id = $1 AND phase = 'submit' AND status = 'queued' RETURNING id
        """,
        generation_id,
        now,
    )
    return row is not None


async def cancel_submitted(sql: Sql, generation_id: str, now: datetime) -> bool:
    """The provider works on it: the user stops waiting, a worker follows it for its cost."""
    row = await sql.fetch_one(
        "UPDATE generations SET status = 'cancelled', finished_at = $2 WHERE id = $1 AND status = 'processing' RETURNING id",
        generation_id,
        now,
    )
    return row is not None


async def nudge(sql: Sql, generation_id: str, now: datetime) -> None:
    await sql.execute(
        """
        UPDATE generations SET nudges = nudges + 1, run_at = CASE WHEN lease_token IS NULL THEN $2::timestamptz ELSE run_at END
        WHERE id = $1
        """,
        generation_id,
        now,
    )


async def adopt_provider_id(sql: Sql, generation_id: str, provider_id: str, now: datetime) -> None:
    """A webhook names the job whose submit answer was lost: follow it from here."""
    await sql.execute(
        """
        UPDATE generations SET provider_id = $2, phase = 'poll', run_at = $3, lease_token = NULL, attempt = attempt + 1
        WHERE id = $1 AND phase = 'submit_unknown' AND provider_id IS NULL
        """,
        generation_id,
        provider_id,
        now,
    )


async def add_event(sql: Sql, dedupe_key: str, generation_id: str | None, body: str, now: datetime) -> None:
    """Raises `Duplicate` when the event was received before."""
    await sql.execute(
        "INSERT INTO webhook_events (dedupe_key, generation_id, body, received_at) VALUES ($1, $2, $3, $4)",
        dedupe_key,
        generation_id,
        body,
        now,
    )


async def set_card(sql: Sql, generation_id: str, message_id: str) -> None:
    await sql.execute("UPDATE generations SET card_message_id = $2 WHERE id = $1", generation_id, message_id)


async def set_favourite(sql: Sql, generation_id: str, favourite: bool) -> None:
    await sql.execute("UPDATE generations SET favourite = $2 WHERE id = $1", generation_id, favourite)


async def delete(sql: Sql, generation_id: str) -> None:
    await sql.execute("DELETE FROM idempotency WHERE generation_id = $1", generation_id)
    await sql.execute("DELETE FROM webhook_events WHERE generation_id = $1", generation_id)
    await sql.execute("DELETE FROM generations WHERE id = $1", generation_id)


async def ids_of_user(sql: Sql, user_id: str) -> list[str]:
    return [cast(str, row["id"]) for row in await sql.fetch("SELECT id FROM generations WHERE user_id = $1", user_id)]


async def remember_key(sql: Sql, key: str, body_hash: str, generation_id: str, now: datetime) -> None:
    """Raises `Duplicate` when the key was used before."""
    await sql.execute(
        "INSERT INTO idempotency (key, body_hash, generation_id, created_at) VALUES ($1, $2, $3, $4)", key, body_hash, generation_id, now
    )


async def recall_key(sql: Sql, key: str) -> tuple[str, str] | None:
    """(body_hash, generation_id) of an earlier request with this key."""
    row = await sql.fetch_one("SELECT body_hash, generation_id FROM idempotency WHERE key = $1", key)
    return (row["body_hash"], row["generation_id"]) if row else None
