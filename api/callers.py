"""Callers: their types, and the parameters by which a route's signature says who may call it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Protocol

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api import ids
from api.deps import FromApp
from api.errors import NotAllowed, NotAuthenticated, ReauthRequired
from api.schemas import Platform
from api.users.schemas import Role

PROOF_LASTS = timedelta(minutes=15)
ACTING_FOR = "X-Acting-For"
"""The header by which a bot, with its own credential, names the person it acts for."""

CALLER_OF_BATCH = "allucanget.caller"
"""In the scope of a question out of a batch: who asks it, read for the batch a moment ago. No
client can set it."""


@dataclass(frozen=True, slots=True)
class Account:
    """The part of a caller's account that decides what may be spent; its role, too, which is not
    that of a bot that acts for it."""

    role: Role
    guest: bool
    monthly_micro: int


@dataclass(frozen=True, slots=True)
class Caller:
    """`account` is None where it was not read with the call. `session_id` and `proved_at` (when the
    person last gave the password) are set for a signed-in person, the chat fields for a bot that
    acts for one, `place_id` in a group or server."""

    user_id: str
    role: Role
    session_id: str | None = None
    platform: str | None = None
    chat_id: str | None = None
    platform_user_id: str | None = None
    proved_at: datetime | None = None
    account: Account | None = None
    place_id: str | None = None


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot process: its credential speaks for one platform's identities only."""

    platform: Platform
    credential_id: str


@dataclass(frozen=True, slots=True)
class Introduced:
    """A person whom a bot has named with its call. `act` is for the bot's next calls: a token and
    the person's language, as `/bot/act` answers them."""

    caller: Caller
    act: str


class CallerLookup(Protocol):
    """Turns bearer secrets into callers."""

    async def caller(self, token: str) -> Caller:
        """Raises `NotAuthenticated`."""
        ...

    async def bot(self, credential: str) -> Bot:
        """Raises `NotAuthenticated`."""
        ...

    async def introduced(self, credential: str, person: str) -> Introduced:
        """Raises `NotAuthenticated`, `InvalidRequest`, and what `/bot/act` refuses with."""
        ...

    async def is_guest(self, user_id: str) -> bool:
        """Tell whether the account was made by a chat, without a password."""
        ...


CallersDep = FromApp[CallerLookup]


class _Bearer(HTTPBearer):
    """A bearer secret that is looked up at once: a dependency of a dependency costs FastAPI more
    than most of our own steps."""

    async def secret(self, request: Request) -> str:
        found: HTTPAuthorizationCredentials | None = await HTTPBearer.__call__(self, request)
        if found is None:
            raise NotAuthenticated("sign_in_first")
        return found.credentials


class _UserBearer(_Bearer):
    async def __call__(self, request: Request) -> Caller:  # type: ignore[override]
        known: Caller | None = request.scope.get(CALLER_OF_BATCH)
        if known is not None:
            return known
        callers, secret = _callers(request), await self.secret(request)
        person = request.headers.get(ACTING_FOR)
        if person is None:
            return await callers.caller(secret)
        introduced = await callers.introduced(secret, person)
        request.state.act = introduced.act
        return introduced.caller


class _BotBearer(_Bearer):
    async def __call__(self, request: Request) -> Bot:  # type: ignore[override]
        return await _callers(request).bot(await self.secret(request))


def _callers(request: Request) -> CallerLookup:
    found: CallerLookup = request.app.state.services.by_type[CallerLookup]
    return found


_user = _UserBearer(
    auto_error=False,
    scheme_name="token",
    description=(
        "An access token, or a bot's act token. A bot that has none yet sends its own credential "
        f"and, in `{ACTING_FOR}`, the body of `/bot/act`; the token is in `X-Act` of the answer."
    ),
)
_bot = _BotBearer(
    auto_error=False,
    scheme_name="bot credential",
    description="The credential of one platform's bot.",
)


async def _session(caller: Annotated[Caller, Depends(_user)]) -> Caller:
    if caller.session_id is None:
        raise NotAllowed("not_by_chat")
    return caller


async def _recent(caller: Annotated[Caller, Depends(_session)]) -> Caller:
    return await _recent_or_chat(caller)


async def _recent_or_chat(caller: Annotated[Caller, Depends(_user)]) -> Caller:
    if caller.session_id is None:
        return caller
    if caller.proved_at is None or caller.proved_at < ids.now() - PROOF_LASTS:
        raise ReauthRequired("password_needed")
    return caller


async def _own_data(caller: Annotated[Caller, Depends(_user)], callers: CallersDep) -> Caller:
    if caller.session_id is None and not await callers.is_guest(caller.user_id):
        raise NotAllowed("not_by_chat")
    return await _recent_or_chat(caller)


async def _admin(caller: Annotated[Caller, Depends(_session)]) -> Caller:
    if caller.role != "admin":
        raise NotAllowed("admins_only")
    return caller


async def _recent_admin(caller: Annotated[Caller, Depends(_admin)]) -> Caller:
    return await _recent_or_chat(caller)


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
