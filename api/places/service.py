"""Places: they become known when the bot is first used there, and have settings, a budget and rules
of their own."""

from collections.abc import Collection
from datetime import timedelta
from decimal import Decimal
from typing import Literal, cast, get_args

from api import ids
from api.budget.moves import month_of
from api.budget.service import BudgetService
from api.callers import Caller
from api.catalog.service import Catalog
from api.db import Db, Sql
from api.db.page_ids import NEWEST, ids_of
from api.errors import InvalidRequest, ModelUnavailable, NotAllowed, NotFound
from api.places import rules, schemas, store
from api.places.rules import PlaceRules
from api.places.schemas import PlaceIn, PlaceSettings
from api.places.store import KnownPlace
from api.schemas import Kind, Page, Platform, usd
from api.users import audit
from api.users.service import UserService

Fact = str | bool | None
SEEN_EVERY = timedelta(hours=1)
RESULTS, SPENDERS = 10, 10
KINDS = cast(tuple[Kind, ...], get_args(Kind))
BY_SERVER = frozenset({"guests_allowed"})
"""Settings that spend the server's money: an admin of the place cannot change them."""


class PlaceService:
    def __init__(
        self,
        db: Db,
        users: UserService,
        budget: BudgetService,
        catalog: Catalog,
        *,
        chat_signup: Literal["link", "open"],
    ) -> None:
        self._db = db
        self._users = users
        self._budget = budget
        self._catalog = catalog
        self._by_server = chat_signup == "open"

    async def see(self, platform: Platform, body: schemas.SeenIn) -> schemas.PlaceOut:
        """Return the place in which somebody speaks, which is known from now on."""
        place = await self.known(platform, body.platform_place_id, body.name)
        old = place.seen_at < ids.now() - SEEN_EVERY
        name = body.name or place.name
        if old or name != place.name:
            await store.see(self._db, place.id, name, ids.now())
        known = await store.of_chats(self._db, platform, [body.chat_id])
        if known.get(body.chat_id, place).id != place.id or body.chat_id not in known or old:
            await store.add_chat(self._db, platform, body.chat_id, place.id, body.chat_name)
        return (await self._outs([await self._existing(place.id)]))[0]

    async def known(self, platform: str, platform_place_id: str, name: str = "") -> KnownPlace:
        """Return the place with that id on its platform, a new one the first time."""
        found = await store.by_platform(self._db, platform, platform_place_id)
        if found is None:
            await store.add(self._db, ids.new_id(), platform, platform_place_id, name, ids.now())
            found = await store.by_platform(self._db, platform, platform_place_id)
        if found is None:
            raise NotFound("place_unknown")
        return found

    def takes_guests(self, place: KnownPlace | None) -> bool:
        """Tell whether somebody without an account may use the bot there; None: a private chat."""
        if place is None:
            return self._by_server
        return rules.takes_guests(place.settings, by_server=self._by_server)

    async def asked_in(self, caller: Caller, kind: Kind) -> PlaceRules | None:
        """Return the rules for a caller who asks in a place. A place that was forgotten meanwhile
        has none."""
        place = None if caller.place_id is None else await store.by_id(self._db, caller.place_id)
        if place is None:
            return None
        models = self._catalog.list_models(kind, caller.role) if place.settings.models else ()
        return PlaceRules(place, models)

    async def of_chats(self, platform: str, chat_ids: Collection[str]) -> dict[str, KnownPlace]:
        """Return the places of these chats, by chat; those of no place are left out."""
        return await store.of_chats(self._db, platform, chat_ids) if chat_ids else {}

    async def quiet_chats(self, platform: str) -> list[str]:
        """Return the chats of places whose quiet hours it is now."""
        found = await store.with_quiet_hours(self._db, platform)
        return [
            chat_id
            for chat_id, place in found.items()
            if rules.is_quiet(place.settings.quiet, ids.now())
        ]

    async def change_in_chat(
        self, platform: Platform, body: schemas.ChatChangeIn
    ) -> schemas.PlaceOut:
        """Change settings for an admin of the place, by its platform's word. Raises `NotFound`,
        `NotAllowed` for what only an admin of the server may decide."""
        place = await store.by_platform(self._db, platform, body.platform_place_id)
        if place is None:
            raise NotFound("place_unknown")
        given = body.change.model_fields_set
        wants_guests = "audience" in given and body.change.audience == "everybody"
        allowed = place.settings.guests_allowed or self._by_server
        if given & BY_SERVER or (wants_guests and not allowed):
            raise NotAllowed("guests_by_server")
        by = {"chat_admin": body.by.platform_user_id, "name": body.by.name}
        return await self._change(place, body.change, actor_id=None, by=by)

    async def change(self, place_id: str, body: PlaceIn, *, actor_id: str) -> schemas.PlaceOut:
        """Raises `NotFound`, `InvalidRequest`."""
        return await self._change(await self._existing(place_id), body, actor_id=actor_id, by={})

    async def _change(
        self, place: KnownPlace, body: PlaceIn, *, actor_id: str | None, by: dict[str, str]
    ) -> schemas.PlaceOut:
        given = {name: getattr(body, name) for name in body.model_fields_set}
        if "models" in given:
            given["models"] = [self._model_id(each) for each in given["models"]]
        async with self._db.transaction() as sql:
            await store.see(sql, place.id, place.name, ids.now())  # changes wait for each other
            before = (await self._existing(place.id, sql)).settings
            after = before.model_copy(update=given)
            await store.save(sql, place.id, after)
            changed = _changes(before, after)
            if changed:
                await audit.record(
                    sql,
                    "place_set",
                    actor_id=actor_id,
                    subject=place.id,
                    before={name: values[0] for name, values in changed.items()},
                    after={**{name: values[1] for name, values in changed.items()}, **by},
                )
        return (await self._outs([await self._existing(place.id)]))[0]

    def _model_id(self, words: str) -> str:
        """Return the id of the one model that the words name. Raises `InvalidRequest`."""
        for kind in KINDS:
            try:
                return self._catalog.resolve(kind, words).id
            except ModelUnavailable:
                continue
        raise InvalidRequest("model_unknown_here", field="models", model=words)

    async def moved(self, platform: Platform, body: schemas.MovedIn) -> None:
        """Keep a place whose id on its platform has changed. One that was used under the new id
        already is that place from then on."""
        async with self._db.transaction() as sql:
            place = await store.by_platform(sql, platform, body.before)
            if place is None:
                return
            if (newer := await store.by_platform(sql, platform, body.after)) is not None:
                await store.delete(sql, newer.id)
            await store.move(sql, place, body.after)
            facts = {"platform": platform, "id": body.after}
            await audit.record(sql, "place_moved", actor_id=None, subject=place.id, after=facts)

    async def forget(self, place_id: str, *, actor_id: str) -> None:
        """Delete the place with its settings; it is a new one when the bot is used there again.
        Sums of money stay."""
        async with self._db.transaction() as sql:
            place = await self._existing(place_id, sql)
            await store.delete(sql, place.id)
            before = {"platform": place.platform, "name": place.name}
            await audit.record(
                sql, "place_forget", actor_id=actor_id, subject=place.id, before=before
            )

    async def page(self, cursor: str | None, limit: int) -> Page[schemas.PlaceOut]:
        """Newest first."""
        found, more = await ids_of(self._db, "places", [], NEWEST, cursor, limit)
        places = await store.by_ids(self._db, found)
        return Page(items=await self._outs(places), next_cursor=more)

    async def detail(self, place_id: str) -> schemas.PlaceDetailOut:
        """Raises `NotFound`."""
        place = await self._existing(place_id)
        (out,) = await self._outs([place])
        made = await store.results(self._db, place.id, RESULTS)
        spent = await store.spenders(self._db, place.id, month_of(ids.now()), SPENDERS)
        names = await self._users.names({row["user_id"] for row in (*made, *spent)})
        results = [
            schemas.PlaceResultOut(
                **{**row, "user": names.get(row["user_id"])},
                cost_usd=None if row["cost_micro"] is None else usd(row["cost_micro"]),
            )
            for row in made
        ]
        spenders = [
            schemas.PlaceSpenderOut(
                user_id=row["user_id"], user=names.get(row["user_id"]), spent_usd=usd(row["micro"])
            )
            for row in spent
        ]
        chats = await store.chats(self._db, place.id)
        return schemas.PlaceDetailOut(
            **out.model_dump(), results=results, spenders=spenders, chats=chats
        )

    async def counts(self) -> dict[str, int]:
        """Return the number of places by platform."""
        return await store.counts(self._db)

    async def _existing(self, place_id: str, sql: Sql | None = None) -> KnownPlace:
        place = await store.by_id(sql or self._db, place_id)
        if place is None:
            raise NotFound("place_unknown")
        return place

    async def _outs(self, places: list[KnownPlace]) -> list[schemas.PlaceOut]:
        counters = await self._budget.of_places([place.id for place in places])
        return [
            schemas.PlaceOut(
                id=place.id,
                platform=place.platform,
                platform_place_id=place.platform_place_id,
                name=place.name,
                settings=place.settings,
                spent_usd=usd(counters[place.id].spent_micro),
                held_usd=usd(counters[place.id].held_micro),
                created_at=place.created_at,
                seen_at=place.seen_at,
            )
            for place in places
        ]


def _changes(before: PlaceSettings, after: PlaceSettings) -> dict[str, tuple[Fact, Fact]]:
    """Return the changed settings, before and after. Of blocked words only their number is told:
    the log is read by more people than the settings."""
    found: dict[str, tuple[Fact, Fact]] = {}
    for name in PlaceSettings.model_fields:
        old, new = (_told(getattr(each, name)) for each in (before, after))
        if getattr(before, name) != getattr(after, name):
            found[name] = (old, new)
    if "blocked_words" in found:
        found["blocked_words"] = (str(len(before.blocked_words)), str(len(after.blocked_words)))
    return found


def _told(value: object) -> Fact:
    if isinstance(value, list):
        return ", ".join(
            (each.name or each.id) if isinstance(each, schemas.Named) else str(each)
            for each in value
        )
    if isinstance(value, schemas.QuietHours):
        return f"{value.since}-{value.until} {value.time_zone}"
    if value is None or isinstance(value, bool):
        return value
    return f"{value:.6f}" if isinstance(value, Decimal) else str(value)
