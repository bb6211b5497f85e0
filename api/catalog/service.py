"""The catalogue: the provider's live lists, kept in the database, with the operator's decisions;
read from memory."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Protocol

import structlog

from api import ids
from api.catalog import store
from api.catalog.model import Model
from api.catalog.model_choice import best, first_ids, matching, price_of
from api.catalog.pricing import price_out
from api.catalog.schemas import AdminModelOut, ModelChangeIn, ModelOut, ModelSort, NewModelIn
from api.catalog.store import Stored
from api.db import Db, Duplicate, Sql
from api.errors import Conflict, InvalidRequest, ModelUnavailable, NotFound
from api.provider.domain_errors import domain_error
from api.provider.schemas import OPTIONS, Capabilities
from api.provider.types import ImageRoute, ModelInfo, ProviderError
from api.schemas import Kind, Page, micro, usd
from api.users import audit
from api.users.schemas import Role
from api.wake import Wake

log = structlog.get_logger("catalog")

REFRESH_SECONDS = 3600.0
RETRY_FIRST = 0.25
"""Until the first try again while the provider is away: without models nobody can do anything."""
REREAD_SECONDS, REREAD_SECONDS_UNHEARD = 300.0, 15.0
"""Seconds until this process follows a change that another one made and whose ring got lost, and
the same while no rings of others are heard."""
EMPTY_SECONDS = 1.0
"""The same until there are any models: another process reads the provider's lists right now."""
TOPIC = "models"
FOUND_KEPT = 1_000
"""The number of asked models that are remembered until the table is read again."""

Used = Mapping[tuple[Kind, str], int]
"""The number of recent requests by model."""
NOBODY: Used = {}
KINDS: tuple[Kind, ...] = ("text", "image", "video", "transcription", "speech")
SANDBOX_UNLISTED = ("openai/dall-e-3", 80_000)
"""In no list, as on some gateways; so the sandbox shows the third image route too. Micro-dollars of
its dearest image."""

_RATIOS = ("1:1", "3:2", "2:3", "4:3", "3:4", "16:9", "9:16")
_UNLISTED_SIZES = ("1024x1024", "1792x1024", "1024x1792")


class Lists(Protocol):
    """The part of the provider that the catalogue needs."""

    @property
    def is_sandbox(self) -> bool: ...

    async def models(self) -> Sequence[ModelInfo]: ...

    def guess_route(self, model: str) -> ImageRoute: ...


