"""SQL of `places` and `place_chats`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from api.db import Row, Sql
from api.places.schemas import Named, PlaceSettings
from api.schemas import micro, usd

_AMOUNTS = {"monthly_usd", "daily_usd"}


@dataclass(frozen=True, slots=True)
class KnownPlace:
    """A group, channel or server with its settings. `platform_place_id` is the platform's id."""

    id: str
    platform: str
    platform_place_id: str
    name: str
    settings: PlaceSettings
    monthly_micro: int | None
    daily_micro: int | None
    created_at: datetime
    seen_at: datetime


_PLACE = (
    "id, platform, platform_place_id, name, settings_json, monthly_micro, daily_micro, created_at, "
    "seen_at"
)
_OF_PLACES = ", ".join(f"places.{name}" for name in _PLACE.split(", "))


def _place(row: Row) -> KnownPlace:
    """Amounts have columns of their own, because invariants compare them with the books."""
    amounts = {name: row[f"{name}_micro"] for name in ("monthly", "daily")}
    settings = PlaceSettings.model_validate_json(row["settings_json"]).model_copy(
        update={
            f"{name}_usd": None if amount is None else usd(amount)
            for name, amount in amounts.items()
        }
    )
    return KnownPlace(
        id=row["id"],
        platform=row["platform"],
        platform_place_id=row["platform_place_id"],
        name=row["name"],
        settings=settings,
        monthly_micro=row["monthly_micro"],
        daily_micro=row["daily_micro"],
        created_at=row["created_at"],
        seen_at=row["seen_at"],
    )


async def by_id(sql: Sql, place_id: str) -> KnownPlace | None:
    row = await sql.fetch_one(f"SELECT {_PLACE} FROM places WHERE id = $1", place_id)
    return None if row is None else _place(row)


async def by_platform(sql: Sql, platform: str, platform_place_id: str) -> KnownPlace | None:
    query = f"SELECT {_PLACE} FROM places WHERE platform = $1 AND platform_place_id = $2"
    row = await sql.fetch_one(query, platform, platform_place_id)
    return None if row is None else _place(row)


async def by_ids(sql: Sql, place_ids: Sequence[str]) -> list[KnownPlace]:
    query = f"SELECT {_PLACE} FROM places WHERE id = ANY($1::text[])"
    found = {row["id"]: _place(row) for row in await sql.fetch(query, list(place_ids))}
    return [found[each] for each in place_ids if each in found]


async def add(
    sql: Sql, place_id: str, platform: str, platform_place_id: str, name: str, now: datetime
) -> None:
    """Two first messages at once make one place."""
    query = f"""
        INSERT INTO places ({_PLACE}) VALUES ($1, $2, $3, $4, $5, NULL, NULL, $6, $6)
        ON CONFLICT (platform, platform_place_id) DO NOTHING"""
    settings = PlaceSettings().model_dump_json(exclude=_AMOUNTS)
    await sql.execute(query, place_id, platform, platform_place_id, name, settings, now)


async def see(sql: Sql, place_id: str, name: str, now: datetime) -> None:
    await sql.execute(
        "UPDATE places SET name = $2, seen_at = $3 WHERE id = $1", place_id, name, now
    )


async def add_chat(sql: Sql, platform: str, chat_id: str, place_id: str, name: str) -> None:
    query = """
        INSERT INTO place_chats (platform, chat_id, place_id, name) VALUES ($1, $2, $3, $4)
        ON CONFLICT (platform, chat_id)
        DO UPDATE SET place_id = excluded.place_id, name = excluded.name"""
    await sql.execute(query, platform, chat_id, place_id, name)


async def save(sql: Sql, place_id: str, settings: PlaceSettings) -> None:
    query = """
        UPDATE places SET settings_json = $2, monthly_micro = $3, daily_micro = $4
        WHERE id = $1"""
    amounts = [
        None if amount is None else micro(amount)
        for amount in (settings.monthly_usd, settings.daily_usd)
    ]
    await sql.execute(query, place_id, settings.model_dump_json(exclude=_AMOUNTS), *amounts)


