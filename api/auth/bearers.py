"""Bearer secrets turned into callers: session, role and status are read from the database each
time."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import cast

from pydantic import ValidationError

from api import ids
from api.auth import store
from api.auth.store import SignedIn
from api.auth.tokens import AccessClaims, ActClaims, TokenSigner
from api.callers import Account, Bot, Caller, Introduced
from api.db import Db
from api.db.rounds import Rounds
from api.errors import InvalidRequest, NotAuthenticated
from api.links.schemas import ActIn, ActOut
from api.schemas import Platform
from api.users.service import UserService

SEEN_EVERY = timedelta(seconds=20)
"""A write for each call of a bot would tell nobody more."""
GONE_AFTER = timedelta(seconds=75)
"""A bot that waits for deliveries asks every 25 s."""

_Session = tuple[str, str]
"""The ids of a session and of its user."""
Act = Callable[[Platform, ActIn], Awaitable[ActOut]]
"""Introduces a person of a chat. Raises `NotLinked`, `NotAllowed`."""


class Bearers:
    """`CallerLookup` on the database."""

    def __init__(self, db: Db, signer: TokenSigner, users: UserService, act: Act) -> None:
        self._act = act
        self._db = db
        self._signer = signer
        self._sessions = Rounds(self._all_signed_in)
        self._users = users

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
        caller = _acting(
            act.user_id, bot.platform, asked.chat_id, asked.platform_user_id, act.place_id
        )
        return Introduced(caller, act.model_dump_json())

    async def _signed_in(self, claims: AccessClaims) -> Caller:
        found = await self._session(claims)
        if found is None or not found.is_live(ids.now()):
            raise NotAuthenticated("session_ended")
        if found.status != "active":
            raise NotAuthenticated("sign_in_refused")
        proved_at = found.proved_at or found.created_at
        account = Account(found.role, found.guest, found.monthly_micro)
        return Caller(
            claims.sub, found.role, session_id=claims.sid, proved_at=proved_at, account=account
        )

    async def _session(self, claims: AccessClaims) -> SignedIn | None:
        if self._db.engine == "duckdb":  # which has the rows in memory
            return await store.signed_in(self._db, claims.sid, claims.sub)
        return await self._sessions.do((claims.sid, claims.sub))

    async def _all_signed_in(self, asked: Sequence[_Session]) -> Sequence[SignedIn | None]:
        """Read sessions of calls that have come in the same moment, each after its call."""
        found = await store.all_signed_in(self._db, {session for session, _ in asked})
        return [found.get(each) for each in asked]

    async def _acting(self, claims: ActClaims) -> Caller:
        found = await store.linked(self._db, claims.platform, claims.platform_user_id)
        if found is None or found.user_id != claims.sub:
            raise NotAuthenticated("chat_unlinked")
        if found.account is None or found.status != "active":
            raise NotAuthenticated("account_unusable")
        return _acting(
            claims.sub,
            claims.platform,
            claims.chat_id,
            claims.platform_user_id,
            claims.place_id,
            found.account,
        )

    async def is_guest(self, user_id: str) -> bool:
        """False, too, when there is no such account."""
        user = await self._users.find(user_id)
        return user is not None and user.guest


def _acting(
    user_id: str,
    platform: str,
    chat_id: str,
    platform_user_id: str,
    place_id: str | None,
    account: Account | None = None,
) -> Caller:
    """Return a bot that acts for a person; it never has more than a user's rights, whoever that
    is."""
    return Caller(
        user_id,
        "user",
        platform=platform,
        chat_id=chat_id,
        platform_user_id=platform_user_id,
        account=account,
        place_id=place_id,
    )
