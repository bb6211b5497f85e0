"""The API for a bot: its own calls, and the tokens with which it acts for people in chats."""

import time
from dataclasses import dataclass
from typing import Literal, cast

from client import calls
from client.asynchronous import AsyncApi
from client.connections import open_async_http
from client.errors import API_UNAVAILABLE, ApiError
from client.patience import Patience, Waiters
from client.schemas.links import ActIn

ACT_SECONDS = 100.0
ACT_MARGIN = 15.0
"""A token is renewed this long before it ends, so that it does not end on its way."""
ACT_CACHE = 5_000


@dataclass(frozen=True, slots=True)
class Who:
    """A person in a chat, as the platform vouches for it. `update_id` names the update that is
    being answered, `language` is the platform's, as `bots.core.language` has it."""

    platform_user_id: str
    display_name: str
    chat_id: str
    update_id: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """A token that acts for a person in a chat, and the language that this person has chosen."""

    token: str
    until: float
    language: str | None


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
        self.public_url = public_url
        self.waiters = Waiters(self._look, patience or Patience())
        self._acts: dict[tuple[str, str], Act] = {}
        self._new_guests: set[tuple[str, str]] = set()

    async def __aenter__(self) -> "BotApi":
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.waiters.close()
        await self.http.aclose()

    async def _look(self) -> None:
        await self.send(calls.alive())

    async def act(self, who: Who, *, fresh: bool = False, patient: bool = False) -> Act:
        """From memory while it lasts. `patient`: people know already that it takes long. Raises
        `ApiError` `not_linked`."""
        key = (who.platform_user_id, who.chat_id)
        known = self._acts.get(key)
        if known is not None and not fresh and known.until > time.monotonic():
            return known
        ask = ActIn(
            platform_user_id=who.platform_user_id,
            display_name=who.display_name[:120],
            chat_id=who.chat_id,
            update_id=who.update_id[:100],
            language=cast(Literal["en", "de"] | None, who.language),
        )
        asked_at = time.monotonic()
        act = await self.send(calls.act(ask, patient=patient))
        if len(self._acts) >= ACT_CACHE:
            self._acts.clear()
        lasts = min(ACT_SECONDS, act.expires_in - ACT_MARGIN)
        made = self._acts[key] = Act(act.access_token, asked_at + lasts, act.language)
        if act.new_guest:
            self._new_guests.add(key)
        return made

    async def language(self, who: Who) -> tuple[str | None, bool]:
        """The one that the person has chosen, and whether this is a stranger, who has no account.
        While the API is away nobody waits for it: then none was chosen, and nobody is a
        stranger."""
        if self.waiters.away:
            return None, False
        try:
            return (await self.act(who)).language, False
        except ApiError as error:
            if error.code == API_UNAVAILABLE:
                self.waiters.missed()
            return None, error.code == "not_linked"

    def is_new_guest(self, who: Who) -> bool:
        """Whether this person has just got an account by writing here; true once."""
        key = (who.platform_user_id, who.chat_id)
        new = key in self._new_guests
        self._new_guests.discard(key)
        return new

    def forget(self, who: Who) -> None:
        """Forget this person's language and token, which have changed."""
        self._acts = {key: act for key, act in self._acts.items() if key[0] != who.platform_user_id}
