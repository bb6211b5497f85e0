"""The `media` table."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field, fields
from datetime import datetime
from typing import Literal

from api import ids
from api.db import Sql
from api.db.tables import quoted

Role = Literal["image", "video", "thumbnail", "upload"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRow:
    id: str = field(default_factory=ids.new_id)
    user_id: str
    generation_id: str | None = None
    role: Role
    position: int = 0
    content_type: str
    size: int
    sha256: str
    key: str
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    thumbnail_id: str | None = None
    created_at: datetime = field(default_factory=ids.now)
    name: str | None = None
    pages: int | None = None
    chars: int | None = None
    """Of a document: its name, the pages of a PDF, and the characters in it."""


_COLUMNS = ", ".join(each.name for each in fields(MediaRow))


async def add(sql: Sql, row: MediaRow) -> None:
    query = f"""
        INSERT INTO media ({_COLUMNS})
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"""
    await sql.execute(query, *astuple(row))


async def by_id(sql: Sql, media_id: str) -> MediaRow | None:
    row = await sql.fetch_one(f"SELECT {_COLUMNS} FROM media WHERE id = $1", media_id)
    return None if row is None else MediaRow(**row)


async def add_copy(sql: Sql, row: MediaRow, copy_of: str, most: int) -> bool:
    """Add a smaller copy of a file; False when that is gone or has another owner by now."""
    query = f"""
        INSERT INTO media ({_COLUMNS}, copy_of, copy_most)
        SELECT $1::text, user_id, $3::text, $4::text, $5::bigint, $6::text, $7::bigint, $8::text,
            $9::text, $10::bigint, $11::bigint, $12::bigint, $13::text, $14::timestamptz,
            $15::text, $16::bigint, $17::bigint, $18::text, $19::bigint
        FROM media WHERE id = $18::text AND user_id = $2::text
        RETURNING id"""
    return await sql.fetch_one(query, *astuple(row), copy_of, most) is not None


async def copy_of(sql: Sql, row: MediaRow, most: int) -> MediaRow | None:
    query = f"SELECT {_COLUMNS} FROM media WHERE copy_of = $1 AND copy_most = $2 LIMIT 1"
    found = await sql.fetch_one(query, row.id, most)
    return None if found is None else MediaRow(**found)


async def of_generations(sql: Sql, generation_ids: Sequence[str]) -> list[MediaRow]:
    query = f"""
        SELECT {_COLUMNS} FROM media WHERE generation_id = ANY($1::text[])
        ORDER BY generation_id, position, id"""
    return [MediaRow(**row) for row in await sql.fetch(query, list(generation_ids))]


async def of_user(sql: Sql, user_id: str, *, copies: bool = True) -> list[MediaRow]:
    query = f"""
        SELECT {_COLUMNS} FROM media WHERE user_id = $1 AND ($2::boolean OR copy_of IS NULL)
        ORDER BY id"""
    return [MediaRow(**row) for row in await sql.fetch(query, user_id, copies)]


async def own_images(sql: Sql, user_id: str, media_ids: Sequence[str]) -> list[MediaRow]:
    query = f"""
        WITH these AS MATERIALIZED (SELECT {_COLUMNS} FROM media WHERE id = ANY($1::text[]))
        SELECT * FROM these WHERE user_id = $2 AND role IN ('upload', 'image') AND name IS NULL"""
    return [MediaRow(**row) for row in await sql.fetch(query, list(media_ids), user_id)]


async def own_documents(sql: Sql, user_id: str, media_ids: Sequence[str]) -> list[MediaRow]:
    query = f"""
        WITH these AS MATERIALIZED (SELECT {_COLUMNS} FROM media WHERE id = ANY($1::text[]))
        SELECT * FROM these WHERE user_id = $2 AND role = 'upload' AND name IS NOT NULL"""
    return [MediaRow(**row) for row in await sql.fetch(query, list(media_ids), user_id)]


async def set_companion(sql: Sql, user_id: str, media_id: str, companion_id: str) -> bool:
    """Give a file without a thumbnail one; False when it has one, or is gone."""
    query = """
        UPDATE media SET thumbnail_id = $3
        WHERE id = $2 AND user_id = $1 AND thumbnail_id IS NULL RETURNING id"""
    return await sql.fetch_one(query, user_id, media_id, companion_id) is not None


async def mark_used(sql: Sql, media_ids: Sequence[str], at: datetime) -> None:
    query = "UPDATE media SET created_at = $2 WHERE id = ANY($1::text[]) AND role = 'upload'"
    await sql.execute(query, list(media_ids), at)


async def drop_uploads(
    sql: Sql, user_id: str, media_ids: Sequence[str], before: datetime | None
) -> list[str]:
    """Delete those uploads that no generation, draft or message uses, with their thumbnails, and
    return the keys. The age is compared in the deletion itself, since who uses one sets it anew."""
    query = """
        WITH these AS MATERIALIZED (
            SELECT id FROM media WHERE id = ANY($2::text[]) AND user_id = $1 AND role = 'upload'),
        idle AS MATERIALIZED (
            SELECT id FROM these
            WHERE NOT EXISTS (
                SELECT 1 FROM generations
                WHERE user_id = $1 AND strpos(inputs_json, these.id) > 0)
            AND NOT EXISTS (
                SELECT 1 FROM generation_drafts
                WHERE user_id = $1 AND strpos(request_json, these.id) > 0)
            AND NOT EXISTS (
                SELECT 1 FROM messages
                WHERE user_id = $1 AND images_json IS NOT NULL
                AND strpos(images_json, these.id) > 0)
            AND NOT EXISTS (
                SELECT 1 FROM messages
                WHERE user_id = $1 AND documents_json IS NOT NULL
                AND strpos(documents_json, these.id) > 0))
        DELETE FROM media WHERE id IN (SELECT id FROM idle)
            AND ($3::timestamptz IS NULL OR created_at < $3::timestamptz)
        RETURNING key, thumbnail_id"""
    gone = await sql.fetch(query, user_id, list(media_ids), before)
    query = "DELETE FROM media WHERE id = ANY($1::text[]) RETURNING key"
    thumbnails = [row["thumbnail_id"] for row in gone if row["thumbnail_id"] is not None]
    gone = [*gone, *await sql.fetch(query, thumbnails)]
    return sorted({row["key"] for row in gone})


async def drop_generation(sql: Sql, generation_id: str) -> list[str]:
    """Delete the rows of a generation, and return their keys."""
    query = "DELETE FROM media WHERE generation_id = $1 RETURNING key"
    return sorted({row["key"] for row in await sql.fetch(query, generation_id)})


async def keys(sql: Sql, folder: str) -> dict[str, tuple[str, datetime]]:
    """Return id and time by key, of the files in one of the 256 folders."""
    query = "SELECT id, key, created_at FROM media WHERE left(key, 2) = $1"
    return {row["key"]: (row["id"], row["created_at"]) for row in await sql.fetch(query, folder)}


async def set_aside(sql: Sql, keys: Sequence[str]) -> set[str]:
    """Return those of the keys that rows name which a restore on PostgreSQL set aside."""
    rows = await sql.fetch("""
        SELECT table_schema FROM information_schema.columns
        WHERE starts_with(table_schema, 'before_') AND table_name = 'media'
            AND column_name = 'key'""")
    found: set[str] = set()
    for row in rows:
        table = f"{quoted([row['table_schema']])}.media"
        query = f"SELECT key FROM {table} WHERE key = ANY($1::text[])"
        found |= {each["key"] for each in await sql.fetch(query, list(keys))}
    return found


async def delete(sql: Sql, media_ids: Sequence[str]) -> list[str]:
    """Delete rows with their thumbnails and smaller copies, and return the generations that they
    belonged to. A thumbnail of another file stays."""
    query = """
        WITH these AS MATERIALIZED (SELECT unnest($1::text[]) AS id),
        lost AS MATERIALIZED (
            SELECT id, thumbnail_id FROM media
            WHERE id IN (SELECT id FROM these) OR copy_of IN (SELECT id FROM these)),
        thumbnails AS MATERIALIZED (
            SELECT thumbnail_id AS id FROM lost WHERE thumbnail_id IS NOT NULL
            EXCEPT
            SELECT thumbnail_id FROM media WHERE id NOT IN (SELECT id FROM lost))
        DELETE FROM media
        WHERE id IN (SELECT id FROM lost UNION ALL SELECT id FROM thumbnails)
        RETURNING generation_id"""
    rows = await sql.fetch(query, list(media_ids))
    return sorted({row["generation_id"] for row in rows if row["generation_id"] is not None})
