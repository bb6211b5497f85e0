"""A member's preferences: a model for each kind, the options used last, and the look of results.
Clients keep it here, so that it is the same in each chat and on the web."""

import json
from typing import Any, cast, get_args
from zoneinfo import ZoneInfo

from api import ids
from api.catalog.model import Model
from api.catalog.service import Catalog
from api.db import Db, Sql
from api.errors import InvalidRequest, ModelUnavailable, NotFound
from api.schemas import Kind
from api.users import store
from api.users.schemas import PreferencesIn, PreferencesOut, Role

MODELS: dict[str, Kind] = {f"{kind}_model": kind for kind in get_args(Kind)}


class Preferences:
    def __init__(self, db: Db, catalog: Catalog) -> None:
        self._db = db
        self._catalog = catalog

    async def show(self, user_id: str, role: Role) -> PreferencesOut:
        """Return the preferences. A model that has vanished, or that this role may not use (any
        more), is shown as none."""
        kept = await _kept(self._db, user_id)
        for name, kind in MODELS.items():
            if self._usable(kind, kept.get(name), role) is None:
                kept.pop(name, None)
        return PreferencesOut(**kept)

    async def spoiler(self, user_id: str) -> bool:
        return bool((await _kept(self._db, user_id)).get("spoiler"))

    async def voice(self, user_id: str) -> str | None:
        return (await _kept(self._db, user_id)).get("voice")

    async def change(self, user_id: str, role: Role, body: PreferencesIn) -> PreferencesOut:
        """Change the preferences that are given. Raises `ModelUnavailable`, `InvalidRequest` (time
        zone), `NotFound`."""
        given = body.model_dump(mode="json", exclude_unset=True)
        for name, kind in MODELS.items():
            if given.get(name) is not None:
                given[name] = self._catalog.resolve(kind, given[name], role).id
        if given.get("time_zone") is not None:
            _check_zone(given["time_zone"])
        async with self._db.transaction() as sql:
            # locks the row: two changes at once are both kept
            if not await store.hold_active(sql, user_id, ids.now()):
                raise NotFound("account_unknown")
            kept = await _kept(sql, user_id) | given
            await store.set_preferences(
                sql,
                user_id,
                json.dumps({name: value for name, value in kept.items() if value is not None}),
            )
        return await self.show(user_id, role)

    async def model(self, user_id: str, role: Role, kind: Kind, asked: str | None) -> Model:
        """Return the model that was asked for, or else the preferred one while it can be used, or
        else the default. Raises `ModelUnavailable`."""
        if asked is None:
            kept = await _kept(self._db, user_id)
            preferred = self._usable(kind, kept.get(f"{kind}_model"), role)
            if preferred is not None:
                return preferred
        return self._catalog.resolve(kind, asked, role)

    async def for_text(
        self, user_id: str, role: Role, asked: str | None
    ) -> tuple[Model, PreferencesOut]:
        """Return the model as `model` does, and what is preferred beside it."""
        kept = await _kept(self._db, user_id)
        model = None if asked else self._usable("text", kept.get("text_model"), role)
        return model or self._catalog.resolve("text", asked, role), PreferencesOut(**kept)

    def _usable(self, kind: Kind, model_id: str | None, role: Role) -> Model | None:
        return None if model_id is None else self.usable(kind, model_id, role)

    def usable(self, kind: Kind, model_id: str, role: Role) -> Model | None:
        """Return the model with exactly this id, if this role may use it."""
        try:
            found = self._catalog.resolve(kind, model_id, role)
        except ModelUnavailable:
            return None
        return found if found.id == model_id else None


async def _kept(sql: Sql, user_id: str) -> dict[str, Any]:
    text = await store.preferences(sql, user_id)
    return cast(dict[str, Any], json.loads(text)) if text else {}


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (
        ValueError,
        OSError,
        KeyError,
    ) as error:  # KeyError: a zone that is not there; OSError: the name of a folder
        raise InvalidRequest("zone_unknown", field="time_zone") from error
