"""The catalogue: the provider's live lists, kept in the database, with the operator's decisions; read from memory."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from api import ids
from api.catalog import store
from api.catalog.model import Model
from api.catalog.pricing import image_micro, summary, text_micro, video_micro
from api.catalog.schemas import ModelOut, PriceOut
from api.db import Db, DbUnavailable, Duplicate, Sql
from api.errors import ModelUnavailable
from api.provider.schemas import Capabilities
from api.provider.types import ImageRoute, ModelInfo, ProviderError
from api.schemas import Kind

log = structlog.get_logger("catalog")

REFRESH_SECONDS = 3600.0
RETRY_SECONDS = (0.25, 60.0)
"""First and longest wait while the provider is away."""

KINDS: tuple[Kind, ...] = ("text", "image", "video")
PREFERRED: dict[Kind, tuple[str, ...]] = {
    "text": ("openai/gpt-5-mini", "google/gemini-3-flash-preview", "google/gemini-2.5-flash", "openai/gpt-5.4-mini"),
    "image": ("black-forest-labs/flux.2-klein-4b", "bytedance-seed/seedream-4.5", "google/gemini-2.5-flash-image"),
    "video": ("google/veo-3.1-lite", "google/veo-3.1-fast", "alibaba/wan-2.6", "kwaivgi/kling-v3.0-std"),
}
"""Cheap and good: the default of a fresh server is the first of these that the lists have, else the cheapest."""

SANDBOX_UNLISTED = ("openai/dall-e-3", 80_000)
"""In no list, as on some gateways; so the sandbox shows the third image route too. Micro-dollars of its dearest image."""

_RATIOS = ("1:1", "3:2", "2:3", "4:3", "3:4", "16:9", "9:16")
_UNLISTED_SIZES = ("1024x1024", "1792x1024", "1024x1792")


class Lists(Protocol):
    """The part of the provider that the catalogue needs."""

    @property
    def is_sandbox(self) -> bool: ...

    async def models(self) -> Sequence[ModelInfo]: ...

    def guess_route(self, model: str) -> ImageRoute: ...


class Catalog:
    """Call `load()` once before use; `run()` keeps the lists fresh."""

    def __init__(self, db: Db, provider: Lists) -> None:
        self._db = db
        self._provider = provider
        self._models: dict[tuple[Kind, str], Model] = {}

    async def load(self) -> None:
        """Take over what the database has: models survive a start without the provider."""
        if self._provider.is_sandbox:
            model_id, price = SANDBOX_UNLISTED
            await store.add_by_hand(self._db, self._unlisted(model_id, "image"), price, ids.now())
        await self._reload()

    async def _reload(self) -> None:
        offered = [row.model for row in await store.all_models(self._db) if row.model.listed or row.by_hand]
        self._models = {(model.kind, model.id): model for model in offered}

    async def run(self, stop: asyncio.Event) -> None:
        """Refresh at once, then hourly; while the provider is away more often."""
        wait = RETRY_SECONDS[0]
        while not stop.is_set():
            try:
                await self.refresh()
                wait, pause = RETRY_SECONDS[0], REFRESH_SECONDS
            except (ProviderError, DbUnavailable, Duplicate) as error:  # Duplicate: another api wrote the same lists at this moment
                log.warning("models_not_refreshed", error=str(error), again_in=wait)
                pause, wait = wait, min(wait * 2, RETRY_SECONDS[1])
            try:
                await asyncio.wait_for(stop.wait(), pause)
            except TimeoutError:
                continue

    async def refresh(self) -> None:
        """Raises `ProviderError`; what we had stays then."""
        infos = {(info.id, info.kind): info for info in await self._provider.models()}
        if not infos:
            raise ProviderError("provider_unavailable", "The provider's model lists are empty.", outcome="refused")
        async with self._db.transaction() as sql:
            await self._save(sql, infos)
        await self._reload()
        log.info("models_refreshed", count=len(self._models))

    async def _save(self, sql: Sql, infos: dict[tuple[str, Kind], ModelInfo]) -> None:
        rows = {(row.model.id, row.model.kind): row for row in await store.all_models(sql)}
        new = [info for key, info in infos.items() if key not in rows]
        if new:
            await store.add_listed(sql, new, ids.now())
        for key, row in rows.items():
            info = infos.get(key)
            if info is None:
                if row.model.listed:
                    await store.unlist(sql, *key)
            elif not row.model.listed or row.model.name != info.name or row.data_json != store.data_json(info):
                await store.update_listed(sql, info)
        await store.touch_listed(sql, ids.now())
        await self._heal_defaults(sql)

    async def _heal_defaults(self, sql: Sql) -> None:
        """Each kind has one default, and it can be used: a vanished or disabled one is replaced."""
        usable = [row.model for row in await store.all_models(sql) if row.model.listed and row.model.enabled]
        for kind in KINDS:
            models = [model for model in usable if model.kind == kind]
            if models and not any(model.is_default for model in models):
                await store.set_default(sql, kind, _best(kind, models).id)

    async def add_unlisted(self, model_id: str, kind: Kind, price_override_micro: int | None) -> None:
        """Offer a model that no list knows. Without a price it is shown, and refused as `price_unknown`."""
        await store.add_by_hand(self._db, self._unlisted(model_id, kind), price_override_micro, ids.now())
        await self._reload()

    def _unlisted(self, model_id: str, kind: Kind) -> ModelInfo:
        """What can be guessed of a model that no list knows."""
        info = ModelInfo(id=model_id, name=model_id.rpartition("/")[2], kind=kind, capabilities=Capabilities(), price=None)
        if kind != "image":
            return info
        route = self._provider.guess_route(model_id)
        by_ratio = Capabilities(aspect_ratios=_RATIOS, image_sizes=("1K", "2K"), max_n=4, max_input_images=1)
        by_size = Capabilities(sizes=_UNLISTED_SIZES, max_n=10)
        return replace(info, route=route, modalities=("image",), capabilities=by_ratio if route == "chat" else by_size)

    def list_models(self, kind: Kind | None = None) -> list[Model]:
        """What users may choose: the default first, then by name."""
        models = [model for model in self._models.values() if model.enabled and kind in {None, model.kind}]
        return sorted(models, key=lambda model: (KINDS.index(model.kind), not model.is_default, model.name.lower(), model.id))

    def resolve(self, kind: Kind, model_id: str | None = None) -> Model:
        """`model_id`: an id, a name, or words that only one model has (`flux klein`), or the default among others; None = the default.

        Raises `ModelUnavailable` with what to choose instead. While no list could ever be had, an image model's id is
        taken as it is, with a guessed route and no price.
        """
        models = self.list_models(kind)
        if model_id is None:
            if not models:
                raise ModelUnavailable(f"There is no {kind} model yet: the provider's lists could not be read so far.", retry_after=10)
            return models[0]
        found = _matching(models, model_id)
        if len(found) == 1:
            return found[0]
        if len(found) > 1:
            raise ModelUnavailable(f"Several models are called {model_id!r}: {_names(found)}. Please say which one.")
        if not self._models and kind == "image" and re.fullmatch(r"[\w.-]+/[\w.:-]+", model_id):
            return Model(self._unlisted(model_id, kind), enabled=True, is_default=False, listed=False)
        raise ModelUnavailable(self._why_not(kind, model_id, models))

    def _why_not(self, kind: Kind, wanted: str, models: Sequence[Model]) -> str:
        same = [model for (_, known), model in self._models.items() if known.lower() == wanted.lower()]
        if any(model.kind == kind for model in same):
            return f"The operator has switched {same[0].name} off. Try {_names(models)}."
        if same:
            return f"{same[0].name} makes {same[0].kind}, not {kind}. Try {_names(models)}."
        return f"There is no {kind} model {wanted!r}. Try {_names(models)}."


def _matching(models: Sequence[Model], wanted: str) -> list[Model]:
    """The strictest reading that finds anything: whole id or name, its part behind the slash, every word."""
    text = wanted.strip().lower()
    exact = [model for model in models if text in {model.id.lower(), model.name.lower()}]
    if exact:
        return exact[:1]
    slugs = [model for model in models if text == model.id.rpartition("/")[2].lower()]
    if slugs:
        return slugs
    words = re.split(r"[\s/_-]+", text)
    by_words = [model for model in models if all(word in f"{model.id} {model.name}".lower() for word in words)]
    return [model for model in by_words if model.is_default] or by_words


def _names(models: Sequence[Model]) -> str:
    shown = ", ".join(model.id for model in models[:5])
    return f"{shown} and {len(models) - 5} more" if len(models) > 5 else shown or "again later"


def _best(kind: Kind, models: Sequence[Model]) -> Model:
    for wanted in PREFERRED[kind]:
        for model in models:
            if model.id == wanted and _price(model) is not None:
                return model
    return min(models, key=lambda model: (price if (price := _price(model)) else float("inf"), model.id))


def _price(model: Model) -> int | None:
    """Of a typical request, for comparing; a free model counts as unknown, as it is slow and soon refuses."""
    if model.kind == "image":
        return image_micro(model, {})
    if model.kind == "video":
        resolutions = model.info.capabilities.resolutions
        options: dict[str, str | int | bool] = {"duration": 5}
        return video_micro(model, options | ({"resolution": "720p"} if "720p" in resolutions else {}))
    return text_micro(model, chars=1_000, max_tokens=1_000)


def model_out(model: Model) -> ModelOut:
    price = PriceOut(items=list(model.info.price or ()), summary=summary(model))
    return ModelOut(
        id=model.id, name=model.name, kind=model.kind, capabilities=model.info.capabilities, price=price, default=model.is_default
    )
