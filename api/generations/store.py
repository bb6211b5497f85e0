"""SQL of generations, next to its row mapping."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, cast

from api import ids
from api.db import Row, Sql
from api.generations.schemas import GenerationStatus, Mode
from api.generations.states import Phase
from api.reasons import SENTENCES, Reason
from api.schemas import MediaKind

Options = dict[str, str | int | bool]
COST_ASKED_FOR = timedelta(days=2)
"""The time after its end for which the provider is asked what a job cost that came to nothing."""


@dataclass(frozen=True, slots=True)
class Input:
    """An input image of ours; `frame` is `first_frame` or `last_frame` for videos."""

    media_id: str
    frame: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """The columns that lists show. The embedded engine reads a row column by column, so that a page
    of whole rows takes half as long again."""

    id: str
    short_id: str
    user_id: str
    kind: MediaKind
    mode: Mode
    model: str
    model_name: str
    prompt: str
    options: Options
    status: GenerationStatus = "queued"
    phase: Phase = "submit"
    attempt: int = 0
    rescues: int = 0
    provider_id: str | None = None
    estimate_micro: int
    cost_micro: int | None = None
    error_code: str | None = None
    error_message: str | None = None
    error_reason: Reason | None = None
    error_params_json: str | None = None
    source: str
    sandbox: bool
    platform: str | None = None
    parent_id: str | None = None
    favourite: bool = False
    created_at: datetime
    started_at: datetime | None = None
    submitted_at: datetime | None = None
    finished_at: datetime | None = None
    followed_ms: int | None = None
    """Milliseconds of all waits for the provider. While queued: None, or the time for which the
    provider has not taken it."""
    refunded_at: datetime | None = None
    files_json: str | None = None
    """The files that it made, for `MediaService.shown`; None: look them up."""

    @property
    def finished(self) -> bool:
        """The user's view; a cancelled generation may still be followed for its cost."""
        return self.status in {"completed", "failed", "cancelled"}

    @property
    def waits_for_provider(self) -> bool:
        return self.status == "queued" and self.followed_ms is not None

    @property
    def error_params(self) -> dict[str, str | int]:
        """One that failed before params were kept has its message of that time, where its reason
        quotes one."""
        if self.error_params_json is not None:
            return cast(dict[str, str | int], json.loads(self.error_params_json))
        is_quoted = "%(said)s" in SENTENCES[self.error_reason or "earlier"]
        return {"said": self.error_message} if is_quoted and self.error_message else {}

    @property
    def charged_micro(self) -> int | None:
        """The amount that its person pays as things stand; None: its cost is not known yet."""
        return 0 if self.refunded_at is not None else self.cost_micro


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation(Listed):
    """A whole row. `attempt` and `lease_token` together are the fence of whoever works on it."""

    inputs: tuple[Input, ...]
    tries: int = 0
    lease_token: str | None = None
    run_at: datetime
    nudges: int = 0
    callback_token: str
    hold_id: str = ""
    chat_id: str | None = None
    thread_id: str | None = None
    message_id: str | None = None
    card_message_id: str | None = None
    user_name: str | None = None
    chat_private: bool | None = None
    request_id: str | None = None
    """The name of the request that asked for it."""


_JSON = {"options": "options_json", "inputs": "inputs_json"}


def _columns(of: type[Listed]) -> str:
    return ", ".join(_JSON.get(field.name, field.name) for field in fields(of))


_LISTED, COLUMNS = _columns(Listed), _columns(Generation)
_NAMES = COLUMNS.split(", ")


def row_of(row: Row) -> Generation:
    values: dict[str, Any] = {name: row[name] for name in _NAMES}
    values["options"] = json.loads(values.pop("options_json"))
    values["inputs"] = tuple(Input(**item) for item in json.loads(values.pop("inputs_json")))
    return Generation(**values)


async def insert(sql: Sql, generation: Generation) -> None:
    values = {name: getattr(generation, name, None) for name in _NAMES}
    values["options_json"] = json.dumps(generation.options)
    values["inputs_json"] = json.dumps([asdict(item) for item in generation.inputs])
    marks = ", ".join(f"${number}" for number in range(1, len(_NAMES) + 1))
    await sql.execute(f"INSERT INTO generations ({COLUMNS}) VALUES ({marks})", *values.values())


