"""The API for a bot: its own calls, and the memory of the people for whom it acts in chats."""

import json
import time
from dataclasses import dataclass
from typing import Literal, TypeVar, cast

from client import calls
from client.asynchronous import AsyncApi
from client.connections import open_async_http
from client.errors import API_UNAVAILABLE, ApiError
from client.patience import Patience, Waiters
from client.schemas.links import ActIn, ActOut
from client.schemas.places import ChatChangeIn, PlaceOut, PlaceSettings, SeenIn

K = TypeVar("K")
V = TypeVar("V")

ACT_SECONDS = 100.0
ACT_MARGIN = 15.0
"""A token is renewed this long before it ends, so that it does not end on its way."""
KNOWN_MOST = 5_000
PLACE_SECONDS = 20.0
"""A change of a place on the web reaches its chat after this time at most."""
ACTING_FOR = "X-Acting-For"
"""The header that names a person, beside the bot's own credential."""


@dataclass(frozen=True, slots=True)
class Who:
    """A person in a chat, as the platform vouches for it. `update_id` names the update that is
    being answered, `language` is the platform's, as `bots.core.language` has it. `place` is the
    platform's id of the group, channel or server."""

    platform_user_id: str
    display_name: str
    chat_id: str
    update_id: str
    language: str | None = None
    place: str | None = None

    @property
    def named(self) -> ActIn:
        return ActIn(
            platform_user_id=self.platform_user_id,
            display_name=self.display_name[:120],
            chat_id=self.chat_id,
            update_id=self.update_id[:100],
            language=cast(Literal["en", "de"] | None, self.language),
            place=self.place,
        )

    @property
    def header(self) -> dict[str, str]:
        """The header that introduces the person with any call."""
        return {ACTING_FOR: json.dumps(self.named.model_dump(exclude_none=True))}


@dataclass(frozen=True, slots=True)
class Act:
    """A token that acts for a person in a chat."""

    token: str
    until: float


@dataclass(frozen=True, slots=True)
class SeenPlace:
    """The settings of a place as the API said them, and the chats of it that were named there."""

    settings: PlaceSettings
    chats: frozenset[str]
    until: float


class _BotKey:
    """A credential that lasts."""

    def __init__(self, key: str) -> None:
        self._key = key

    async def token(self) -> str:
        return self._key

    async def renewed(self, stale: str) -> None:
        return None


class BotApi(AsyncApi):
    """Sends the bot's own calls; one per process. `public_url` is where people find the web, when
    that is known."""

    def __init__(
        self,
        api_url: str,
        bot_key: str,
        public_url: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        super().__init__(open_async_http(api_url), _BotKey(bot_key))
        self.key = bot_key
        self.public_url = public_url
        self.waiters = Waiters(self._look, patience or Patience())
        self._acts: dict[tuple[str, str], Act] = {}
        self._languages: dict[str, str | None] = {}
        self._new_guests: set[tuple[str, str]] = set()
        self._places: dict[str, SeenPlace] = {}

    async def __aenter__(self) -> "BotApi":
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.waiters.close()
        await self.http.aclose()

    async def _look(self) -> None:
        await self.send(calls.alive())

    def token(self, who: Who) -> str | None:
        """The token that acts for this person, while it lasts."""
        known = self._acts.get((who.platform_user_id, who.chat_id))
        return known.token if known is not None and known.until > time.monotonic() else None

    def learn(self, who: Who, act: ActOut, asked_at: float) -> None:
        """Remember the API's word about a person, which was asked for at that time."""
        key = (who.platform_user_id, who.chat_id)
        lasts = min(ACT_SECONDS, act.expires_in - ACT_MARGIN)
        _keep(self._acts, key, Act(act.access_token, asked_at + lasts))
        _keep(self._languages, who.platform_user_id, act.language)
        if act.new_guest:
            self._new_guests.add(key)

    async def is_stranger(self, who: Who) -> bool:
        """Whether this person has no account. One who was known lately introduces himself with the
        next call. While the API is away nobody waits for it, and nobody is a stranger."""
        if self.waiters.away or who.platform_user_id in self._languages:
            return False
        asked_at = time.monotonic()
        try:
            self.learn(who, await self.send(calls.act(who.named)), asked_at)
        except ApiError as error:
            if error.code == API_UNAVAILABLE:
                self.waiters.missed()
            return error.code == "not_linked"
        return False

    async def place(self, seen: SeenIn) -> PlaceSettings | None:
        """The settings of a place; while the API is away the last known ones, or None."""
        known = self._places.get(seen.platform_place_id)
        fresh = known is not None and known.until > time.monotonic()
        if known is not None and (self.waiters.away or (fresh and seen.chat_id in known.chats)):
            return known.settings
        try:
            found = await self.send(calls.see_place(seen))
        except ApiError as error:
            if error.code == API_UNAVAILABLE:
                self.waiters.missed()
            return None if known is None else known.settings
        chats = known.chats if known is not None and fresh else frozenset[str]()
        self.learn_place(found, chats | {seen.chat_id})
        return found.settings

    async def change_place(self, change: ChatChangeIn) -> PlaceOut:
        """Change a place for its admin. Raises `ApiError`."""
        changed = await self.send(calls.change_place(change))
        known = self._places.get(changed.platform_place_id)
        self.learn_place(changed, frozenset() if known is None else known.chats)
        self._acts.clear()  # who may use the bot there may be others now
        return changed

    def learn_place(self, place: PlaceOut, chats: frozenset[str]) -> None:
        """Remember the settings of a place, and its chats of which the API knows."""
        until = time.monotonic() + PLACE_SECONDS
        seen = SeenPlace(place.settings, chats, until)
        _keep(self._places, place.platform_place_id, seen)

    def language(self, who: Who) -> str | None:
        """The one that the person has chosen, by the API's last word."""
        return self._languages.get(who.platform_user_id)

    def is_new_guest(self, who: Who) -> bool:
        """Whether this person has just got an account by writing here; true once."""
        key = (who.platform_user_id, who.chat_id)
        new = key in self._new_guests
        self._new_guests.discard(key)
        return new

    def forget(self, who: Who) -> None:
        """Forget this person's language and tokens, which have changed."""
        self._languages.pop(who.platform_user_id, None)
        self._acts = {key: act for key, act in self._acts.items() if key[0] != who.platform_user_id}


def _keep(memory: dict[K, V], key: K, value: V) -> None:
    """Set an entry of a bounded memory; the oldest one is forgotten."""
    memory.pop(key, None)
    if len(memory) >= KNOWN_MOST:
        del memory[next(iter(memory))]
    memory[key] = value
