"""SQL of the outbox, next to its row mapping. The lists are in `lists.py`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from datetime import datetime
from typing import Any, cast

from api.db import Row, Sql
from api.deliveries.schemas import REASONS, DeliveryReason
from api.ids import new_id

TRAIL_MAX = 40
REQUESTED = "send:"


@dataclass(frozen=True, slots=True)
class DeliveryTarget:
    """A place in a chat, and the owner, who finds the result elsewhere if the chat does not take
    it; None: nobody."""

    platform: str
    chat_id: str
    thread_id: str | None = None
    message_id: str | None = None
    user_name: str | None = None
    private: bool = False
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Try:
    """An event of a delivery, `times` in a row."""

    at: str
    platform: str
    chat_id: str
    private: bool
    outcome: str
    reason: DeliveryReason
    said: str = ""
    times: int = 1


@dataclass(frozen=True, slots=True)
class Delivery:
    """The columns are explained in migrations 0007, 0017 and 0025. `lost`: claimed just now, and a
    bot was lost with it before."""

    id: str
    dedupe_key: str
    target: DeliveryTarget
    event: str
    generation_id: str | None
    notice: Mapping[str, str] | None
    state: str
    attempt: int
    lease: str | None
    begun: bool
    repeatable: bool
    shown: bool
    doubts: int
    mishaps: int
    due_at: datetime
    since_at: datetime
    reason: DeliveryReason | None
    said: str
    origin: DeliveryTarget | None
    trail: tuple[Try, ...]
    created_at: datetime
    done_at: datetime | None
    read_at: datetime | None
    passable_at: datetime | None = None
    request_id: str | None = None
    lost: bool = False

    @property
    def requested(self) -> bool:
        """Its owner asked on the web to have it sent."""
        return self.dedupe_key.startswith(REQUESTED)

    def leased(self, at: datetime) -> bool:
        return self.state == "pending" and self.lease is not None and self.due_at > at


_PLAIN = (
    "id, dedupe_key, event, generation_id, state, attempt, lease, begun, repeatable, shown, "
    "doubts, mishaps, due_at, since_at, created_at, done_at, read_at, passable_at, request_id"
)
_TARGET = "platform, chat_id, thread_id, message_id, user_name, chat_private, user_id"
"""The columns of a `DeliveryTarget`, in the order of its fields."""
COLUMNS = f"{_PLAIN}, {_TARGET}, notice_json, origin_json, trail_json, reason, said"


def row_of(row: Row) -> Delivery:
    return Delivery(
        target=DeliveryTarget(*(row[name] for name in _TARGET.split(", "))),
        notice=json.loads(row["notice_json"]) if row["notice_json"] else None,
        origin=DeliveryTarget(**json.loads(row["origin_json"])) if row["origin_json"] else None,
        trail=tuple(Try(**{**one, **_why(one)}) for one in json.loads(row["trail_json"]))
        if row["trail_json"]
        else (),
        **_why(row),
        **{name: row[name] for name in _PLAIN.split(", ")},
    )


def _why(held: Mapping[str, Any]) -> dict[str, Any]:
    """Return reason and words. Rows and tries from before there were reasons hold only words, in
    the reason's place."""
    reason, said = held["reason"], held.get("said") or ""
    if reason is None or reason in REASONS:
        return {"reason": reason, "said": said}
    return {"reason": "earlier", "said": reason}


async def insert(
    sql: Sql,
    target: DeliveryTarget,
    *,
    dedupe_key: str,
    event: str,
    now: datetime,
    generation_id: str | None = None,
    notice: Mapping[str, str] | None = None,
    broadcast_id: str | None = None,
    request_id: str | None = None,
) -> str:
    """Write a row, and return its id. Raises `Duplicate` when this event was written for this chat
    before."""
    delivery_id = new_id()
    query = f"""
        INSERT INTO deliveries (id, dedupe_key, {_TARGET}, event, generation_id, notice_json,
            state, attempt, begun, repeatable, shown, doubts, mishaps,
            due_at, since_at, created_at, broadcast_id, request_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
            'pending', 0, false, false, false, 0, 0,
            $13, $13, $13, $14, $15)
        """
    about = (event, generation_id, json.dumps(notice) if notice else None)
    place = astuple(target)
    written = (now, broadcast_id, request_id)
    await sql.execute(query, delivery_id, dedupe_key, *place, *about, *written)
    return delivery_id


