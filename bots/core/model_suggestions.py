"""Suggestions of models while somebody types the name of one."""

import time
from collections.abc import Sequence

from client import calls
from client.bot import BotApi, Who
from client.errors import ApiError
from client.patience import NONE
from client.person import UserApi
from client.schemas import Kind
from client.schemas.catalog import ModelOut

KEPT_SECONDS = 60.0
KEPT = 500


class Suggestions:
    """Models that a person may use, from a short memory: each typed letter asks again."""

    def __init__(self, api: BotApi) -> None:
        self._api = api
        self._known: dict[tuple[str, Kind], tuple[float, list[ModelOut]]] = {}

    async def models(
        self, who: Who, kinds: Sequence[Kind], typed: str, most: int
    ) -> list[ModelOut]:
        """At most `most` models whose name or id contains the typed text, names that begin with it
        first; none for a person who may use none."""
        try:
            found = [model for kind in kinds for model in await self._of_kind(who, kind)]
        except ApiError:
            return []
        wanted = typed.strip().casefold()
        fitting = [
            one for one in found if wanted in one.name.casefold() or wanted in one.id.casefold()
        ]
        return sorted(fitting, key=lambda one: not one.name.casefold().startswith(wanted))[:most]

    async def _of_kind(self, who: Who, kind: Kind) -> list[ModelOut]:
        key = (who.platform_user_id, kind)
        until, models = self._known.get(key, (0.0, []))
        if until > time.monotonic():
            return models
        models = await UserApi(self._api, who, NONE).all(calls.models(kind))
        if len(self._known) >= KEPT:
            self._known.clear()
        self._known[key] = (time.monotonic() + KEPT_SECONDS, models)
        return models
