"""Bearer secrets turned into callers: session, role and status are read from the database each
time."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import cast

from pydantic import ValidationError

from api import ids
from api.auth import store
from api.auth.tokens import AccessClaims, ActClaims, TokenSigner
from api.callers import Bot, Caller, Introduced
from api.db import Db
from api.errors import InvalidRequest, NotAuthenticated
from api.links.schemas import ActIn, ActOut
from api.links.service import LinkService
from api.schemas import Platform
from api.users.service import UserService

SEEN_EVERY = timedelta(seconds=20)
"""A write for each call of a bot would tell nobody more."""
GONE_AFTER = timedelta(seconds=75)
"""A bot that waits for deliveries asks every 25 s."""

Act = Callable[[Platform, ActIn], Awaitable[ActOut]]
"""Introduces a person of a chat. Raises `NotLinked`, `NotAllowed`."""


class Bearers:
    """`CallerLookup` on the database."""

    def __init__(
        self, db: Db, signer: TokenSigner, users: UserService, links: LinkService, act: Act
    ) -> None:
        self._act = act
        self._db = db
        self._signer = signer
        self._users = users
        self._links = links

    async def caller(self, token: str) -> Caller:
        """Raises `NotAuthenticated`."""
        claims = self._signer.read(token)
        if isinstance(claims, ActClaims):
            return await self._acting(claims)
        return await self._signed_in(claims)

    async def bot(self, credential: str) -> Bot:
        """Raises `NotAuthenticated`."""
        found = await store.credential_by_hash(self._db, ids.digest(credential))
        if found is None:
            raise NotAuthenticated("bot_credential_wrong")
        if found.last_seen_at is None or found.last_seen_at < ids.now() - SEEN_EVERY:
            await store.see_credential(self._db, found.id, ids.now(), ids.now() - GONE_AFTER)
        return Bot(cast(Platform, found.platform), found.id)

    async def introduced(self, credential: str, person: str) -> Introduced:
        """Raises `NotAuthenticated`, `InvalidRequest`, `NotLinked`, `NotAllowed`."""
        bot = await self.bot(credential)
        try:
            asked = ActIn.model_validate_json(person)
        except ValidationError as error:
            raise InvalidRequest("request_wrong") from error
        act = await self._act(bot.platform, asked)
        caller = _acting(act.user_id, bot.platform, asked.chat_id, asked.platform_user_id)
        return Introduced(caller, act.model_dump_json())

    async def _signed_in(self, claims: AccessClaims) -> Caller:
        found = await store.signed_in(self._db, claims.sid, claims.sub)
        if found is None or not found.is_live(ids.now()):
            raise NotAuthenticated("session_ended")
        if found.status != "active":
            raise NotAuthenticated("sign_in_refused")
        proved_at = found.proved_at or found.created_at
        return Caller(claims.sub, found.role, session_id=claims.sid, proved_at=proved_at)

    async def _acting(self, claims: ActClaims) -> Caller:
        if await self._links.owner(claims.platform, claims.platform_user_id) != claims.sub:
            raise NotAuthenticated("chat_unlinked")
        standing = await self._users.standing(claims.sub)
        if standing is None or standing.status != "active":
            raise NotAuthenticated("account_unusable")
        return _acting(claims.sub, claims.platform, claims.chat_id, claims.platform_user_id)

    async def is_guest(self, user_id: str) -> bool:
        """False, too, when there is no such account."""
        user = await self._users.find(user_id)
        return user is not None and user.guest


def _acting(user_id: str, platform: str, chat_id: str, platform_user_id: str) -> Caller:
    """Return a bot that acts for a person; it never has more than a user's rights, whoever that
    is."""
    return Caller(
        user_id, "user", platform=platform, chat_id=chat_id, platform_user_id=platform_user_id
    )