def _trail(tries: Sequence[Try]) -> str:
    return json.dumps([asdict(one) for one in tries[-TRAIL_MAX:]])


_TURNS = """
    WITH waiting AS MATERIALIZED (
        SELECT id, chat_id, coalesce(thread_id, '') AS thread, due_at, lease, begun,
            generation_id, passable_at,
            due_at > $2 AND lease IS NULL AND coalesce(passable_at <= $2, false) AS passed
        FROM deliveries WHERE platform = $1 AND state = 'pending'
    ), held AS ( -- the first row of each lane that is being sent or waits for its next try
        SELECT chat_id, thread, min(id) AS id FROM waiting
        WHERE due_at > $2 AND (begun OR lease IS NULL) AND NOT passed GROUP BY chat_id, thread
    ), behind AS ( -- what came before it may pass it, except rows of its own generation
        SELECT chat_id, thread, generation_id, min(id) AS id FROM waiting
        WHERE passed GROUP BY chat_id, thread, generation_id
    ), placed AS (
        SELECT id, chat_id, thread, due_at, lease, begun, generation_id,
            row_number() OVER (PARTITION BY chat_id, thread ORDER BY passed, id) AS place
        FROM waiting
    ), turns AS (
        SELECT placed.id, placed.due_at, placed.lease, placed.begun, placed.place
        FROM placed
        LEFT JOIN held ON held.chat_id = placed.chat_id AND held.thread = placed.thread
        LEFT JOIN behind ON behind.chat_id = placed.chat_id AND behind.thread = placed.thread
            AND behind.generation_id = placed.generation_id
        WHERE placed.place <= $3 AND (held.id IS NULL OR placed.id <= held.id)
            AND (behind.id IS NULL OR placed.id <= behind.id)
    )
"""
"""Rows that may be claimed, now or at their `due_at`. A lane is one thread of one chat: nothing
overtakes a row of its lane that is being sent or waits for its next try, and only the first rows of
a lane are leased. A row that may be passed holds up only rows of the same generation."""


async def next_due(sql: Sql, platform: str, now: datetime, per_lane: int) -> datetime | None:
    query = f"""
        {_TURNS}
        SELECT min(due) AS due FROM (
            SELECT due_at AS due FROM turns
            UNION ALL SELECT passable_at FROM waiting
            WHERE passable_at > $2 AND due_at > $2 AND lease IS NULL
        ) AS times
    """
    row = await sql.fetch_one(query, platform, now, per_lane)
    return cast(datetime, row["due"]) if row and row["due"] else None


async def claim(
    sql: Sql, platform: str, lease: str, now: datetime, until: datetime, limit: int, per_lane: int
) -> list[Delivery]:
    """Lease what is due; `due_at` of a leased row is the end of its lease. The heads of all lanes
    come before anybody's second. Call it in a transaction: it takes the platform's turn.

    A lease that is over was lost with its bot. Only what was being sent, or the head of a lane, can
    have to do with that: the rows behind were waiting in the bot's hands."""
    query = (
        "INSERT INTO claim_turns (platform, turn) VALUES ($1, 1) "
        "ON CONFLICT (platform) DO UPDATE SET turn = claim_turns.turn + 1"
    )
    await sql.execute(query, platform)
    # two claims at the same moment would both see the same heads of lanes: on PostgreSQL the row
    # written above makes the second one wait until the first has committed its leases
    query = (
        f"{_TURNS} SELECT id, lease IS NOT NULL AND (begun OR place = 1) AS lost FROM turns "
        "WHERE due_at <= $2 ORDER BY place, id LIMIT $4"
    )
    ready = await sql.fetch(query, platform, now, per_lane, limit)
    if not ready:
        return []
    query = f"""
        UPDATE deliveries SET lease = $2, due_at = $3, attempt = attempt + 1, begun = false,
            doubts = doubts + CASE WHEN begun AND lease IS NOT NULL THEN 1 ELSE 0 END,
            mishaps = mishaps + CASE WHEN id = ANY($4::text[]) THEN 1 ELSE 0 END
        WHERE id = ANY($1::text[]) AND state = 'pending' RETURNING {COLUMNS}
        """
    lost = [row["id"] for row in ready if row["lost"]]
    rows = await sql.fetch(query, [row["id"] for row in ready], lease, until, lost)
    claimed = [replace(row_of(row), lost=row["id"] in lost) for row in rows]
    return sorted(claimed, key=lambda each: each.id)


