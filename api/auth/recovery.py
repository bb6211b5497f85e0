"""One-time links: an invitation makes an account one's own, a reset gives it a new password.

An admin starts both and never sees a password. A link's secret is shown to the admin once and kept
as a hash; it works once, and a newer one takes its place. Every reason for which it does not work
gets the same answer.
"""

from datetime import datetime, timedelta

from api import ids
from api.auth import devices, one_time_tokens, store
from api.auth.one_time_tokens import Purpose
from api.auth.schemas import ADMIN_PASSWORD_MIN, PASSWORD_MIN, InviteeOut, RegisterIn, ResetIn
from api.auth.sessions import PER_ADDRESS, Client, Opened, open_session
from api.db import Db, Sql
from api.errors import Conflict, NotFound
from api.mail import Mailer
from api.users import audit
from api.users.schemas import InvitedOut, NewUserIn, SecretLinkOut
from api.users.service import UserService, normal
from api.users.store import User
from api.users.throttle import Throttle

INVITE_LIFE = timedelta(days=7)
RESET_LIFE = timedelta(hours=1)

_PATHS: dict[Purpose, str] = {"invite": "/register?invite=", "reset": "/reset?token="}
_SUBJECTS: dict[Purpose, str] = {
    "invite": "Your invitation to All You Can GET AI",
    "reset": "A new password for All You Can GET AI",
}
_TEXTS: dict[Purpose, str] = {
    "invite": "You are invited to All You Can GET AI. Choose a password here within 7 "
    "days:\n\n{link}\n",
    "reset": "Choose a new password for All You Can GET AI here within an hour:\n\n{link}\n\nIf "
    "you did not ask for it, tell your admin.\n",
}


