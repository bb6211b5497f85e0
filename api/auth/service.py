"""Sign-in: setup, sign-up, login, refresh rotation, sessions."""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import structlog

from api import ids
from api.auth import devices, one_time_tokens, refresh_tokens, store
from api.auth.recovery import Recovery
from api.auth.refresh_tokens import Refresh
from api.auth.schemas import (
    LoginIn,
    ReauthIn,
    RegisterIn,
    SessionOut,
    SessionSort,
    SetupIn,
    TokensOut,
)
from api.auth.sessions import (
    PER_ACCOUNT,
    PER_ADDRESS,
    REFRESH_IDLE,
    Client,
    Opened,
    open_session,
    shown,
)
from api.auth.tokens import ACCESS_LIFE, TokenSigner
from api.callers import Caller
from api.db import Db, Sql
from api.errors import NotAllowed, NotAuthenticated, NotFound, SetupDone, SignupClosed
from api.schemas import Page
from api.users import audit, throttle
from api.users.schemas import ProfileIn, Status, UserOut
from api.users.service import UserService, normal
from api.users.store import User
from api.users.throttle import Limit, Throttle

log = structlog.get_logger("auth")

KEPT_AFTER_END = timedelta(days=30)
GRACE = timedelta(minutes=5)
"""The time in which a used token gives the same successor again. It is longer than any request that
was sent with the token is on its way."""

SIGNUPS = Limit(10, timedelta(hours=1), timedelta(minutes=10), timedelta(hours=1), "tries_too_many")


@dataclass(frozen=True, slots=True)
class Purged:
    """The number of deleted rows of each kind."""

    sessions: int
    refresh_tokens: int
    one_time_tokens: int
    devices: int