async def set_trail(sql: Sql, row: Delivery, trail: Sequence[Try]) -> None:
    await sql.execute("UPDATE deliveries SET trail_json = $2 WHERE id = $1", row.id, _trail(trail))


async def get(sql: Sql, delivery_id: str) -> Delivery | None:
    row = await sql.fetch_one(f"SELECT {COLUMNS} FROM deliveries WHERE id = $1", delivery_id)
    return row_of(row) if row else None


async def leased(sql: Sql, delivery_id: str, platform: str, lease: str) -> Delivery | None:
    """Return the row, while this lease holds it; also after its time is over, if nobody has claimed
    it since."""
    row = await get(sql, delivery_id)
    holds = row and (row.target.platform, row.lease, row.state) == (platform, lease, "pending")
    return row if holds else None


_HELD = "WHERE id = $1 AND platform = $2 AND lease = $3 AND state = 'pending'"
"""While this lease holds it; also after its time is over, if nobody has claimed it since."""


async def begin(
    sql: Sql, delivery_id: str, platform: str, lease: str, until: datetime, repeatable: bool
) -> bool:
    query = f"UPDATE deliveries SET begun = true, due_at = $4, repeatable = $5 {_HELD} RETURNING id"
    return await sql.fetch_one(query, delivery_id, platform, lease, until, repeatable) is not None


async def shown(
    sql: Sql,
    delivery_id: str,
    platform: str,
    lease: str,
    message_ids: Sequence[str],
    until: datetime,
) -> Row | None:
    """Mark it as shown: only the waiting card is left."""
    query = (
        f"UPDATE deliveries SET shown = true, message_ids_json = $4, due_at = $5 {_HELD} "
        "RETURNING generation_id"
    )
    return await sql.fetch_one(
        query, delivery_id, platform, lease, json.dumps(list(message_ids)), until
    )


async def done(
    sql: Sql, delivery_id: str, platform: str, lease: str, message_ids: Sequence[str], now: datetime
) -> Row | None:
    query = (
        "UPDATE deliveries SET state = 'done', done_at = $5, message_ids_json = "
        f"CASE WHEN shown THEN message_ids_json ELSE $4 END {_HELD} RETURNING generation_id"
    )
    return await sql.fetch_one(
        query, delivery_id, platform, lease, json.dumps(list(message_ids)), now
    )


async def put_back(sql: Sql, delivery_id: str, lease: str, now: datetime) -> None:
    """Put it back as if it had not been claimed."""
    query = """
        UPDATE deliveries SET lease = NULL, due_at = $3, attempt = attempt - 1, begun = false
        WHERE id = $1 AND lease = $2 AND state = 'pending'
        """
    await sql.execute(query, delivery_id, lease, now)


_MOVED = "state, attempt, doubts, mishaps, due_at, since_at, reason, said, done_at, passable_at"


async def move(sql: Sql, before: Delivery, after: Delivery) -> bool:
    """Write the change that a failed try, the time or an operator made to a row. False when another
    writer was quicker."""
    values = {
        **{name: getattr(after, name) for name in _MOVED.split(", ")},
        **dict(zip(_TARGET.split(", "), astuple(after.target), strict=True)),
        "origin_json": json.dumps(asdict(after.origin)) if after.origin else None,
        "trail_json": _trail(after.trail),
    }
    sets = ", ".join(f"{name} = ${number}" for number, name in enumerate(values, 4))
    query = f"""
        UPDATE deliveries SET {sets}, lease = NULL, begun = false, read_at = NULL
        WHERE id = $1 AND state = $2 AND coalesce(lease, '') = $3 RETURNING id
        """
    # a row without a lease has NULL there, which equals nothing
    held = (before.id, before.state, before.lease or "")
    return await sql.fetch_one(query, *held, *values.values()) is not None


