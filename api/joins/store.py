"""SQL of `joins`."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

from api.db import Row, Sql


@dataclass(frozen=True, slots=True)
class Join:
    """A request of an identity without an account."""

    platform: str
    platform_user_id: str
    id: str
    name: str
    chat_id: str
    place: str
    language: str | None
    state: str
    created_at: datetime
    decided_at: datetime | None = None
    decided_by: str | None = None


_JOIN = (
    "platform, platform_user_id, id, name, chat_id, place, language, state, created_at, "
    "decided_at, decided_by"
)


def _join(row: Row) -> Join:
    return Join(**{name: row[name] for name in _JOIN.split(", ")})


async def of_identity(sql: Sql, platform: str, platform_user_id: str) -> Join | None:
    query = f"SELECT {_JOIN} FROM joins WHERE platform = $1 AND platform_user_id = $2"
    row = await sql.fetch_one(query, platform, platform_user_id)
    return None if row is None else _join(row)


async def open_request(sql: Sql, join: Join, declined_before: datetime) -> bool:
    """Open a request. False while one waits, and after one that was declined lately."""
    query = f"""
        INSERT INTO joins ({_JOIN}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ON CONFLICT (platform, platform_user_id) DO UPDATE SET id = excluded.id,
            name = excluded.name, chat_id = excluded.chat_id, place = excluded.place,
            language = excluded.language, state = excluded.state,
            created_at = excluded.created_at, decided_at = NULL, decided_by = NULL
        WHERE joins.state = 'approved'
            OR (joins.state = 'declined' AND joins.decided_at < $12)
        RETURNING id"""
    return await sql.fetch_one(query, *astuple(join), declined_before) is not None


async def decide(sql: Sql, join_id: str, state: str, actor_id: str, now: datetime) -> Join | None:
    """Decide a waiting request, once. None when it waits no more, or never was."""
    query = f"""
        UPDATE joins SET state = $2, decided_by = $3, decided_at = $4
        WHERE id = $1 AND state = 'waiting' RETURNING {_JOIN}"""
    row = await sql.fetch_one(query, join_id, state, actor_id, now)
    return None if row is None else _join(row)


async def waiting(sql: Sql, limit: int) -> Sequence[Join]:
    query = f"SELECT {_JOIN} FROM joins WHERE state = 'waiting' ORDER BY id LIMIT $1"
    return [_join(row) for row in await sql.fetch(query, limit)]


async def decided(sql: Sql, limit: int) -> Sequence[Join]:
    query = f"""
        SELECT {_JOIN} FROM joins WHERE state <> 'waiting' ORDER BY decided_at DESC LIMIT $1"""
    return [_join(row) for row in await sql.fetch(query, limit)]


async def purge(sql: Sql, before: datetime) -> None:
    await sql.execute("DELETE FROM joins WHERE coalesce(decided_at, created_at) < $1", before)


async def forget(sql: Sql, user_id: str) -> None:
    """Delete the requests of an account's chats."""
    query = """
        DELETE FROM joins WHERE EXISTS (
            SELECT 1 FROM links WHERE links.user_id = $1 AND links.platform = joins.platform
                AND links.platform_user_id = joins.platform_user_id)"""
    await sql.execute(query, user_id)
