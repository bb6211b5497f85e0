"""SQL of generations that are old enough to be deleted: counted, found, and held for it."""

from dataclasses import dataclass
from datetime import datetime

from api import ids
from api.db import Sql
from api.generations.store import COST_ASKED_FOR

_OVER = "phase = 'done' AND coalesce(finished_at, created_at) < $1"
_KEPT = "(favourite OR id IN (SELECT generation_id FROM shares WHERE expires_at > $2))"
_USED = """
    EXISTS (
        SELECT 1 FROM media WHERE media.generation_id = generations.id AND (
            EXISTS (
                SELECT 1 FROM generations AS later
                WHERE later.user_id = media.user_id AND later.inputs_json <> '[]'
                    AND (later.phase <> 'done' OR later.favourite)
                    AND strpos(later.inputs_json, media.id) > 0)
            OR EXISTS (
                SELECT 1 FROM generation_drafts AS draft
                WHERE draft.user_id = media.user_id
                    AND strpos(draft.request_json, media.id) > 0)))"""
_AGED = f"""
    {_OVER} AND NOT {_KEPT}
    AND (cost_micro IS NOT NULL OR coalesce(finished_at, created_at) < $3)
    AND hold_id NOT IN (SELECT id FROM holds WHERE state = 'held')
    AND id NOT IN (
        SELECT generation_id FROM deliveries
        WHERE state = 'pending' AND generation_id IS NOT NULL)
    AND NOT {_USED}"""
"""Over before `$1`, and nobody needs them: no favourite or open link (at `$2`), a known cost or one
that is asked for no longer (since `$3`), no money held, nothing on its way to a chat, and no file
that a draft, a favourite or a job that is not over begins from."""


@dataclass(frozen=True, slots=True)
class Aged:
    """Their number, the bytes of their files, and the end of the oldest. `kept`: as old ones that
    stay, because they are favourites or shared."""

    count: int
    bytes: int | None
    oldest: datetime | None
    kept: int


def _moments(before: datetime) -> tuple[datetime, datetime, datetime]:
    at = ids.now()
    return before, at, at - COST_ASKED_FOR


async def count(sql: Sql, before: datetime) -> Aged:
    query = f"""
        WITH old AS MATERIALIZED (
            SELECT id, coalesce(finished_at, created_at) AS ended FROM generations WHERE {_AGED})
        SELECT (SELECT count(*) FROM old) AS n, (SELECT min(ended) FROM old) AS oldest,
            (SELECT CAST(sum(size) AS BIGINT) FROM media
                WHERE generation_id IN (SELECT id FROM old)) AS bytes,
            (SELECT count(*) FROM generations WHERE {_OVER} AND {_KEPT}) AS kept"""
    row = await sql.fetch_one(query, *_moments(before))
    assert row is not None
    return Aged(row["n"], row["bytes"], row["oldest"], row["kept"])


async def found(sql: Sql, before: datetime, most: int) -> list[str]:
    """Return the ids of the oldest."""
    query = f"""
        SELECT id FROM generations WHERE {_AGED}
        ORDER BY coalesce(finished_at, created_at), id LIMIT $4"""
    return [str(row["id"]) for row in await sql.fetch(query, *_moments(before), most)]


async def hold(sql: Sql, generation_id: str, before: datetime) -> bool:
    """Keep others from changing it until the transaction ends; False for one that stays or is
    gone."""
    query = f"""
        UPDATE generations SET favourite = favourite WHERE id = $4 AND {_AGED} RETURNING id"""
    return await sql.fetch_one(query, *_moments(before), generation_id) is not None