async def get(sql: Sql, generation_id: str) -> Generation | None:
    row = await sql.fetch_one(f"SELECT {COLUMNS} FROM generations WHERE id = $1", generation_id)
    return row_of(row) if row else None


async def by_short_id(sql: Sql, short_id: str) -> Generation | None:
    row = await sql.fetch_one(f"SELECT {COLUMNS} FROM generations WHERE short_id = $1", short_id)
    return row_of(row) if row else None


async def by_ids(sql: Sql, ids: Sequence[str]) -> list[Generation]:
    query = f"SELECT {COLUMNS} FROM generations WHERE id = ANY($1::text[])"
    return [row_of(row) for row in await sql.fetch(query, list(ids))]


async def listed(sql: Sql, ids: Sequence[str]) -> list[Listed]:
    """In the order asked for; those that are not there are left out."""
    found = {}
    query = f"SELECT {_LISTED} FROM generations WHERE id = ANY($1::text[])"
    for row in await sql.fetch(query, list(ids)):
        values = dict(row)
        options = json.loads(values.pop("options_json"))
        found[row["id"]] = Listed(**values, options=options)
    return [found[each] for each in ids if each in found]


async def by_callback(sql: Sql, callback_token: str) -> Generation | None:
    query = f"SELECT {COLUMNS} FROM generations WHERE callback_token = $1"
    row = await sql.fetch_one(query, callback_token)
    return row_of(row) if row else None


async def old_ids(
    sql: Sql, created_before: datetime, status: str | None, billed_before: datetime
) -> list[str]:
    """Return finished ones, except favourites, and except those that ended since `billed_before`
    without a cost, because they may still be billed."""
    query = """
        SELECT id FROM generations WHERE phase = 'done' AND NOT favourite AND created_at < $1
            AND ($2::text IS NULL OR status = $2::text)
            AND (cost_micro IS NOT NULL OR coalesce(finished_at, created_at) < $3)
        ORDER BY id
        """
    rows = await sql.fetch(query, created_before, status, billed_before)
    return [cast(str, row["id"]) for row in rows]


async def unfinished_count(sql: Sql, user_id: str) -> int:
    query = (
        "SELECT count(*) AS n FROM generations "
        "WHERE user_id = $1 AND status IN ('queued', 'processing')"
    )
    row = await sql.fetch_one(query, user_id)
    return cast(int, row["n"]) if row else 0


async def recent_seconds(sql: Sql, model: str, since: datetime) -> list[float]:
    """Return the seconds of a model's last completed generations since then, from the provider's
    acceptance to the end."""
    query = """
        SELECT started_at, finished_at FROM generations
        WHERE id >= $2 AND model = $1 AND status = 'completed' AND started_at IS NOT NULL
        ORDER BY id DESC LIMIT 50
        """
    return [
        (row["finished_at"] - row["started_at"]).total_seconds()
        for row in await sql.fetch(query, model, ids.floor(since))
    ]


async def add_event(
    sql: Sql, dedupe_key: str, generation_id: str | None, body: str, now: datetime
) -> None:
    """Raises `Duplicate` when the event was received before."""
    query = (
        "INSERT INTO webhook_events (dedupe_key, generation_id, body, received_at) "
        "VALUES ($1, $2, $3, $4)"
    )
    await sql.execute(query, dedupe_key, generation_id, body, now)


async def reported_provider_id(sql: Sql, generation_id: str) -> str | None:
    """Return the provider's id for this generation that a signed webhook named."""
    query = "SELECT dedupe_key FROM webhook_events WHERE generation_id = $1 LIMIT 1"
    row = await sql.fetch_one(query, generation_id)
    return cast(str, row["dedupe_key"]).rpartition(":")[0] if row else None


async def forget_events(sql: Sql, before: datetime) -> None:
    await sql.execute("DELETE FROM webhook_events WHERE received_at < $1", before)


async def leaked_holds(sql: Sql) -> list[Generation]:
    """Jobs that are over although their money is still held."""
    rows = await sql.fetch(
        f"SELECT {COLUMNS} FROM generations "
        "WHERE phase = 'done' AND hold_id IN (SELECT id FROM holds WHERE state = 'held')"
    )
    return [row_of(row) for row in rows]


