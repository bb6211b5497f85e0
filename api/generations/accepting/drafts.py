"""Requests of chats whose price has to be confirmed. They are kept for a day, because a button has
no room for a request."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from api.db import Sql
from api.generations.accepting.repeat import Request
from api.generations.schemas import ImageIn, VideoFromImageIn, VideoIn

KEPT = timedelta(days=1)
_KINDS: dict[str, type[Request]] = {
    kind.__name__: kind for kind in (ImageIn, VideoIn, VideoFromImageIn)
}


@dataclass(frozen=True, slots=True)
class Draft:
    """`key` and `body_hash` are those of the request as it came: confirmed, they belong to what is
    made."""

    id: str
    user_id: str
    request: Request
    body_hash: str
    parent_id: str | None
    key: str | None
    created_at: datetime


_COLUMNS = "id, user_id, body_hash, parent_id, key, created_at"


async def add(sql: Sql, draft: Draft) -> None:
    query = f"""
        INSERT INTO generation_drafts ({_COLUMNS}, kind, request_json)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """
    plain = [getattr(draft, name) for name in _COLUMNS.split(", ")]
    request = draft.request.model_dump_json(exclude_none=True)
    await sql.execute(query, *plain, type(draft.request).__name__, request)


async def get(sql: Sql, draft_id: str) -> Draft | None:
    query = f"SELECT {_COLUMNS}, kind, request_json FROM generation_drafts WHERE id = $1"
    row = await sql.fetch_one(query, draft_id)
    if row is None:
        return None
    request = _KINDS[row["kind"]].model_validate_json(row["request_json"])
    return Draft(**{name: row[name] for name in _COLUMNS.split(", ")}, request=request)


async def purge(sql: Sql, before: datetime) -> None:
    await sql.execute("DELETE FROM generation_drafts WHERE created_at < $1", before)


async def delete_of_user(sql: Sql, user_id: str) -> None:
    await sql.execute("DELETE FROM generation_drafts WHERE user_id = $1", user_id)
