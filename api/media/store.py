"""The `media` table."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from datetime import datetime
from typing import Literal

from api import ids
from api.db import Row, Sql

Role = Literal["image", "video", "thumbnail", "upload"]

_COLUMNS = (
    "id, user_id, generation_id, role, position, content_type, size, sha256, key, width, height, duration_ms, thumbnail_id, created_at"
)


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


def _row(row: Row) -> MediaRow:
    return MediaRow(**row)


async def add(sql: Sql, row: MediaRow) -> None:
    query = f"INSERT INTO media ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
    await sql.execute(query, *astuple(row))


async def by_id(sql: Sql, media_id: str) -> MediaRow | None:
    row = await sql.fetch_one(f"SELECT {_COLUMNS} FROM media WHERE id = $1", media_id)
    return None if row is None else _row(row)


async def of_generations(sql: Sql, generation_ids: Sequence[str]) -> list[MediaRow]:
    query = f"SELECT {_COLUMNS} FROM media WHERE generation_id = ANY($1::text[]) ORDER BY generation_id, position, id"
    return [_row(row) for row in await sql.fetch(query, list(generation_ids))]


async def of_user(sql: Sql, user_id: str) -> list[MediaRow]:
    return [_row(row) for row in await sql.fetch(f"SELECT {_COLUMNS} FROM media WHERE user_id = $1", user_id)]


async def keys(sql: Sql, created_before: datetime | None = None) -> dict[str, str]:
    """Key to media id."""
    query = "SELECT id, key FROM media WHERE $1::timestamptz IS NULL OR created_at < $1::timestamptz"
    return {row["key"]: row["id"] for row in await sql.fetch(query, created_before)}


async def delete(sql: Sql, media_ids: Sequence[str]) -> None:
    await sql.execute("DELETE FROM media WHERE id = ANY($1::text[])", list(media_ids))