class Catalog:
    """Call `load()` once before use; `keep_fresh()` keeps the lists fresh."""

    def __init__(self, db: Db, provider: Lists, wake: Wake) -> None:
        self._db = db
        self._wake = wake
        self._provider = provider
        self._models: dict[tuple[Kind, str], Model] = {}
        self._find = self._found
        self._refreshing = asyncio.Lock()
        self.refreshed = asyncio.Event()
        """Set once the provider's lists have been read."""

    async def load(self) -> None:
        """Take over what the database has: models survive a start without the provider."""
        if self._provider.is_sandbox:
            model_id, price = SANDBOX_UNLISTED
            await store.add_by_hand(self._db, self._unlisted(model_id, "image"), price, ids.now())
        await self.reload()

    async def reload(self) -> None:
        """Read the table once more, because another process may have changed it."""
        offered = [row.model for row in await store.all_models(self._db) if row.offered]
        self._models = {(model.kind, model.id): model for model in offered}
        self._find = lru_cache(FOUND_KEPT)(self._found)

    async def keep_fresh(self) -> float:
        try:
            await self.refresh()
        except Duplicate:
            # another api wrote the same lists at this moment
            log.info("models_refreshed_elsewhere")
            return RETRY_FIRST
        return REFRESH_SECONDS

    async def keep_read(self) -> float:
        """Follow the changes of other processes; an embedded database has none."""
        with self._wake.listen(TOPIC) as listener:
            await self.reload()
            limit = EMPTY_SECONDS
            if any(model.listed for model in self._models.values()):
                limit = self._wake.limit(REREAD_SECONDS, REREAD_SECONDS_UNHEARD)
                self.refreshed.set()
            await listener.wait(limit)
        return 0.0

    async def _tell(self) -> None:
        """Follow a change that was made here, and tell the other processes."""
        await self.reload()
        self._wake.ring(TOPIC)

    async def refresh(self) -> None:
        """Raises `ProviderError`; what we had stays then."""
        async with self._refreshing:
            infos = {(info.id, info.kind): info for info in await self._provider.models()}
            if not infos:
                raise ProviderError("provider_unavailable", "lists_empty", outcome="refused")
            async with self._db.transaction() as sql:
                await self._save(sql, infos)
            await self._tell()
        self.refreshed.set()
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
                continue
            if not info.price_read:
                info = replace(info, price=row.model.info.price)
            if (
                not row.model.listed
                or row.model.name != info.name
                or row.data_json != store.data_json(info)
            ):
                await store.update_listed(sql, info)
        await store.touch_listed(sql, ids.now())
        await self._heal_defaults(sql)

    async def _heal_defaults(self, sql: Sql) -> None:
        """Each kind has one default, and it can be used: a vanished or disabled one is replaced."""
        usable = [
            row.model for row in await store.all_models(sql) if row.offered and row.model.enabled
        ]
        for kind in KINDS:
            models = [model for model in usable if model.kind == kind]
            if models and not any(model.is_default for model in models):
                # nobody chooses one that was added by hand but the admin
                await store.set_default(
                    sql, kind, best(kind, [model for model in models if model.listed] or models).id
                )

    async def add(self, new: NewModelIn, actor_id: str) -> AdminModelOut:
        """Offer a model that no list has. Raises `Conflict` when it is offered already."""
        price = None if new.price_override_usd is None else micro(new.price_override_usd)
        async with self._db.transaction() as sql:
            known = next(
                (row for row in await store.by_id(sql, new.id) if row.model.kind == new.kind), None
            )
            if known is not None and known.offered:
                raise Conflict("model_listed_already", model=new.id)
            if known is None:
                await store.add_by_hand(sql, self._unlisted(new.id, new.kind), price, ids.now())
            else:
                await store.offer_by_hand(sql, known.model.info)
                await store.decide(
                    sql, replace(known.model, enabled=True, price_override_micro=price)
                )
            await self._heal_defaults(sql)
            after: audit.Facts = {"kind": new.kind, "price_override_micro": price}
            await audit.record(sql, "model_added", actor_id=actor_id, subject=new.id, after=after)
        await self._tell()
        return await self.show(new.id, new.kind)

    async def change(
        self, model_id: str, kind: Kind | None, body: ModelChangeIn, actor_id: str
    ) -> AdminModelOut:
        """Raises `NotFound`, `InvalidRequest` (several kinds, or a default taken away) and
        `Conflict` for a default that cannot be used."""
        async with self._db.transaction() as sql:
            row = _one(await store.by_id(sql, model_id), model_id, kind)
            changed = _decided(row.model, body)
            if body.default is False and row.model.is_default:
                raise InvalidRequest("default_elsewhere", field="default")
            await store.decide(sql, changed)
            if body.default:
                if not (changed.enabled and row.offered):
                    raise Conflict("default_not_usable")
                await store.set_default(sql, changed.kind, changed.id)
            await self._heal_defaults(sql)
            before = _facts(row.model)
            after = _facts(replace(changed, is_default=body.default or row.model.is_default))
            await audit.record(
                sql,
                "model_changed",
                actor_id=actor_id,
                subject=model_id,
                before=before,
                after=after,
            )
        await self._tell()
        return await self.show(model_id, row.model.kind)

    async def show(self, model_id: str, kind: Kind | None) -> AdminModelOut:
        """Raises `NotFound`, and `InvalidRequest` when there are several kinds of it and none was
        given."""
        return _admin_out(_one(await store.by_id(self._db, model_id), model_id, kind))

    async def all(
        self,
        kind: Kind | None,
        words: str | None,
        cursor: str | None,
        limit: int,
        sort: ModelSort = "kind",
        used: Used = NOBODY,
    ) -> Page[AdminModelOut]:
        """Also those that nobody is offered. Raises `InvalidRequest` for a cursor that names no
        model."""
        rows = sorted(await store.all_models(self._db), key=_SORTS[sort])
        if sort == "used":
            rows.sort(key=lambda row: -_use(row, used))
        places = [row.model.place for row in rows]
        if cursor is not None and cursor not in places:
            raise InvalidRequest("cursor_not_valid", field="cursor")
        rest = rows[places.index(cursor) + 1 :] if cursor is not None else rows
        found = [row for row in rest if _shown(row, kind, words)]
        last = found[limit - 1].model.place if len(found) > limit else None
        items = [
            _admin_out(row).model_copy(update={"used": _use(row, used)}) for row in found[:limit]
        ]
        return Page(items=items, next_cursor=last)

    async def refresh_now(self, actor_id: str) -> int:
        """Read the provider's lists, and return the number of models offered then. Raises
        `ProviderUnavailable` and the like; the models known so far stay."""
        try:
            await self.refresh()
        except ProviderError as error:
            raise domain_error(error) from error
        await audit.record(
            self._db,
            "models_refreshed",
            actor_id=actor_id,
            subject="models",
            after={"count": len(self._models)},
        )
        return len(self._models)

    def _unlisted(self, model_id: str, kind: Kind) -> ModelInfo:
        """Return a guess at a model that no list knows."""
        name = model_id.rpartition("/")[2]
        info = ModelInfo(model_id, name, kind, Capabilities(), price=None)
        if kind != "image":
            return info
        route = self._provider.guess_route(model_id)
        by_ratio = Capabilities(
            aspect_ratios=_RATIOS, image_sizes=("1K", "2K"), max_n=4, max_input_images=1
        )
        by_size = Capabilities(sizes=_UNLISTED_SIZES, max_n=OPTIONS["n"].most)
        can = by_ratio if route == "chat" else by_size
        return replace(info, route=route, modalities=("image",), capabilities=can)

    def list_models(self, kind: Kind | None = None, role: Role | None = None) -> list[Model]:
        """Return the models that this role may choose: the default first, then by name. A role that
        may not use the default gets another one."""
        models = [
            model
            for model in self._models.values()
            if model.enabled and kind in {None, model.kind} and model.allows(role)
        ]
        for each in KINDS:
            of_kind = [model for model in models if model.kind == each]
            if of_kind and not any(model.is_default for model in of_kind):
                instead = best(each, of_kind)
                models[models.index(instead)] = replace(instead, is_default=True)
        return sorted(models, key=_shown_order)

    def capabilities(self, kind: Kind, model_id: str) -> Capabilities | None:
        """Return what a model can do that is offered now; None for any other."""
        model = self._models.get((kind, model_id))
        return model.info.capabilities if model is not None and model.enabled else None

    def resolve(self, kind: Kind, model_id: str | None = None, role: Role | None = None) -> Model:
        """`model_id`: an id, a name, or words that only one model has (`flux klein`), or the
        default among others; None = the default.

        Raises `ModelUnavailable` with what to choose instead. While no list could ever be had, an
        image model's id is taken as it is, with a guessed route and no price.
        """
        # each question names a model, and to look through hundreds takes longer than the rest
        return self._find(kind, model_id, role)

    def _found(self, kind: Kind, model_id: str | None, role: Role | None) -> Model:
        models = self.list_models(kind, role)
        if model_id is None:
            if not models:
                raise ModelUnavailable("models_not_read", kind=kind, retry_after=10)
            return models[0]
        usable = {model.id for model in models}
        if any(model.kind == kind and model.id not in usable for model in self._named(model_id)):
            # its whole id was said: words that also fit another one must not lead there
            raise self._not_there(kind, model_id, models, role)
        found = matching(models, model_id)
        if len(found) == 1:
            return found[0]
        if len(found) > 1:
            raise ModelUnavailable("model_ambiguous", model=model_id, allowed=first_ids(found))
        if not self._models and kind == "image" and re.fullmatch(r"[\w.-]+/[\w.:-]+", model_id):
            return Model(
                self._unlisted(model_id, kind), enabled=True, is_default=False, listed=False
            )
        raise self._not_there(kind, model_id, models, role)

    def _named(self, model_id: str) -> list[Model]:
        return [model for model in self._models.values() if model.id.lower() == model_id.lower()]

    def _not_there(
        self, kind: Kind, wanted: str, models: Sequence[Model], role: Role | None
    ) -> ModelUnavailable:
        same = self._named(wanted)
        of_kind = [model for model in same if model.kind == kind]
        allowed = first_ids(models)
        if any(not model.allows(role) for model in of_kind):
            return ModelUnavailable(
                "model_of_others", model=wanted, name=same[0].name, allowed=allowed
            )
        if of_kind:
            return ModelUnavailable("model_off", model=wanted, name=same[0].name, allowed=allowed)
        if same:
            return ModelUnavailable(
                "model_other_kind",
                model=wanted,
                name=same[0].name,
                makes=same[0].kind,
                kind=kind,
                allowed=allowed,
            )
        return ModelUnavailable("model_unknown", model=wanted, kind=kind, allowed=allowed)


