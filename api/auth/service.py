"""Signing in and staying signed in: setup, sign-up, login, refresh rotation, sessions."""

import hmac
import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import structlog

from api import ids
from api.auth import refresh, store
from api.auth.bots import BotService
from api.auth.caller import Caller, Callers
from api.auth.refresh import Refresh
from api.auth.schemas import LoginIn, RegisterIn, SessionOut, SetupIn, TokensOut
from api.auth.store import Session
from api.auth.tokens import ACCESS_LIFE, TokenSigner
from api.db import Db, Sql
from api.errors import NotAllowed, NotAuthenticated, NotFound, RateLimited, SetupDone, SignupClosed
from api.links.service import LinkService
from api.schemas import Page
from api.users import audit
from api.users.schemas import ProfileIn, UserOut
from api.users.service import UserService, normal
from api.users.store import User
from api.users.throttle import Limit, Throttle

log = structlog.get_logger("auth")

REFRESH_IDLE = timedelta(days=14)
SESSION_LIFE = timedelta(days=30)
KEPT_AFTER_END = timedelta(days=30)
GRACE = timedelta(seconds=10)

_WAIT = "Too many tries. Please wait a little."
PER_ACCOUNT = Limit(5, timedelta(minutes=15), timedelta(seconds=1), timedelta(minutes=15), _WAIT)
PER_ADDRESS = Limit(50, timedelta(minutes=15), timedelta(seconds=1), timedelta(minutes=15), _WAIT)
SIGNUPS = Limit(10, timedelta(hours=1), timedelta(minutes=10), timedelta(hours=1), _WAIT)
GRACES = Limit(3, timedelta(hours=1), timedelta(hours=1), timedelta(hours=1), _WAIT)


@dataclass(frozen=True, slots=True)
class Client:
    """What a session remembers of where it was opened: the program's name for itself and its address."""

    name: str
    ip: str