async def move(sql: Sql, place: KnownPlace, after: str) -> None:
    """Give the place another id on its platform, and its chat and what waits for that chat too."""
    await sql.execute("UPDATE places SET platform_place_id = $2 WHERE id = $1", place.id, after)
    query = "DELETE FROM place_chats WHERE platform = $1 AND chat_id = $2"
    await sql.execute(query, place.platform, place.platform_place_id)
    await add_chat(sql, place.platform, after, place.id, place.name)
    query = """
        UPDATE deliveries SET chat_id = $3
        WHERE platform = $1 AND chat_id = $2 AND state = 'pending'"""
    await sql.execute(query, place.platform, place.platform_place_id, after)


async def delete(sql: Sql, place_id: str) -> None:
    await sql.execute("DELETE FROM place_chats WHERE place_id = $1", place_id)
    await sql.execute("DELETE FROM places WHERE id = $1", place_id)


async def of_chats(sql: Sql, platform: str, chat_ids: Collection[str]) -> dict[str, KnownPlace]:
    """Return the places of these chats, by chat."""
    query = f"""
        SELECT place_chats.chat_id, {_OF_PLACES}
        FROM place_chats JOIN places ON places.id = place_chats.place_id
        WHERE place_chats.platform = $1 AND place_chats.chat_id = ANY($2::text[])"""
    rows = await sql.fetch(query, platform, list(chat_ids))
    return {row["chat_id"]: _place(row) for row in rows}


async def chats(sql: Sql, place_id: str) -> list[Named]:
    query = "SELECT chat_id AS id, name FROM place_chats WHERE place_id = $1 ORDER BY name, chat_id"
    return [Named(**row) for row in await sql.fetch(query, place_id)]


async def with_quiet_hours(sql: Sql, platform: str) -> dict[str, KnownPlace]:
    """Return the places of a platform that have quiet hours, by their chats."""
    query = f"""
        SELECT place_chats.chat_id, {_OF_PLACES}
        FROM place_chats JOIN places ON places.id = place_chats.place_id
        WHERE place_chats.platform = $1 AND places.settings_json NOT LIKE '%"quiet":null%'"""
    return {row["chat_id"]: _place(row) for row in await sql.fetch(query, platform)}


async def results(sql: Sql, place_id: str, limit: int) -> Sequence[Row]:
    """Return the last jobs of a place, newest first, without their content."""
    query = """
        SELECT generations.id, generations.short_id, generations.kind, generations.model_name,
            generations.status, generations.cost_micro, generations.user_id,
            generations.created_at
        FROM holds JOIN generations ON generations.hold_id = holds.id
        WHERE holds.place_id = $1 ORDER BY generations.id DESC LIMIT $2"""
    return await sql.fetch(query, place_id, limit)


async def spenders(sql: Sql, place_id: str, month: str, limit: int) -> Sequence[Row]:
    """Return what people spent in a place in a month, the dearest first."""
    query = """
        SELECT ledger.user_id, CAST(sum(ledger.amount_micro) AS BIGINT) AS micro
        FROM holds JOIN ledger ON ledger.hold_id = holds.id
        WHERE holds.place_id = $1 AND holds.month = $2
            AND NOT starts_with(ledger.subject, 'refund:')
        GROUP BY ledger.user_id HAVING sum(ledger.amount_micro) > 0
        ORDER BY 2 DESC, 1 LIMIT $3"""
    return await sql.fetch(query, place_id, month, limit)


async def counts(sql: Sql) -> dict[str, int]:
    """Return the number of places by platform."""
    rows = await sql.fetch("SELECT platform, count(*) AS n FROM places GROUP BY platform")
    return {row["platform"]: row["n"] for row in rows}