def _shown_order(model: Model) -> tuple[int, bool, str, str]:
    return KINDS.index(model.kind), not model.is_default, model.name.lower(), model.id


def model_out(model: Model) -> ModelOut:
    return ModelOut(
        id=model.id,
        name=model.name,
        kind=model.kind,
        capabilities=model.info.capabilities,
        price=price_out(model),
        default=model.is_default,
    )


def _admin_out(row: Stored) -> AdminModelOut:
    model = row.model
    override = model.price_override_micro
    return AdminModelOut(
        **model_out(model).model_dump(),
        enabled=model.enabled,
        vanished=not row.offered,
        by_hand=row.by_hand and not model.listed,
        price_known=price_of(model) is not None,
        price_override_usd=None if override is None else usd(override),
        roles=None if model.roles is None else list(model.roles),
        seen_at=row.seen_at,
    )


def _one(rows: Sequence[Stored], model_id: str, kind: Kind | None) -> Stored:
    found = [row for row in rows if kind in {None, row.model.kind}]
    if not found:
        raise NotFound("model_unknown_id", model=model_id)
    if len(found) > 1:
        raise InvalidRequest("kind_needed", field="kind")
    return found[0]


def _shown(row: Stored, kind: Kind | None, words: str | None) -> bool:
    model = row.model
    return (
        kind in {None, model.kind} and (words or "").lower() in f"{model.id} {model.name}".lower()
    )


