"""SQL of `models`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from api.catalog.model import Model
from api.db import Row, Sql
from api.provider.schemas import Capabilities, PriceItem
from api.provider.types import ModelInfo


@dataclass(frozen=True, slots=True)
class Stored:
    """A row. Of the unlisted ones only those `by_hand` are offered; the others have vanished from
    the provider's lists."""

    model: Model
    data_json: str
    by_hand: bool
    seen_at: datetime

    @property
    def offered(self) -> bool:
        return self.model.listed or self.by_hand


def data_json(info: ModelInfo, *, by_hand: bool = False) -> str:
    data = {
        "capabilities": info.capabilities.model_dump(mode="json"),
        "price": None
        if info.price is None
        else [item.model_dump(mode="json") for item in info.price],
        "route": info.route,
        "modalities": info.modalities,
        "by_hand": by_hand,
    }
    return json.dumps(data, sort_keys=True)


def _stored(row: Row) -> Stored:
    data = json.loads(row["data_json"])
    listed = data["price"]
    price = None if listed is None else tuple(map(PriceItem.model_validate, listed))
    info = ModelInfo(
        id=row["id"],
        name=row["name"],
        kind=row["kind"],
        capabilities=Capabilities.model_validate(data["capabilities"]),
        price=price,
        route=data["route"],
        modalities=tuple(data["modalities"]),
    )
    roles = None if row["roles_json"] is None else tuple(json.loads(row["roles_json"]))
    model = Model(
        info, row["enabled"], row["is_default"], row["price_override_micro"], row["listed"], roles
    )
    return Stored(model, row["data_json"], data["by_hand"], row["seen_at"])


COLUMNS = (
    "id, kind, name, data_json, enabled, is_default, price_override_micro, listed, roles_json, "
    "seen_at"
)


async def all_models(sql: Sql) -> list[Stored]:
    rows = await sql.fetch(f"SELECT {COLUMNS} FROM models ORDER BY kind, id")
    return [_stored(row) for row in rows]


async def by_id(sql: Sql, model_id: str) -> list[Stored]:
    """Return one row for each kind in which the model is known."""
    query = f"SELECT {COLUMNS} FROM models WHERE id = $1 ORDER BY kind"
    return [_stored(row) for row in await sql.fetch(query, model_id)]


async def add_listed(sql: Sql, infos: Sequence[ModelInfo], now: datetime) -> None:
    """Add new models, switched on. One statement for hundreds of rows; a row that another process
    added first stays."""
    query = """
        INSERT INTO models (id, kind, name, data_json, enabled, is_default, listed, seen_at)
        SELECT new.id, new.kind, new.name, new.data_json, TRUE, FALSE, TRUE, $5
        FROM (SELECT unnest($1::text[]) AS id, unnest($2::text[]) AS kind, unnest($3::text[])
        AS name,
                     unnest($4::text[]) AS data_json) AS new
        ON CONFLICT DO NOTHING"""
    columns = (
        [info.id for info in infos],
        [info.kind for info in infos],
        [info.name for info in infos],
        [data_json(info) for info in infos],
    )
    await sql.execute(query, *columns, now)


async def update_listed(sql: Sql, info: ModelInfo) -> None:
    query = "UPDATE models SET name = $3, data_json = $4, listed = TRUE WHERE id = $1 AND kind = $2"
    await sql.execute(query, info.id, info.kind, info.name, data_json(info))


async def unlist(sql: Sql, model_id: str, kind: str) -> None:
    await sql.execute(
        "UPDATE models SET listed = FALSE WHERE id = $1 AND kind = $2", model_id, kind
    )


async def touch_listed(sql: Sql, now: datetime) -> None:
    await sql.execute("UPDATE models SET seen_at = $1 WHERE listed", now)


async def add_by_hand(
    sql: Sql, info: ModelInfo, price_override_micro: int | None, now: datetime
) -> None:
    """Add a model by hand. A row that exists already stays as it is."""
    query = """
        INSERT INTO models (id, kind, name, data_json, enabled, is_default, price_override_micro,
            listed, seen_at)
        VALUES ($1, $2, $3, $4, TRUE, FALSE, $5, FALSE, $6) ON CONFLICT DO NOTHING"""
    data = data_json(info, by_hand=True)
    await sql.execute(query, info.id, info.kind, info.name, data, price_override_micro, now)


async def offer_by_hand(sql: Sql, info: ModelInfo) -> None:
    """Offer a model again that has vanished from the lists, with its known data."""
    query = "UPDATE models SET data_json = $3 WHERE id = $1 AND kind = $2"
    await sql.execute(query, info.id, info.kind, data_json(info, by_hand=True))


async def decide(sql: Sql, model: Model) -> None:
    """Store the operator's decisions about a model, except the default."""
    query = (
        "UPDATE models SET enabled = $3, price_override_micro = $4, roles_json = $5 "
        "WHERE id = $1 AND kind = $2"
    )
    roles = None if model.roles is None else json.dumps(model.roles)
    await sql.execute(query, model.id, model.kind, model.enabled, model.price_override_micro, roles)


async def set_default(sql: Sql, kind: str, model_id: str) -> None:
    await sql.execute("UPDATE models SET is_default = (id = $2) WHERE kind = $1", kind, model_id)
