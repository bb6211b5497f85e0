"""Who asks. A route says in its signature who may call it; session, role and status are read from
the database each time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, cast

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api import ids
from api.auth import store
from api.auth.tokens import AccessClaims, ActClaims, TokenSigner
from api.db import Db
from api.deps import ServicesDep
from api.errors import NotAllowed, NotAuthenticated, ReauthRequired
from api.links.service import LinkService
from api.schemas import Platform
from api.users.schemas import Role
from api.users.service import UserService

PROOF_LASTS = timedelta(minutes=15)
SEEN_EVERY = timedelta(seconds=20)
"""A write for each call of a bot would tell nobody more."""
GONE_AFTER = timedelta(seconds=75)
"""A bot that waits for deliveries asks every 25 s."""


@dataclass(frozen=True, slots=True)
class Caller:
    """`session_id` and `proved_at` (when the person last gave the password) are set for a signed-in
    person, the three chat fields for a bot that acts for one."""

    user_id: str
    role: Role
    session_id: str | None = None
    platform: str | None = None
    chat_id: str | None = None
    platform_user_id: str | None = None
    proved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot process: its credential speaks for one platform's identities only."""

    platform: Platform
    credential_id: str


class Callers:
    """Turns bearer secrets into callers."""

    def __init__(self, db: Db, signer: TokenSigner, users: UserService, links: LinkService) -> None:
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
            raise NotAuthenticated("This bot credential is not valid.")
        if found.last_seen_at is None or found.last_seen_at < ids.now() - SEEN_EVERY:
            await store.see_credential(self._db, found.id, ids.now(), ids.now() - GONE_AFTER)
        return Bot(cast(Platform, found.platform), found.id)

    async def _signed_in(self, claims: AccessClaims) -> Caller:
        found = await store.signed_in(self._db, claims.sid, claims.sub)
        if found is None or not found.is_live(ids.now()):
            raise NotAuthenticated("This session has ended. Sign in again.")
        if found.status != "active":
            raise NotAuthenticated("This account cannot sign in.")
        return Caller(
            claims.sub,
            found.role,
            session_id=claims.sid,
            proved_at=found.proved_at or found.created_at,
        )

    async def _acting(self, claims: ActClaims) -> Caller:
        if await self._links.owner(claims.platform, claims.platform_user_id) != claims.sub:
            raise NotAuthenticated("This chat is not linked any more.")
        standing = await self._users.standing(claims.sub)
        if standing is None or standing.status != "active":
            raise NotAuthenticated("This account cannot be used.")
        # A bot never has more than a user's rights, whoever it acts for.
        return Caller(
            claims.sub,
            "user",
            platform=claims.platform,
            chat_id=claims.chat_id,
            platform_user_id=claims.platform_user_id,
        )


_user_bearer = HTTPBearer(
    auto_error=False, scheme_name="token", description="An access token, or a bot's act token."
)
_bot_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="bot credential",
    description="The credential of one platform's bot.",
)


def _secret(bearer: HTTPAuthorizationCredentials | None) -> str:
    if bearer is None:
        raise NotAuthenticated("Sign in first.")
    return bearer.credentials


_Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_user_bearer)]
_BotBearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bot_bearer)]


async def _user(bearer: _Bearer, services: ServicesDep) -> Caller:
    return await services.auth.callers.caller(_secret(bearer))


async def _session(caller: Annotated[Caller, Depends(_user)]) -> Caller:
    if caller.session_id is None:
        raise NotAllowed("A chat cannot do this. Use the web page.")
    return caller


async def _recent(caller: Annotated[Caller, Depends(_session)]) -> Caller:
    return await _recent_or_chat(caller)


async def _recent_or_chat(caller: Annotated[Caller, Depends(_user)]) -> Caller:
    if caller.session_id is None:
        return caller
    if caller.proved_at is None or caller.proved_at < ids.now() - PROOF_LASTS:
        raise ReauthRequired("Enter your password again to go on.")
    return caller


async def _own_data(caller: Annotated[Caller, Depends(_user)], services: ServicesDep) -> Caller:
    if caller.session_id is None:
        user = await services.users.find(caller.user_id)
        if user is None or not user.guest:
            raise NotAllowed("A chat cannot do this. Use the web page.")
    return await _recent_or_chat(caller)


async def _admin(caller: Annotated[Caller, Depends(_session)]) -> Caller:
    if caller.role != "admin":
        raise NotAllowed("Only admins can do this.")
    return caller


async def _recent_admin(caller: Annotated[Caller, Depends(_admin)]) -> Caller:
    return await _recent_or_chat(caller)


async def _bot(bearer: _BotBearer, services: ServicesDep) -> Bot:
    return await services.auth.callers.bot(_secret(bearer))


UserCaller = Annotated[Caller, Depends(_user)]
"""A signed-in person, or a bot acting for a linked one."""

SessionCaller = Annotated[Caller, Depends(_session)]
"""A signed-in person; a bot is refused."""

RecentCaller = Annotated[Caller, Depends(_recent)]
"""A signed-in person who gave the password in the last 15 minutes, at the sign-in or at
`/auth/reauth`."""

RecentOrChatCaller = Annotated[Caller, Depends(_recent_or_chat)]
"""The same, or a bot acting for a linked person."""

OwnDataCaller = Annotated[Caller, Depends(_own_data)]
"""A signed-in person who gave the password just now, or a bot acting for a guest, who has nothing
but the chat."""

AdminCaller = Annotated[Caller, Depends(_admin)]
"""A signed-in admin; a bot is refused, also when it acts for one."""

RecentAdminCaller = Annotated[Caller, Depends(_recent_admin)]
"""An admin who gave the password in the last 15 minutes."""

BotCaller = Annotated[Bot, Depends(_bot)]
"""A bot process with its own credential."""