class Recovery:
    """`public_url` is the web's address from outside; without it there is no link to send."""

    def __init__(self, db: Db, *, users: UserService, mail: Mailer, public_url: str | None) -> None:
        self._db = db
        self._users = users
        self._mail = mail
        self._public_url = public_url
        self._throttle = Throttle(db)

    async def invite(self, body: NewUserIn, *, actor_id: str) -> InvitedOut:
        """Make an account without a password, and the link to choose one. Raises `Conflict` (the
        e-mail has an account)."""
        user = self._users.new_invited(body.email, body.role, body.monthly_usd)
        token, at = ids.token(), ids.now()
        async with self._db.transaction() as sql:
            await self._users.add(sql, user)
            await one_time_tokens.issue(
                sql, ids.digest(token), "invite", user.id, at=at, expires_at=at + INVITE_LIFE
            )
            after = {"role": user.role, "monthly_micro": user.monthly_micro}
            await audit.record(sql, "user_invite", actor_id=actor_id, subject=user.id, after=after)
        return await self._invited(user, token, at)

    async def invite_again(self, user_id: str, *, actor_id: str) -> InvitedOut:
        """Make a new link in place of the old one. Raises `NotFound`, `Conflict` (taken up
        already)."""
        user = await self._users.existing(user_id)
        if not user.invited:
            raise Conflict("account_in_use")
        token, at = ids.token(), ids.now()
        async with self._db.transaction() as sql:
            await self._issue(sql, "invite", user, token, at, at + INVITE_LIFE)
            await audit.record(sql, "user_invite", actor_id=actor_id, subject=user.id)
        return await self._invited(user, token, at)

    async def invitee(self, invite: str, client: Client) -> InviteeOut:
        """Return the address that the invitation is for. Raises `NotFound`, `RateLimited`."""
        await self._throttle.take(f"one-time:{client.net}", PER_ADDRESS)
        user, expires_at = await self._holder(invite, "invite")
        least = ADMIN_PASSWORD_MIN if user.role == "admin" else PASSWORD_MIN
        return InviteeOut(
            email=user.email or "", role=user.role, password_min=least, expires_at=expires_at
        )

    async def accept(self, body: RegisterIn, client: Client) -> tuple[User, Opened]:
        """Take an invitation up and sign in. Raises `NotFound`, `RateLimited`, `InvalidRequest`
        (password)."""
        await self._throttle.take(f"one-time:{client.net}", PER_ADDRESS)
        invite = body.invite or ""
        user, _ = await self._holder(invite, "invite")
        if user.email != normal(body.email):
            raise NotFound("invitation_not_valid")
        hashed = await self._users.hash_for(user, body.password.get_secret_value())
        async with self._db.transaction() as sql:
            chosen = await self._use(sql, invite, "invite", user, hashed)
            await audit.record(
                sql, "user_accept", actor_id=user.id, subject=user.id, after={"ip": client.ip}
            )
            opened = await open_session(sql, user.id, client, is_new_device=True)
        return chosen, opened

    async def start_reset(self, user_id: str, *, actor_id: str) -> SecretLinkOut:
        """Make a reset link. The old password works until it is used. Raises `NotFound`, `Conflict`
        (nothing to reset)."""
        user = await self._users.existing(user_id)
        if user.password_hash is None or user.status != "active":
            raise Conflict("account_without_password")
        token, at = ids.token(), ids.now()
        async with self._db.transaction() as sql:
            await self._issue(sql, "reset", user, token, at, at + RESET_LIFE)
            await audit.record(sql, "password_reset_link", actor_id=actor_id, subject=user.id)
        link, mailed = await self._send("reset", user, token)
        return SecretLinkOut(token=token, link=link, expires_at=at + RESET_LIFE, mailed=mailed)

    async def reset(self, body: ResetIn, client: Client) -> None:
        """Set the password and end every session; signing in is the next step. Raises `NotFound`,
        `RateLimited`, `InvalidRequest`."""
        await self._throttle.take(f"one-time:{client.net}", PER_ADDRESS)
        user, _ = await self._holder(body.token, "reset")
        hashed = await self._users.hash_for(user, body.password.get_secret_value())
        async with self._db.transaction() as sql:
            await self._use(sql, body.token, "reset", user, hashed)
            await store.revoke_sessions(
                sql, user.id, keep=None, reason="password_reset", at=ids.now()
            )
            await devices.delete_of_user(sql, user.id)
            await audit.record(
                sql, "password_reset", actor_id=None, subject=user.id, after={"ip": client.ip}
            )
        await self._throttle.forget(f"login:{ids.digest(user.email or '')}")

    async def _issue(
        self, sql: Sql, purpose: Purpose, user: User, token: str, at: datetime, expires_at: datetime
    ) -> None:
        """Raises `Conflict` when the account went away meanwhile: no token may outlive its
        account."""
        if not await self._users.hold_active(sql, user.id):
            raise Conflict("account_is_disabled")
        await one_time_tokens.issue(
            sql, ids.digest(token), purpose, user.id, at=at, expires_at=expires_at
        )

    async def _holder(self, token: str, purpose: Purpose) -> tuple[User, datetime]:
        found = await one_time_tokens.good(self._db, ids.digest(token), purpose, ids.now())
        user = await self._users.find(found.user_id) if found else None
        is_right = user is not None and user.invited == (purpose == "invite")
        if found is None or user is None or user.status != "active" or not is_right:
            raise NotFound("invitation_not_valid" if purpose == "invite" else "reset_not_valid")
        return user, found.expires_at

    async def _use(self, sql: Sql, token: str, purpose: Purpose, user: User, hashed: str) -> User:
        """One caller ever gets past this; the transaction is lost for the others."""
        chosen = None
        if await one_time_tokens.use(sql, ids.digest(token), purpose, ids.now()):
            first = purpose == "invite"
            chosen = await self._users.choose_password(sql, user.id, hashed, first=first)
        if chosen is None:
            raise NotFound("invitation_not_valid" if purpose == "invite" else "reset_not_valid")
        return chosen

    async def _invited(self, user: User, token: str, at: datetime) -> InvitedOut:
        (link, mailed), out = await self._send("invite", user, token), await self._users.out(user)
        ends = at + INVITE_LIFE
        return InvitedOut(user=out, token=token, link=link, expires_at=ends, mailed=mailed)

    async def _send(self, purpose: Purpose, user: User, token: str) -> tuple[str | None, bool]:
        """Return the link, and whether it was mailed."""
        if self._public_url is None or user.email is None:
            return None, False
        link = f"{self._public_url}{_PATHS[purpose]}{token}"
        return link, await self._mail.send(
            user.email, _SUBJECTS[purpose], _TEXTS[purpose].format(link=link)
        )