class AuthService:
    """Holds too what turns bearer secrets into callers (`callers`) and what bots may ask (`bots`)."""

    def __init__(
        self,
        db: Db,
        *,
        signer: TokenSigner,
        users: UserService,
        links: LinkService,
        setup_token: str,
        web_signup: Literal["invite", "open"],
        chat_signup: Literal["link", "open"],
    ) -> None:
        self.callers = Callers(db, signer, users, links)
        self.bots = BotService(db, signer=signer, users=users, links=links, chat_signup=chat_signup)
        self._db = db
        self._signer = signer
        self._users = users
        self._setup_token = setup_token
        self._web_signup = web_signup
        self._throttle = Throttle(db)

    async def setup(self, body: SetupIn, client: Client) -> TokensOut:
        """Makes the first admin and signs in. Raises `SetupDone`, `NotAllowed` (wrong token), `InvalidRequest`."""
        if not await self._users.setup_needed():
            raise SetupDone("The first admin exists already. Sign in instead.")
        await self._throttle.take(f"setup:{_net(client.ip)}", PER_ADDRESS)
        if not hmac.compare_digest(body.token.encode(), self._setup_token.encode()):
            raise NotAllowed("The setup link is not valid. The one that counts was printed at the first start.")
        user = await self._users.new_person(body.email, body.password.get_secret_value(), "admin")
        async with self._db.transaction() as sql:
            await self._users.add_first_admin(sql, user)
            await audit.record(sql, "setup", actor_id=user.id, subject=user.id, after={"ip": client.ip})
            session_id, token = await _open_session(sql, user.id, client)
        return await self._tokens(user, session_id, token)

    async def register(self, body: RegisterIn, client: Client) -> TokensOut:
        """Makes an account and signs in. Raises `SignupClosed`, `Conflict` (e-mail taken), `RateLimited`, `InvalidRequest`."""
        if self._web_signup != "open":
            raise SignupClosed("New accounts are made by an admin here. Ask for an invitation.")
        await self._throttle.take(f"register:{_net(client.ip)}", SIGNUPS)
        user = await self._users.new_person(body.email, body.password.get_secret_value(), "user")
        async with self._db.transaction() as sql:
            await self._users.add(sql, user)
            session_id, token = await _open_session(sql, user.id, client)
        return await self._tokens(user, session_id, token)

    async def login(self, body: LoginIn, client: Client) -> TokensOut:
        """Raises `NotAuthenticated` with one text for unknown user and wrong password, `RateLimited`."""
        account, address = f"login:{ids.digest(normal(body.email))}", f"login-from:{_net(client.ip)}"
        await self._throttle.take(account, PER_ACCOUNT)
        await self._throttle.take(address, PER_ADDRESS)
        user = await self._users.find_by_email(body.email)
        good = await self._users.verify(user, body.password.get_secret_value())
        if user is None or not good or user.status != "active":
            raise NotAuthenticated("E-mail address or password is not right.")
        await self._throttle.forget(account)
        await self._throttle.give_back(address)
        async with self._db.transaction() as sql:
            session_id, token = await _open_session(sql, user.id, client)
        return await self._tokens(user, session_id, token)

    async def refresh(self, presented: str) -> TokensOut:
        """A new pair for a refresh token that was never used. A used one ends the session, but within 10 s gives the same successor
        again, in case the answer was lost. Raises `NotAuthenticated`."""
        successor = ids.token()
        async with self._db.transaction() as sql:
            rotated = await self._rotate(sql, presented, successor)
        if rotated is None:
            rotated, successor = await self._again(presented)
        user = await self._users.find(rotated.user_id)
        if user is None or user.status != "active":
            raise NotAuthenticated("This account cannot sign in.")
        return await self._tokens(user, rotated.session_id, successor)

    async def logout(self, caller: Caller) -> None:
        if caller.session_id is not None:
            await store.revoke_session(self._db, caller.session_id, "logout", ids.now())

    async def sessions(self, caller: Caller, *, cursor: str | None, limit: int) -> Page[SessionOut]:
        """Live ones, newest sign-in first."""
        found = await store.live_sessions(self._db, caller.user_id, before=cursor, limit=limit + 1, at=ids.now())
        shown = found[:limit]
        return Page(items=[_shown(session, caller) for session in shown], next_cursor=shown[-1].id if len(found) > limit else None)

    async def end_session(self, caller: Caller, session_id: str) -> None:
        """Raises `NotFound`, also for a session of somebody else."""
        session = await store.session(self._db, session_id)
        if session is None or session.user_id != caller.user_id or not session.is_live(ids.now()):
            raise NotFound("There is no such session.")
        await store.revoke_session(self._db, session_id, "ended", ids.now())

    async def end_other_sessions(self, caller: Caller) -> None:
        await store.revoke_sessions(self._db, caller.user_id, keep=caller.session_id, reason="ended", at=ids.now())

    async def change_profile(self, caller: Caller, body: ProfileIn) -> UserOut:
        """A new e-mail or password needs the current password, which is throttled like a login, and ends the other sessions.

        Raises `NotAllowed` (a bot may not), `InvalidRequest`, `Conflict` (e-mail taken), `RateLimited`.
        """
        is_credential = body.email is not None or body.new_password is not None
        key = f"password:{caller.user_id}"
        if is_credential:
            if caller.session_id is None:
                raise NotAllowed("A chat cannot change how you sign in. Use the web page.")
            await self._throttle.take(key, PER_ACCOUNT)
        change = await self._users.check_change(caller.user_id, body)
        async with self._db.transaction() as sql:
            await self._users.save_change(sql, caller.user_id, change)
            if is_credential:
                await store.revoke_sessions(sql, caller.user_id, keep=caller.session_id, reason="credentials", at=ids.now())
                await audit.record(sql, "user_credentials", actor_id=caller.user_id, subject=caller.user_id)
        if is_credential:
            await self._throttle.forget(key)
        return await self._users.show(caller.user_id)

    async def erase(self, user_id: str) -> None:
        """Sessions and refresh tokens of the user."""
        async with self._db.transaction() as sql:
            await store.delete_of_user(sql, user_id)

    async def purge(self) -> int:
        """Deletes sessions that ended 30 days ago or longer, with their tokens; answers how many sessions."""
        async with self._db.transaction() as sql:
            return await refresh.purge(sql, ended_before=ids.now() - KEPT_AFTER_END)

    async def _tokens(self, user: User, session_id: str, refresh_token: str) -> TokensOut:
        return TokensOut(
            access_token=self._signer.access(user.id, session_id),
            refresh_token=refresh_token,
            expires_in=int(ACCESS_LIFE.total_seconds()),
            user=await self._users.out(user),
        )

    async def _rotate(self, sql: Sql, presented: str, successor: str) -> Refresh | None:
        """The used token, or None when it cannot be used (any more)."""
        at, child = ids.now(), ids.digest(successor)
        used = await refresh.use(sql, ids.digest(presented), replaced_by=child, sealed_successor=refresh.seal(successor, presented), at=at)
        if used is None:
            return None
        session = await store.touch_session(sql, used.session_id, at)
        if session is None:
            raise NotAuthenticated("This session has ended. Sign in again.")
        expires_at = min(at + REFRESH_IDLE, session.expires_at)
        await refresh.insert(sql, Refresh(child, used.session_id, used.user_id, used.token_hash, at, expires_at))
        if used.parent_hash is not None:
            await refresh.forget_successor(sql, used.parent_hash)
        return used

    async def _again(self, presented: str) -> tuple[Refresh, str]:
        """A token that could not be used, and the successor it may have once more; or the end of its session."""
        token = await refresh.by_hash(self._db, ids.digest(presented))
        session = await store.session(self._db, token.session_id) if token else None
        if token is None or session is None or token.used_at is None or not session.is_live(ids.now()):
            raise NotAuthenticated("This session has ended. Sign in again.")
        successor = await self._within_grace(token, presented)
        if successor is None:
            await self._end_stolen(token)
            raise NotAuthenticated("This session was ended because its token was used twice. Sign in again.")
        return token, successor

    async def _within_grace(self, token: Refresh, presented: str) -> str | None:
        """Only for the direct parent of the newest token (using that one takes its parent's seal away), three times an hour at most."""
        if token.used_at is None or ids.now() - token.used_at > GRACE or token.sealed_successor is None:
            return None
        try:
            await self._throttle.take(f"grace:{token.session_id}", GRACES)
        except RateLimited:
            return None
        log.info("refresh_grace", session=token.session_id)
        return refresh.unseal(token.sealed_successor, presented)

    async def _end_stolen(self, token: Refresh) -> None:
        log.warning("refresh_reuse", session=token.session_id, user=token.user_id)
        async with self._db.transaction() as sql:
            if await store.revoke_session(sql, token.session_id, "refresh_reuse", ids.now()):
                await audit.record(sql, "refresh_reuse", actor_id=None, subject=token.user_id, after={"session": token.session_id})


async def _open_session(sql: Sql, user_id: str, client: Client) -> tuple[str, str]:
    """The new session's id and its first refresh token."""
    at, token = ids.now(), ids.token()
    session = Session(ids.new_id(), user_id, client.name, client.ip, at, at, at + SESSION_LIFE, None)
    await store.insert_session(sql, session)
    await refresh.insert(sql, Refresh(ids.digest(token), session.id, user_id, None, at, at + REFRESH_IDLE))
    return session.id, token


def _shown(session: Session, caller: Caller) -> SessionOut:
    return SessionOut(
        id=session.id,
        client=session.client,
        ip=session.ip,
        created_at=session.created_at,
        last_seen_at=session.last_seen_at,
        current=session.id == caller.session_id,
    )


def _net(ip: str) -> str:
    """An address as it is counted: IPv6 users have a whole /64."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