def _by_price(row: Stored, sign: int) -> tuple[bool, int, str, str]:
    """Of a typical request; those whose price nobody knows come last."""
    price = price_of(row.model)
    return price is None, sign * (price or 0), row.model.kind, row.model.id


_SORTS: Mapping[ModelSort, Callable[[Stored], Any]] = {
    "kind": lambda row: (row.model.kind, row.model.id),
    "name": lambda row: (row.model.name.lower(), row.model.kind, row.model.id),
    "cheapest": lambda row: _by_price(row, 1),
    "dearest": lambda row: _by_price(row, -1),
    "used": lambda row: (row.model.kind, row.model.id),
}


def _use(row: Stored, used: Used) -> int:
    return used.get((row.model.kind, row.model.id), 0)


def _decided(model: Model, body: ModelChangeIn) -> Model:
    """Only what was given is changed; null is a value for price and roles."""
    given = body.model_fields_set
    if body.enabled is not None:
        model = replace(model, enabled=body.enabled)
    if "price_override_usd" in given:
        price = body.price_override_usd
        model = replace(model, price_override_micro=None if price is None else micro(price))
    if "roles" in given:
        model = replace(model, roles=None if body.roles is None else tuple(sorted(set(body.roles))))
    return model


def _facts(model: Model) -> audit.Facts:
    return {
        "kind": model.kind,
        "enabled": model.enabled,
        "default": model.is_default,
        "price_override_micro": model.price_override_micro,
        "roles": None if model.roles is None else ",".join(model.roles),
    }
