"""One-time links: an invitation makes an account one's own, a reset gives it a new password.

An admin starts both and never sees a password; where mail is set up, people can ask for a reset
themselves. A link's secret is shown to the admin once and kept as a hash; it works once, and an
admin's newer one takes its place. Every reason for which it does not work gets the same answer.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Protocol

from api import ids
from api.auth import devices, one_time_tokens, store
from api.auth.one_time_tokens import Purpose
from api.auth.schemas import (
    ADMIN_PASSWORD_MIN,
    PASSWORD_MIN,
    ForgotIn,
    InviteeOut,
    RegisterIn,
    ResetIn,
)
from api.auth.sessions import PER_ADDRESS, Client, Opened, open_session
from api.background import Background
from api.db import Db, Sql
from api.errors import Conflict, InvalidRequest, NotFound
from api.letters import Occasion, letter
from api.mail import ANSWER_WITHIN, Mailer
from api.users import audit
from api.users.schemas import InvitedOut, Language, NewUserIn, SecretLinkOut
from api.users.service import UserService, normal
from api.users.store import User
from api.users.throttle import Limit, Throttle

INVITE_LIFE = timedelta(days=7)
RESET_LIFE = timedelta(hours=1)

_PATHS: dict[Purpose, str] = {"invite": "/register?invite=", "reset": "/reset?token="}

FORGOT_FROM = Limit(
    10, timedelta(hours=1), timedelta(minutes=10), timedelta(hours=1), "tries_too_many"
)
FORGOT_FOR = Limit(
    3, timedelta(hours=1), timedelta(minutes=15), timedelta(hours=1), "tries_too_many"
)
FORGOT_IN_A_DAY = Limit(
    5, timedelta(days=1), timedelta(days=1), timedelta(days=1), "tries_too_many"
)
AGAIN_AFTER = (5.0, 30.0, 120.0)
"""Seconds after which a mail that was asked for on the web is tried again."""


class MailCount(Protocol):
    """The count of mails that were asked for on the web, by their end: `sent`, `failed`, `over`
    (the link was good no longer) or `no_account`."""

    def password_mail(self, end: str) -> None: ...


class Recovery:
    """`public_url` is the web's address from outside; without it there is no link to send."""

    def __init__(
        self,
        db: Db,
        *,
        users: UserService,
        mail: Mailer,
        background: Background,
        count: MailCount,
        public_url: str | None,
    ) -> None:
        self._db = db
        self._users = users
        self._mail = mail
        self._background = background
        self._count = count
        self._mailing: set[asyncio.Task[None]] = set()
        self._public_url = public_url
        self._throttle = Throttle(db)

    @property
    def mails(self) -> bool:
        """Tell whether links can be mailed."""
        return self._mail.is_on and self._public_url is not None

    async def check_mailable(self, email: str) -> None:
        """Raises `InvalidRequest` for an address that our mail server cannot send to."""
        if not await self._mail.takes(email):
            raise InvalidRequest("address_not_mailable", field="email")

    async def invite(self, body: NewUserIn, *, actor_id: str) -> InvitedOut:
        """Make an account without a password, and the link to choose one. Raises `Conflict` (the
        e-mail has an account), `InvalidRequest` (no mail gets there)."""
        await self.check_mailable(body.email)
        user = self._users.new_invited(body.email, body.role, body.monthly_usd)
        token, at = ids.token(), ids.now()
        async with self._db.transaction() as sql:
            await self._users.add(sql, user)
            await one_time_tokens.issue(
                sql, ids.digest(token), "invite", user.id, at=at, expires_at=at + INVITE_LIFE
            )
            after = {"role": user.role, "monthly_micro": user.monthly_micro}
            await audit.record(sql, "user_invite", actor_id=actor_id, subject=user.id, after=after)
        return await self._invited(user, token, at, actor_id)

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
        return await self._invited(user, token, at, actor_id)

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
        link = self._link("reset", token)
        mailed = await self._send("reset", user, link, await self._speaks(actor_id))
        return SecretLinkOut(token=token, link=link, expires_at=at + RESET_LIFE, mailed=mailed)

    async def forgot(self, body: ForgotIn, client: Client) -> None:
        """Mail a reset link to whoever has this address. Answer and time are the same for every
        address: everything that depends on it happens afterwards. Raises `NotFound` (nothing can be
        mailed), `RateLimited`."""
        if not self.mails:
            raise NotFound("mail_off")
        email = normal(body.email)
        await self._throttle.take(f"forgot-from:{client.net}", FORGOT_FROM)
        address = ids.digest(email)
        await self._throttle.take(f"forgot:{address}", FORGOT_FOR)
        await self._throttle.take(f"forgot-day:{address}", FORGOT_IN_A_DAY)
        work = self._mail_forgot(email, body.language, client)
        task = self._background.once("password-mail", work, told=False)
        self._mailing.add(task)
        task.add_done_callback(self._mailing.discard)

    async def close(self) -> None:
        """Give mails that are under way their time, and let go of those that wait for a server."""
        if self._mailing:
            await asyncio.wait(self._mailing, timeout=ANSWER_WITHIN)
        for task in self._mailing:
            task.cancel()
        await asyncio.gather(*self._mailing, return_exceptions=True)

    async def _mail_forgot(self, email: str, language: Language, client: Client) -> None:
        """Links that were mailed before stay good: a stranger who asks for new ones takes nothing
        from the owner. An address without an account leaves no row: strangers would fill the audit
        log."""
        user = await self._users.find_by_email(email)
        if user is None or user.password_hash is None or user.status != "active":
            self._count.password_mail("no_account")
            return
        token, at = ids.token(), ids.now()
        async with self._db.transaction() as sql:
            if not await self._users.hold_active(sql, user.id):
                self._count.password_mail("no_account")
                return
            await one_time_tokens.issue_another(
                sql, ids.digest(token), "reset", user.id, at=at, expires_at=at + RESET_LIFE
            )
            after: audit.Facts = {"ip": client.ip}
            await audit.record(sql, "password_forgot", actor_id=None, subject=user.id, after=after)
        for pause in (*AGAIN_AFTER, None):
            if not await self._leads_to(user, token):
                self._count.password_mail("over")
                return
            if await self._send("forgot", user, self._link("reset", token), language):
                self._count.password_mail("sent")
                return
            if pause is not None:
                await asyncio.sleep(pause)
        self._count.password_mail("failed")
        raise MailNotSent

    async def _leads_to(self, user: User, token: str) -> bool:
        """Tell whether a reset link is still good and its person still has the same address."""
        try:
            holder, _ = await self._holder(token, "reset")
        except NotFound:
            return False
        return holder.email == user.email

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
            await one_time_tokens.delete_of_user(sql, user.id, purpose)
        if chosen is None:
            raise NotFound("invitation_not_valid" if purpose == "invite" else "reset_not_valid")
        return chosen

    async def _invited(self, user: User, token: str, at: datetime, actor_id: str) -> InvitedOut:
        link = self._link("invite", token)
        mailed = await self._send("invite", user, link, await self._speaks(actor_id))
        ends, out = at + INVITE_LIFE, await self._users.out(user)
        return InvitedOut(user=out, token=token, link=link, expires_at=ends, mailed=mailed)

    def _link(self, purpose: Purpose, token: str) -> str | None:
        return f"{self._public_url}{_PATHS[purpose]}{token}" if self._public_url else None

    async def _speaks(self, user_id: str) -> str:
        actor = await self._users.find(user_id)
        return actor.speaks if actor else "en"

    async def _send(self, occasion: Occasion, user: User, link: str | None, asker: str) -> bool:
        """Tell whether the link was mailed. The mail is in the person's language where it is known,
        else in that of whoever asked for it."""
        if link is None or user.email is None:
            return False
        language = user.speaks if user.knows_language else asker
        return await self._mail.send(user.email, letter(occasion, language, link))


class MailNotSent(OSError):
    """The mail server could not be reached, or refused. `mail_failed` in the log says why."""

    def __init__(self) -> None:
        super().__init__("a mail with a reset link could not be sent")
