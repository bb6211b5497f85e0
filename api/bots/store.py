"""SQL of `bot_processes`, `bot_updates` and `bot_updates_seen`. The database's clock decides."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.db import Row, Sql

_AGE = "now() - $1::bigint * INTERVAL '1 day'"
_LATER = "now() + $4::bigint * INTERVAL '1 millisecond'"


@dataclass(frozen=True, slots=True)
class LeaseState:
    """`live`: its time is not over. `holder_dead`: its holder was not heard in time, and has not
    said goodbye."""

    name: str
    holder: str
    label: str
    live: bool
    holder_dead: bool


async def beat(sql: Sql, process: str, platform: str, label: str, seconds: float) -> None:
    """Write that the process is there, for so many seconds."""
    query = f"""
        INSERT INTO bot_processes (id, platform, label, since, until)
        VALUES ($1, $2, $3, now(), {_LATER})
        ON CONFLICT (id) DO UPDATE SET
            label = excluded.label,
            since = CASE WHEN bot_processes.until > now() THEN bot_processes.since
                ELSE excluded.since END,
            until = excluded.until
        """
    await sql.execute(query, process, platform, label, round(seconds * 1000))


async def remaining(sql: Sql, process: str, prefix: str, label: str) -> float:
    """Return the seconds for which the last word of a process still counts, that of its leases
    counted; 0 where it has another label now."""
    query = """
        SELECT EXTRACT(EPOCH FROM least(p.until, (SELECT min(l.held_until) FROM leases l
            WHERE l.holder = p.id AND starts_with(l.name, $2))) - now())::float8 AS seconds
        FROM bot_processes p WHERE p.id = $1 AND p.label = $3
        """
    row = await sql.fetch_one(query, process, prefix, label)
    return max(0.0, row["seconds"] or 0.0) if row else 0.0


async def is_senior(sql: Sql, process: str, seconds: float) -> bool:
    """Whether the process has been there for longer than `seconds`."""
    query = """
        SELECT 1 AS found FROM bot_processes
        WHERE id = $1 AND until > now() AND since <= now() - $2::bigint * INTERVAL '1 millisecond'
        """
    return await sql.fetch_one(query, process, round(seconds * 1000)) is not None


async def alive(sql: Sql, platform: str) -> int:
    query = "SELECT count(*) AS n FROM bot_processes WHERE platform = $1 AND until > now()"
    row = await sql.fetch_one(query, platform)
    return int(row["n"]) if row else 0


async def silent(sql: Sql, platform: str) -> list[str]:
    """Return the processes that were not heard in time and have not said goodbye."""
    query = "SELECT id FROM bot_processes WHERE platform = $1 AND until <= now()"
    return [row["id"] for row in await sql.fetch(query, platform)]


async def forget_processes(sql: Sql, platform: str, processes: Sequence[str]) -> None:
    query = "DELETE FROM bot_processes WHERE platform = $1 AND id = ANY($2::text[])"
    await sql.execute(query, platform, list(processes))


async def leases(sql: Sql, prefix: str) -> list[LeaseState]:
    """The leases whose names begin so, by name; the prefix is left out."""
    query = """
        SELECT leases.name, leases.holder, p.label, leases.held_until > now() AS live,
               p.until IS NOT NULL AND p.until <= now() AS holder_dead
        FROM leases LEFT JOIN bot_processes p ON p.id = leases.holder
        WHERE starts_with(leases.name, $1) ORDER BY leases.name
        """
    return [
        LeaseState(
            row["name"].removeprefix(prefix),
            row["holder"],
            row["label"] or "",
            row["live"],
            row["holder_dead"],
        )
        for row in await sql.fetch(query, prefix)
    ]


async def processes(sql: Sql) -> Sequence[Row]:
    """Return all living processes with their leases, by platform and label."""
    return await sql.fetch(
        """
        SELECT p.platform, p.id, p.label, p.since,
               (SELECT string_agg(l.name, ' ' ORDER BY l.name) FROM leases l
                   WHERE l.holder = p.id AND l.held_until > now()) AS held
        FROM bot_processes p WHERE p.until > now() ORDER BY p.platform, p.label, p.id
        """
    )


# --- updates


async def keep(sql: Sql, bot: str, process: str, updates: Mapping[int, str]) -> None:
    """Keep updates for this process, except those that were seen before or that another one
    keeps. `see` them afterwards."""
    query = """
        INSERT INTO bot_updates (bot, update_id, process, raw, shown_json, kills, created_at)
        SELECT $1, id, $2, raw, '[]', 0, now()
        FROM (SELECT unnest($3::bigint[]) AS id, unnest($4::text[]) AS raw) AS given
        WHERE NOT EXISTS (
            SELECT 1 FROM bot_updates_seen AS seen WHERE seen.bot = $1 AND seen.update_id = id
        )
        ON CONFLICT (bot, update_id) DO NOTHING
        """
    await sql.execute(query, bot, process, list(updates), list(updates.values()))


async def see(sql: Sql, bot: str, update_ids: Sequence[int]) -> None:
    """Note that these have come."""
    query = """
        INSERT INTO bot_updates_seen (bot, update_id, created_at)
        SELECT $1, id, now() FROM (SELECT unnest($2::bigint[]) AS id) AS given
        ON CONFLICT (bot, update_id) DO NOTHING
        """
    await sql.execute(query, bot, sorted(set(update_ids)))


async def kept(sql: Sql, bot: str, process: str) -> set[int]:
    query = "SELECT update_id FROM bot_updates WHERE bot = $1 AND process = $2"
    return {int(row["update_id"]) for row in await sql.fetch(query, bot, process)}


_ORPHAN = """
    (process IS NULL OR ($2::boolean AND process NOT IN
        (SELECT id FROM bot_processes WHERE until > now())))
    """


async def has_orphans(sql: Sql, bot: str, *, of_the_dead: bool) -> bool:
    query = f"SELECT 1 AS found FROM bot_updates WHERE bot = $1 AND {_ORPHAN} LIMIT 1"
    return await sql.fetch_one(query, bot, of_the_dead) is not None


async def claim(sql: Sql, bot: str, process: str, *, of_the_dead: bool) -> None:
    """Take updates over that nobody answers. `of_the_dead`: those of processes that were killed,
    too."""
    query = f"""
        UPDATE bot_updates
        SET kills = kills + CASE WHEN process IS NULL THEN 0 ELSE 1 END, process = $3
        WHERE bot = $1 AND {_ORPHAN}
        """
    await sql.execute(query, bot, of_the_dead, process)


async def updates_of(sql: Sql, bot: str, process: str) -> list[dict[str, Any]]:
    """Return the updates that this process answers, the oldest first."""
    query = """
        SELECT update_id, raw, shown_json, kills,
               EXTRACT(EPOCH FROM now() - created_at)::float8 AS age
        FROM bot_updates WHERE bot = $1 AND process = $2 ORDER BY update_id
        """
    return [
        {
            "id": row["update_id"],
            "raw": row["raw"],
            "shown": json.loads(row["shown_json"]),
            "kills": row["kills"],
            "age": row["age"],
        }
        for row in await sql.fetch(query, bot, process)
    ]


async def note_shown(sql: Sql, bot: str, process: str, update_id: int, shown: object) -> None:
    query = """
        UPDATE bot_updates SET shown_json = $4 WHERE bot = $1 AND update_id = $2 AND process = $3
        """
    await sql.execute(query, bot, update_id, process, json.dumps(shown))


async def forget_updates(sql: Sql, bot: str, update_ids: Sequence[int]) -> None:
    query = "DELETE FROM bot_updates WHERE bot = $1 AND update_id = ANY($2::bigint[])"
    await sql.execute(query, bot, list(update_ids))


async def forget_person(sql: Sql, platform: str, person: str) -> None:
    """Forget the updates that name this person as an `id`: as their sender, their chat, or as one
    who is quoted."""
    query = """
        DELETE FROM bot_updates WHERE starts_with(bot, $1)
            AND (strpos(replace(raw, ' ', ''), $2) > 0 OR strpos(replace(raw, ' ', ''), $3) > 0)
        """
    await sql.execute(query, platform, f'"id":{person},', f'"id":{person}}}')


async def give_back(sql: Sql, processes: Sequence[str], *, killed: bool) -> None:
    """Free the updates of these processes. `killed`: they did not say goodbye."""
    query = """
        UPDATE bot_updates SET process = NULL, kills = kills + $2
        WHERE process = ANY($1::text[])
        """
    await sql.execute(query, list(processes), 1 if killed else 0)


async def purge(sql: Sql, days: int) -> None:
    """Forget what is older: ids, updates that nobody could answer, dead processes."""
    for query in (
        f"DELETE FROM bot_updates_seen WHERE created_at < {_AGE}",
        f"DELETE FROM bot_updates WHERE created_at < {_AGE}",
        f"DELETE FROM bot_processes WHERE until < {_AGE}",
    ):
        await sql.execute(query, days)
