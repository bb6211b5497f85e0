"""SQL of what is old: counted for the page, and found in batches for the deletion."""

from dataclasses import dataclass
from datetime import datetime

from api.db import Sql

NAME = "retention"

_IDLE = """
    SELECT id, user_id, thumbnail_id, size, created_at FROM media
    WHERE role = 'upload' AND created_at < $1
        AND NOT EXISTS (
            SELECT 1 FROM generations
            WHERE generations.user_id = media.user_id AND inputs_json <> '[]'
                AND strpos(inputs_json, media.id) > 0)
        AND NOT EXISTS (
            SELECT 1 FROM generation_drafts
            WHERE generation_drafts.user_id = media.user_id
                AND strpos(request_json, media.id) > 0)
        AND NOT EXISTS (
            SELECT 1 FROM messages
            WHERE messages.user_id = media.user_id AND images_json IS NOT NULL
                AND strpos(images_json, media.id) > 0)
        AND NOT EXISTS (
            SELECT 1 FROM messages
            WHERE messages.user_id = media.user_id AND documents_json IS NOT NULL
                AND strpos(documents_json, media.id) > 0)"""


@dataclass(frozen=True, slots=True)
class Found:
    count: int
    bytes: int | None
    oldest: datetime | None


async def setting(sql: Sql) -> str | None:
    row = await sql.fetch_one("SELECT value_json FROM studio_settings WHERE name = $1", NAME)
    return None if row is None else str(row["value_json"])


async def set_setting(sql: Sql, value_json: str, at: datetime) -> None:
    query = """
        INSERT INTO studio_settings (name, value_json, changed_at) VALUES ($1, $2, $3)
        ON CONFLICT (name) DO UPDATE SET value_json = excluded.value_json,
            changed_at = excluded.changed_at"""
    await sql.execute(query, NAME, value_json, at)


async def uploads(sql: Sql, before: datetime) -> Found:
    query = f"""
        WITH idle AS MATERIALIZED ({_IDLE})
        SELECT count(*) AS n, min(created_at) AS oldest,
            CAST(sum(size) AS BIGINT) + (SELECT CAST(coalesce(sum(size), 0) AS BIGINT) FROM media
                WHERE id IN (SELECT thumbnail_id FROM idle)) AS bytes
        FROM idle"""
    return await _found(sql, query, before)


async def old_uploads(sql: Sql, before: datetime, most: int) -> dict[str, list[str]]:
    """Return ids by user."""
    found: dict[str, list[str]] = {}
    query = f"{_IDLE} ORDER BY created_at LIMIT $2"
    for row in await sql.fetch(query, before, most):
        found.setdefault(row["user_id"], []).append(row["id"])
    return found


async def conversations(sql: Sql, before: datetime) -> Found:
    query = """
        WITH old AS MATERIALIZED (
            SELECT id, updated_at FROM conversations WHERE updated_at < $1)
        SELECT (SELECT count(*) FROM old) AS n, (SELECT min(updated_at) FROM old) AS oldest,
            (SELECT CAST(sum(length(content)) AS BIGINT) FROM messages
                WHERE conversation_id IN (SELECT id FROM old)) AS bytes"""
    return await _found(sql, query, before)


async def old_conversations(sql: Sql, before: datetime, most: int) -> list[tuple[str, str]]:
    """Return ids with their users."""
    query = """
        SELECT id, user_id FROM conversations WHERE updated_at < $1
        ORDER BY updated_at LIMIT $2"""
    return [(row["id"], row["user_id"]) for row in await sql.fetch(query, before, most)]


async def audit(sql: Sql, before: datetime) -> Found:
    query = """
        SELECT count(*) AS n, min(created_at) AS oldest, CAST(NULL AS BIGINT) AS bytes
        FROM audit WHERE created_at < $1"""
    return await _found(sql, query, before)


async def _found(sql: Sql, query: str, before: datetime) -> Found:
    row = await sql.fetch_one(query, before)
    assert row is not None
    size = row["bytes"]
    return Found(int(row["n"]), None if size is None else int(size), row["oldest"])