async def uncounted(
    sql: Sql, begun: datetime, ended: datetime, after: str, limit: int
) -> list[Generation]:
    """Return jobs begun and over since then that came to nothing, that the provider knows, and
    whose cost is not known: those with an id above `after`, in order."""
    query = f"""
        WITH young AS MATERIALIZED (
            SELECT id, status, phase, cost_micro, finished_at, provider_id FROM generations
                WHERE id >= $1 AND id > $3
        )
        SELECT {COLUMNS} FROM generations WHERE id IN (
            SELECT id FROM young
            WHERE phase = 'done' AND status IN ('failed', 'cancelled') AND cost_micro IS NULL
            AND finished_at >= $2
              AND (provider_id IS NOT NULL OR id IN (SELECT generation_id FROM webhook_events))
        ) ORDER BY id LIMIT $4
        """
    found = await sql.fetch(query, ids.floor(begun), ended, after, limit)
    return [row_of(row) for row in found]


async def count_late(sql: Sql, generation_id: str, cost_micro: int) -> bool:
    """False when it was counted before, or is gone."""
    query = (
        "UPDATE generations SET cost_micro = $2 "
        "WHERE id = $1 AND phase = 'done' AND cost_micro IS NULL RETURNING id"
    )
    return await sql.fetch_one(query, generation_id, cost_micro) is not None


async def mark_refunded(sql: Sql, generation_id: str, now: datetime) -> bool:
    """False when it cost nothing, is not over, or was refunded before."""
    query = (
        "UPDATE generations SET refunded_at = $2 "
        "WHERE id = $1 AND refunded_at IS NULL AND phase = 'done' AND cost_micro > 0 RETURNING id"
    )
    return await sql.fetch_one(query, generation_id, now) is not None


async def forget_files(sql: Sql, generation_ids: Sequence[str]) -> None:
    """Some of these files are gone: what is left is looked up from now on."""
    query = "UPDATE generations SET files_json = NULL WHERE id = ANY($1::text[])"
    await sql.execute(query, list(generation_ids))


async def set_card(sql: Sql, generation_id: str, message_id: str) -> Generation | None:
    """Name the card, and return the row as it is then."""
    query = f"UPDATE generations SET card_message_id = $2 WHERE id = $1 RETURNING {COLUMNS}"
    row = await sql.fetch_one(query, generation_id, message_id)
    return row_of(row) if row else None


async def open_cards(sql: Sql, platform: str, since: datetime, most: int) -> list[Generation]:
    """Return the newest of the platform's generations that are being made and have a card."""
    query = f"""
        SELECT {COLUMNS} FROM generations
        WHERE id >= $2 AND platform = $1 AND card_message_id IS NOT NULL
          AND status IN ('queued', 'processing') AND phase <> 'needs_review'
        ORDER BY id DESC LIMIT $3
        """
    return [row_of(row) for row in await sql.fetch(query, platform, ids.floor(since), most)]


async def with_cards(sql: Sql, generation_ids: Sequence[str]) -> list[Generation]:
    query = f"""
        SELECT {COLUMNS} FROM generations
        WHERE id = ANY($1::text[]) AND card_message_id IS NOT NULL
        """
    rows = await sql.fetch(query, list(generation_ids)) if generation_ids else []
    return [row_of(row) for row in rows]


async def set_favourite(sql: Sql, generation_id: str, favourite: bool) -> None:
    query = "UPDATE generations SET favourite = $2 WHERE id = $1"
    await sql.execute(query, generation_id, favourite)


async def delete(sql: Sql, generation_id: str) -> Generation | None:
    """The row as it was."""
    await sql.execute("DELETE FROM idempotency WHERE generation_id = $1", generation_id)
    await sql.execute("DELETE FROM webhook_events WHERE generation_id = $1", generation_id)
    await sql.execute("DELETE FROM shares WHERE generation_id = $1", generation_id)
    query = f"DELETE FROM generations WHERE id = $1 RETURNING {COLUMNS}"
    row = await sql.fetch_one(query, generation_id)
    return row_of(row) if row else None


async def ids_of_user(sql: Sql, user_id: str) -> list[str]:
    rows = await sql.fetch("SELECT id FROM generations WHERE user_id = $1", user_id)
    return [row["id"] for row in rows]


async def recall_key(sql: Sql, key: str) -> tuple[str, str] | None:
    """(body_hash, generation_id) of an earlier request with this key."""
    query = "SELECT body_hash, generation_id FROM idempotency WHERE key = $1"
    row = await sql.fetch_one(query, key)
    return (row["body_hash"], row["generation_id"]) if row else None