class AuthService:
    def __init__(
        self,
        db: Db,
        signer: TokenSigner,
        users: UserService,
        recovery: Recovery,
        *,
        setup_token: str,
        web_signup: Literal["invite", "open"],
    ) -> None:
        self._db = db
        self._signer = signer
        self._users = users
        self._recovery = recovery
        self._setup_token = setup_token
        self._web_signup = web_signup
        self._throttle = Throttle(db)

    async def setup(self, body: SetupIn, client: Client) -> TokensOut:
        """Make the first admin and sign in. Raises `SetupDone`, `NotAllowed` (wrong token),
        `InvalidRequest`."""
        if not await self._users.setup_needed():
            raise SetupDone("admin_exists")
        await self._throttle.take(f"setup:{client.net}", PER_ADDRESS)
        if not hmac.compare_digest(body.token.encode(), self._setup_token.encode()):
            raise NotAllowed("setup_link_wrong")
        await self._recovery.check_mailable(body.email)
        user = await self._users.new_person(body.email, body.password.get_secret_value(), "admin")
        async with self._db.transaction() as sql:
            await self._users.add_first_admin(sql, user)
            await audit.record(
                sql, "setup", actor_id=user.id, subject=user.id, after={"ip": client.ip}
            )
            opened = await open_session(sql, user.id, client, is_new_device=True)
        return await self._signed_in(user, opened)

    async def register(self, body: RegisterIn, client: Client) -> TokensOut:
        """Make an account or take an invitation up, and sign in. Raises `SignupClosed`, `NotFound`
        (invitation), `Conflict` (e-mail taken), `RateLimited`, `InvalidRequest`."""
        if body.invite is not None:
            return await self._signed_in(*await self._recovery.accept(body, client))
        if self._web_signup != "open":
            raise SignupClosed("invitation_needed")
        await self._throttle.take(f"register:{client.net}", SIGNUPS)
        await self._recovery.check_mailable(body.email)
        user = await self._users.new_person(body.email, body.password.get_secret_value(), "user")
        async with self._db.transaction() as sql:
            await self._users.add(sql, user)
            opened = await open_session(sql, user.id, client, is_new_device=True)
        return await self._signed_in(user, opened)

    async def login(self, body: LoginIn, client: Client) -> TokensOut:
        """Raises `NotAuthenticated` with one text for unknown user and wrong password,
        `RateLimited`.

        A known device has a count of tries of its own: whatever strangers try, its owner gets in.
        """
        user = await self._users.find_by_email(body.email)
        device = ids.digest(body.device) if body.device else ""
        known = await devices.is_known(self._db, device, user.id if user else "", ids.now())
        account = f"login-device:{device}" if known else f"login:{ids.digest(normal(body.email))}"
        address = f"login-from:{client.net}"
        await self._throttle.take(account, PER_ACCOUNT)
        await self._throttle.take(address, PER_ADDRESS)
        proved = await self._users.verify(user, body.password.get_secret_value())
        if proved is None or proved.status != "active":
            raise _not_right()
        async with self._db.transaction() as sql:
            # the password may have been changed, or the account switched off, while this one was
            # verified
            if not await self._users.hold_with_password(sql, proved):
                raise _not_right()
            opened = await open_session(sql, proved.id, client, is_new_device=not known)
        await self._throttle.forget(account)
        await self._throttle.give_back(address)
        return await self._signed_in(proved, opened)

    async def reauth(self, caller: Caller, body: ReauthIn) -> None:
        """Take the password once more: for 15 minutes the session may do acts that need a recent
        proof. Raises `InvalidRequest`, `RateLimited`, `NotFound`."""
        key = f"password:{caller.user_id}"
        await self._throttle.take(key, PER_ACCOUNT)
        user = await self._users.find(caller.user_id)
        if user is None or caller.session_id is None:
            raise NotFound("account_unknown")
        await self._users.prove(user, body.current_password.get_secret_value())
        await self._throttle.forget(key)
        await store.prove_session(self._db, caller.session_id, ids.now())

    async def refresh(self, presented: str) -> TokensOut:
        """Return a new pair for a refresh token.

        The answer to a used one may have been lost: it gives the same successor again for five
        minutes, and after that a new one in its place, as long as nobody has used the successor.
        Any other use of a used or replaced token ends the session. Raises `NotAuthenticated`."""
        asked_at, successor = ids.now(), ids.token()
        async with self._db.transaction() as sql:
            rotated = await self._rotate(sql, presented, successor)
        if rotated is None:
            rotated, successor = await self._again(presented, asked_at, successor)
        user = await self._users.find(rotated.user_id)
        if user is None or user.status != "active":
            raise NotAuthenticated("sign_in_refused")
        return await self._tokens(user, rotated.session_id, successor)

    async def logout(self, caller: Caller) -> None:
        if caller.session_id is not None:
            await store.revoke_session(self._db, caller.session_id, "logout", ids.now())

    async def sessions(
        self, caller: Caller, *, cursor: str | None, limit: int, sort: SessionSort = "newest"
    ) -> Page[SessionOut]:
        """Return the caller's live sessions."""
        return await self.sessions_of(
            caller.user_id, caller.session_id, cursor=cursor, limit=limit, sort=sort
        )

    async def sessions_of(
        self,
        user_id: str,
        current_id: str | None,
        *,
        cursor: str | None,
        limit: int,
        sort: SessionSort = "newest",
    ) -> Page[SessionOut]:
        """Return any user's live sessions; `current_id` is the one to mark as the caller's."""
        found, more = await store.live_sessions(
            self._db, user_id, sort=sort, cursor=cursor, limit=limit, at=ids.now()
        )
        return Page(items=[shown(session, current_id) for session in found], next_cursor=more)

    async def end_sessions_of(self, user_id: str, *, actor_id: str) -> None:
        """Sign a user out everywhere, for an admin. Raises `NotFound`."""
        await self._users.show(user_id)
        async with self._db.transaction() as sql:
            await store.revoke_sessions(sql, user_id, keep=None, reason="admin", at=ids.now())
            await audit.record(sql, "user_sessions_end", actor_id=actor_id, subject=user_id)

    async def set_status(self, user_id: str, status: Status, *, actor_id: str) -> UserOut:
        """Change the status; disabling ends every session, too. Raises `LastAdmin`, `NotFound`."""
        async with self._db.transaction() as sql:
            user = await self._users.set_status(sql, user_id, status, actor_id=actor_id)
            if status == "disabled":
                await store.revoke_sessions(
                    sql, user_id, keep=None, reason="disabled", at=ids.now()
                )
        return await self._users.out(user)

    async def end_session(self, caller: Caller, session_id: str) -> None:
        """Raises `NotFound`, also for a session of somebody else."""
        session = await store.session(self._db, session_id)
        if session is None or session.user_id != caller.user_id or not session.is_live(ids.now()):
            raise NotFound("session_unknown")
        await store.revoke_session(self._db, session_id, "ended", ids.now())

    async def end_session_of(self, user_id: str, session_id: str, *, actor_id: str) -> None:
        """End one session of a user, for an admin. Raises `NotFound`."""
        async with self._db.transaction() as sql:
            session = await store.session(sql, session_id)
            if (
                session is None
                or session.user_id != user_id
                or not await store.revoke_session(sql, session_id, "admin", ids.now())
            ):
                raise NotFound("session_unknown")
            after = {"client": session.client}
            await audit.record(
                sql, "user_session_end", actor_id=actor_id, subject=user_id, after=after
            )

    async def end_other_sessions(self, caller: Caller) -> None:
        await store.revoke_sessions(
            self._db, caller.user_id, keep=caller.session_id, reason="ended", at=ids.now()
        )

    async def change_profile(self, caller: Caller, body: ProfileIn) -> UserOut:
        """A new e-mail or password needs the current password, which is throttled like a login, and
        ends the other sessions.

        Raises `NotAllowed` (a bot may not), `InvalidRequest`, `Conflict` (e-mail taken),
        `RateLimited`.
        """
        is_credential = body.email is not None or body.new_password is not None
        key = f"password:{caller.user_id}"
        if is_credential:
            if caller.session_id is None:
                raise NotAllowed("sign_in_not_by_chat")
            await self._throttle.take(key, PER_ACCOUNT)
        if body.email is not None:
            await self._recovery.check_mailable(body.email)
        change = await self._users.check_change(caller.user_id, body)
        async with self._db.transaction() as sql:
            await self._users.save_change(sql, caller.user_id, change)
            if is_credential:
                await store.revoke_sessions(
                    sql, caller.user_id, keep=caller.session_id, reason="credentials", at=ids.now()
                )
                await devices.delete_of_user(sql, caller.user_id)
                await one_time_tokens.delete_of_user(sql, caller.user_id)
                await audit.record(
                    sql, "user_credentials", actor_id=caller.user_id, subject=caller.user_id
                )
        if is_credential:
            await self._throttle.forget(key)
        return await self._users.show(caller.user_id)

    async def erase(self, user_id: str) -> None:
        """Erase the user's sessions, tokens, known devices and counted tries."""
        user = await self._users.find(user_id)
        async with self._db.transaction() as sql:
            await store.delete_of_user(sql, user_id)
            await one_time_tokens.delete_of_user(sql, user_id)
            await devices.delete_of_user(sql, user_id)
            await throttle.forget_of_user(sql, user_id, user.email if user else None)

    async def purge(self) -> Purged:
        """Delete sessions that ended at least 30 days ago with their tokens, and one-time tokens
        and devices that are over."""
        async with self._db.transaction() as sql:
            sessions, tokens = await refresh_tokens.purge(
                sql, ended_before=ids.now() - KEPT_AFTER_END
            )
            return Purged(
                sessions,
                tokens,
                await one_time_tokens.purge(sql, ids.now()),
                await devices.purge(sql, ids.now()),
            )

    async def _signed_in(self, user: User, opened: Opened) -> TokensOut:
        return await self._tokens(user, opened.session_id, opened.refresh_token, opened.device)

    async def _tokens(
        self, user: User, session_id: str, refresh_token: str, device: str | None = None
    ) -> TokensOut:
        return TokensOut(
            access_token=self._signer.access(user.id, session_id),
            refresh_token=refresh_token,
            expires_in=int(ACCESS_LIFE.total_seconds()),
            user=await self._users.out(user),
            device_token=device,
        )

    async def _rotate(self, sql: Sql, presented: str, successor: str) -> Refresh | None:
        """Return the used token, or None when it cannot be used (any more)."""
        at, child = ids.now(), ids.digest(successor)
        seal, used_hash = refresh_tokens.seal(successor, presented), ids.digest(presented)
        used = await refresh_tokens.use(
            sql, used_hash, replaced_by=child, sealed_successor=seal, at=at
        )
        if used is None:
            return None
        await self._succeed(sql, used, child, at)
        if used.parent_hash is not None:
            await refresh_tokens.forget_successor(sql, used.parent_hash)
        return used

    async def _succeed(self, sql: Sql, token: Refresh, child: str, at: datetime) -> None:
        session = await store.touch_session(sql, token.session_id, at)
        if session is None:
            raise NotAuthenticated("session_ended")
        expires_at = min(at + REFRESH_IDLE, session.expires_at)
        await refresh_tokens.insert(
            sql, Refresh(child, token.session_id, token.user_id, token.token_hash, at, expires_at)
        )

    async def _again(
        self, presented: str, asked_at: datetime, successor: str
    ) -> tuple[Refresh, str]:
        """Return a token that was used before, and the successor that it gives once more, or
        `successor` in its place; or end its session."""
        found = await refresh_tokens.presented(self._db, ids.digest(presented), GRACE)
        token = found.token if found else None
        session = await store.session(self._db, token.session_id) if token else None
        if (
            found is None
            or token is None
            or session is None
            or token.used_at is None
            or not session.is_live(ids.now())
        ):
            raise NotAuthenticated("session_ended")
        if found.unused_until is None or token.sealed_successor is None:
            await self._end_stolen(token)
            raise NotAuthenticated("token_reused")
        if found.unused_until <= asked_at:
            raise NotAuthenticated("session_ended")
        log.info("refresh_grace", session=token.session_id)
        if found.again:
            return token, refresh_tokens.unseal(token.sealed_successor, presented)
        async with self._db.transaction() as sql:
            replaced = await self._replace(sql, presented, token, successor)
        # somebody else may have replaced it just now: then the grace has begun anew
        return (token, successor) if replaced else await self._again(presented, asked_at, successor)

    async def _replace(self, sql: Sql, presented: str, used: Refresh, successor: str) -> bool:
        """Give a token another successor. Whoever brings the one before ends the session: nobody
        has it unless the token is in two hands."""
        at, child = ids.now(), ids.digest(successor)
        if not await refresh_tokens.retire(sql, used.replaced_by or "", at):
            return False
        seal = refresh_tokens.seal(successor, presented)
        await refresh_tokens.exchange_again(
            sql, used.token_hash, replaced_by=child, sealed_successor=seal
        )
        await self._succeed(sql, used, child, at)
        return True

    async def _end_stolen(self, token: Refresh) -> None:
        log.warning("refresh_reuse", session=token.session_id, user=token.user_id)
        async with self._db.transaction() as sql:
            if await store.revoke_session(sql, token.session_id, "refresh_reuse", ids.now()):
                user_id, after = token.user_id, {"session": token.session_id}
                await audit.record(
                    sql, "refresh_reuse", actor_id=None, subject=user_id, after=after
                )


def _not_right() -> NotAuthenticated:
    return NotAuthenticated("credentials_wrong")