async def overdue(sql: Sql, before: datetime, now: datetime) -> list[Delivery]:
    """Return rows that wait since before then and are with no bot."""
    query = f"""
        SELECT {COLUMNS} FROM deliveries
            WHERE state = 'pending' AND since_at < $1 AND (lease IS NULL OR due_at <= $2)
        ORDER BY id LIMIT 500
        """
    return [row_of(row) for row in await sql.fetch(query, before, now)]


async def pending_of(sql: Sql, generation_id: str, platform: str, chat_id: str) -> str | None:
    """Return the id of a result that is on its way to this chat already."""
    query = """
        SELECT id FROM deliveries
        WHERE generation_id = $1 AND platform = $2 AND chat_id = $3 AND state = 'pending'
        AND event = 'generation_completed'
        """
    row = await sql.fetch_one(query, generation_id, platform, chat_id)
    return cast(str, row["id"]) if row else None


async def by_key(sql: Sql, dedupe_key: str) -> Delivery | None:
    row = await sql.fetch_one(f"SELECT {COLUMNS} FROM deliveries WHERE dedupe_key = $1", dedupe_key)
    return row_of(row) if row else None


async def free_leases(sql: Sql, now: datetime) -> None:
    query = (
        "UPDATE deliveries SET due_at = $1 "
        "WHERE state = 'pending' AND lease IS NOT NULL AND due_at > $1"
    )
    await sql.execute(query, now)


def lease_of(process: str | None, token: str) -> str:
    """Return a lease that tells which process of a bot has it."""
    return f"{process}.{token}" if process else token


async def free_leases_of(
    sql: Sql, platform: str, processes: Sequence[str], now: datetime
) -> list[str]:
    """End the leases of these processes, as their time would, and return the ids."""
    query = """
        UPDATE deliveries SET due_at = $3
        WHERE platform = $1 AND state = 'pending' AND lease IS NOT NULL AND due_at > $3
            AND split_part(lease, '.', 1) = ANY($2::text[]) RETURNING id
        """
    rows = await sql.fetch(query, platform, list(processes), now)
    return [row["id"] for row in rows]


async def forget(sql: Sql, generation_id: str) -> None:
    await sql.execute("DELETE FROM deliveries WHERE generation_id = $1", generation_id)
    await sql.execute("DELETE FROM platform_files WHERE generation_id = $1", generation_id)


async def forget_user(sql: Sql, user_id: str) -> None:
    await sql.execute("DELETE FROM deliveries WHERE user_id = $1", user_id)


async def withdraw(sql: Sql, broadcast_id: str, now: datetime) -> None:
    """Drop the deliveries of a broadcast that no bot is sending at this moment."""
    query = (
        "DELETE FROM deliveries "
        "WHERE broadcast_id = $1 AND state = 'pending' AND (lease IS NULL OR due_at <= $2)"
    )
    await sql.execute(query, broadcast_id, now)


async def refs(
    sql: Sql, platform: str, generation_ids: Sequence[str]
) -> list[tuple[str, str, str]]:
    """Return media id, kind and the platform's name of each file."""
    query = (
        "SELECT media_id, kind, ref FROM platform_files "
        "WHERE platform = $1 AND generation_id = ANY($2::text[])"
    )
    return [
        (row["media_id"], row["kind"], row["ref"])
        for row in await sql.fetch(query, platform, list(generation_ids))
    ]


async def keep_ref(
    sql: Sql, platform: str, generation_id: str, media_id: str, kind: str, ref: str
) -> None:
    query = """
        INSERT INTO platform_files (platform, media_id, kind, ref, generation_id)
            VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (platform, media_id, kind) DO UPDATE SET ref = excluded.ref
        """
    await sql.execute(query, platform, media_id, kind, ref, generation_id)


async def coming(sql: Sql, generation_ids: Sequence[str]) -> set[str]:
    """Return those of the generations with a delivery that is still to be shown."""
    query = """
        SELECT DISTINCT generation_id FROM deliveries
        WHERE generation_id = ANY($1::text[]) AND state = 'pending'
        """
    return {row["generation_id"] for row in await sql.fetch(query, list(generation_ids))}
