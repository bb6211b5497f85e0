"""Linking a chat identity to an account: the code is made on the web, used in a private chat, and
both sides say yes.

waiting --redeem--> redeemed --chat: yes--> redeemed, accepted --web: yes--> confirmed
   |                    +--chat: no--> burned
   +--used in public, or replaced by a newer code--> burned        any but confirmed, after 5
   minutes --> expired
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple, cast

from api import ids
from api.db import Db, Sql
from api.deliveries.outbox import DeliveryOutbox
from api.errors import Conflict, NotFound, RateLimited
from api.links import schemas, store
from api.links.store import Code, Link
from api.schemas import Platform
from api.users import audit, throttle
from api.users.service import UserService
from api.users.throttle import Limit, Throttle

CODE_LIFE = timedelta(minutes=5)
CODES_KEPT = timedelta(days=1)
SWEPT = timedelta(days=1)
STARTS = Limit(20, timedelta(hours=1), timedelta(minutes=5), timedelta(hours=1), "codes_too_many")
REPORTS = Limit(1, timedelta(hours=1), timedelta(hours=1), timedelta(hours=1), "reported_already")
WRONG_CODES = Limit(
    5, timedelta(minutes=10), timedelta(minutes=10), timedelta(minutes=10), "codes_wrong_too_often"
)


class PrivateChat(NamedTuple):
    """The chat in which an identity was linked."""

    platform_user_id: str
    chat_id: str
    name: str


class LinkService:
    def __init__(self, db: Db, users: UserService, outbox: DeliveryOutbox) -> None:
        self._db = db
        self._users = users
        self._outbox = outbox
        self._throttle = Throttle(db)

    async def owner(self, platform: str, platform_user_id: str) -> str | None:
        """Return the id of the user that the identity belongs to. One read by key: it runs on every
        call of a bot."""
        link = await store.link(self._db, platform, platform_user_id)
        return link.user_id if link else None

    async def links(self, user_id: str) -> list[schemas.LinkOut]:
        return [
            schemas.LinkOut.model_validate(link) for link in await store.links_of(self._db, user_id)
        ]

    async def chats(self, user_id: str, platform: str) -> list[PrivateChat]:
        """Return the linked private chats, the newest first."""
        found = await store.links_of(self._db, user_id)
        return [
            PrivateChat(one.platform_user_id, one.chat_id, one.display_name)
            for one in reversed(found)
            if one.platform == platform
        ]

    async def start(self, user_id: str, platform: Platform) -> schemas.CodeOut:
        """Make a new code; an older one for the same platform is burned. Raises `RateLimited`."""
        secret, at = ids.token(128), ids.now()
        code = Code(ids.new_id(), user_id, platform, at, at + CODE_LIFE)
        async with self._db.transaction() as sql:
            # this row is held until the end: two starts at once cannot leave two codes alive
            blocked = await throttle.take(sql, f"link-start:{user_id}", STARTS)
            if blocked is None:
                await store.burn_open_codes(sql, user_id, platform, at)
                await store.insert_code(sql, code, ids.digest(secret))
        if blocked is not None:
            raise RateLimited(STARTS.reason, retry_after=max(1.0, (blocked - at).total_seconds()))
        template = await store.link_template(self._db, platform)
        return schemas.CodeOut(
            id=code.id,
            code=secret,
            deep_link=template.replace("{code}", secret) if template else None,
            expires_at=code.expires_at,
        )

    async def state(self, user_id: str, code_id: str) -> schemas.CodeStateOut:
        """Raises `NotFound`, also for a code of somebody else."""
        code = await store.code(self._db, code_id)
        if code is None or code.user_id != user_id:
            raise NotFound("code_unknown")
        return _shown(code)

    async def redeem(self, platform: Platform, body: schemas.RedeemIn) -> schemas.RedeemOut:
        """Take a code in a chat, the chat's first step. Raises `NotFound` (one text for every
        reason), `RateLimited`, `Conflict` (identity linked already)."""
        code_hash = ids.digest(body.code)
        if not body.private:
            # the same answer whether or not there is such a code
            await store.burn_unredeemed(self._db, code_hash, platform, ids.now())
            return schemas.RedeemOut(state="burned")
        sender = f"redeem:{platform}:{body.platform_user_id}"
        await self._throttle.take(sender, WRONG_CODES)
        await self._refuse_linked(platform, body)
        code = await store.redeem(self._db, code_hash, platform, body, ids.now())
        if code is None:
            raise NotFound("code_not_valid")
        await self._throttle.give_back(sender)
        return schemas.RedeemOut(
            state="redeemed", code_id=code.id, account_hint=await self._hint(code.user_id)
        )

    async def answer(self, platform: Platform, body: schemas.AnswerIn) -> schemas.RedeemOut:
        """Take the chat's yes or no. Raises `NotFound` when this sender has no such open code."""
        answered = (body.code_id, platform, body.platform_user_id, ids.now())
        code = await store.answer(self._db, *answered, accepted=body.accept)
        if code is None:
            raise NotFound("code_not_valid")
        return schemas.RedeemOut(
            state=_state(code), code_id=code.id, account_hint=await self._hint(code.user_id)
        )

    async def confirm(self, user_id: str, code_id: str) -> schemas.CodeStateOut:
        """Take the web's yes, and make the link. Raises `NotFound`, and `Conflict` when the chat
        has not said yes, when it is too late, or when the identity got linked elsewhere meanwhile;
        then the code is burned and the chat is told."""
        async with self._db.transaction() as sql:
            code = await store.confirm(sql, code_id, user_id, ids.now())
            # an account that is being deleted gets no link any more
            if code is not None and not await self._users.hold_active(sql, user_id):
                raise NotFound("code_unknown")
            linked = code is not None and await self._link(sql, code)
        if code is None:
            return await self._already_confirmed(user_id, code_id)
        self._outbox.ring(code.platform)
        if not linked:
            raise Conflict("chat_of_other_account")
        return _shown(code)

    async def unlink(
        self, user_id: str, platform: str, platform_user_id: str, *, from_chat: str | None = None
    ) -> None:
        """Unlink an identity; act tokens for it stop working. The chat is told, and the account's
        other chats, except `from_chat`, which asked and gets the answer. Raises `NotFound`,
        `Conflict` (a guest is nothing but its chat)."""
        user = await self._users.find(user_id)
        if user is not None and user.guest:
            raise Conflict("guest_of_chat")
        async with self._db.transaction() as sql:
            gone = await store.delete_link(sql, platform, platform_user_id, user_id)
            if gone is None:
                raise NotFound("link_unknown")
            before = _identity(platform, platform_user_id)
            await audit.record(sql, "unlink", actor_id=user_id, subject=user_id, before=before)
            if gone.chat_id != from_chat:
                hint = await self._hint(user_id, sql)
                facts, chat_id = {"account_hint": hint}, gone.chat_id
                await self._outbox.notify(
                    sql, platform=platform, chat_id=chat_id, code="unlinked", facts=facts
                )
            rung = {
                platform,
                *await self._tell_chats(
                    sql, user_id, "chat_unlinked", _about(gone.platform, gone.display_name)
                ),
            }
        self.ring_all(rung)

    async def guest(
        self,
        platform: Platform,
        platform_user_id: str,
        *,
        display_name: str,
        chat_id: str,
        let_in_by: str | None = None,
    ) -> str:
        """Return the id of the user of this identity, which gets a guest account when it has none.

        Who was a guest before a link that is gone is the same guest again: unlinking gives nobody a
        new budget. `let_in_by`: the place that takes guests, where the server takes none.
        """
        guest = self._users.new_guest(display_name, let_in_by)
        made = Link(platform, platform_user_id, guest.id, display_name, chat_id, guest.created_at)
        async with self._db.transaction() as sql:
            if await store.insert_link(sql, made):
                before = await store.guest_before(sql, platform, platform_user_id)
                if before is not None and await self._users.revive_guest(sql, before):
                    await store.take_over(sql, replace(made, user_id=before), guest.id)
                else:
                    await self._users.add(sql, guest)
        owner = await self.owner(platform, platform_user_id)
        if owner is None:
            raise Conflict("chat_unlinked_just_now")
        return owner

    async def report(self, user_id: str, *, code: str, short_id: str = "") -> schemas.ReportedOut:
        """Tell each chat of each admin. The same report is told once an hour."""
        admins, names = await self._users.admins(), await self._users.names({user_id})
        chats = [link for admin in admins for link in await store.links_of(self._db, admin)]
        facts = {"name": names.get(user_id, "?"), "reason": code, "short_id": short_id}
        rung: set[str] = set()
        async with self._db.transaction() as sql:
            if await throttle.take(sql, f"report:{user_id}:{code}", REPORTS) is None:
                rung = await self.tell_admins(sql, "report", facts)
                after = {"reason": code, "short_id": short_id}
                await audit.record(sql, "report", actor_id=user_id, subject=user_id, after=after)
        self.ring_all(rung)
        return schemas.ReportedOut(chats=len(chats))

    async def save_profile(self, platform: Platform, body: schemas.BotProfileIn) -> None:
        await store.save_bot(self._db, platform, body.name, body.link_template, ids.now())

    async def purge(self) -> int:
        """Delete codes that ended at least a day ago, and return their number."""
        return await store.purge_codes(self._db, ids.now() - CODES_KEPT)

    async def sweep(self) -> None:
        """Move once more the results of guests whose chats were linked lately: a request that was
        under way then may have written afterwards."""
        async with self._db.transaction() as sql:
            for guest_id, user_id in await store.moved_guests(sql, ids.now() - SWEPT):
                if await self._users.hold_active(sql, user_id):
                    await store.move_things(sql, guest_id, user_id)

    async def guests_of(self, user_id: str) -> Sequence[str]:
        """Return the guests that the user was in chats before."""
        return await store.guests_of(self._db, user_id)

    async def erase(self, user_id: str) -> None:
        """Delete links and codes of the user."""
        async with self._db.transaction() as sql:
            await store.delete_of_user(sql, user_id)

    async def _refuse_linked(self, platform: Platform, body: schemas.RedeemIn) -> None:
        """Refuse an identity that belongs to a person. Its owner is told that somebody tried, if
        the code was a good one."""
        owner = await self.owner(platform, body.platform_user_id)
        user = await self._users.find(owner) if owner is not None else None
        if user is None or user.guest:
            return
        code = await store.open_code(self._db, ids.digest(body.code), platform, ids.now())
        if code is not None and code.user_id != user.id:
            async with self._db.transaction() as sql:
                facts = _about(platform, body.display_name) | {
                    "account_hint": await self._hint(code.user_id, sql)
                }
                told = await self._tell_chats(sql, user.id, "link_refused", facts)
                after, actor_id = _identity(platform, body.platform_user_id), code.user_id
                await audit.record(
                    sql, "link_refused", actor_id=actor_id, subject=user.id, after=after
                )
            self.ring_all(told)
        raise Conflict("chat_linked_already")

    async def tell_admins(self, sql: Sql, code: str, facts: Mapping[str, str]) -> set[str]:
        """Write a notice to each chat of each admin, and return the platforms to ring after the
        commit."""
        rung: set[str] = set()
        for admin in await self._users.admins():
            rung |= await self._tell_chats(sql, admin, code, facts)
        return rung

    async def _tell_chats(
        self, sql: Sql, user_id: str, code: str, facts: Mapping[str, str]
    ) -> set[str]:
        """Write a notice to each chat of the account, and return the platforms to ring after the
        commit."""
        told = await store.links_of(sql, user_id)
        for link in told:
            await self._outbox.notify(
                sql,
                platform=link.platform,
                chat_id=link.chat_id,
                code=code,
                facts=facts,
                user_id=user_id,
            )
        return {link.platform for link in told}

    def ring_all(self, platforms: set[str]) -> None:
        """Let the bots of these platforms look, after the commit."""
        for platform in platforms:
            self._outbox.ring(platform)

    async def _link(self, sql: Sql, code: Code) -> bool:
        """Write the link and its notice; False, with the code burned, when the identity belongs to
        another account."""
        at = ids.now()
        platform, identity, chat_id = cast(
            tuple[str, str, str], (code.platform, code.platform_user_id, code.chat_id)
        )
        link = Link(platform, identity, code.user_id, code.display_name or "", chat_id, at)
        if not await store.insert_link(sql, link) and not await self._from_guest(sql, link):
            await store.unconfirm(sql, code.id, at)
            await self._outbox.notify(
                sql, platform=platform, chat_id=chat_id, code="link_conflict", facts={}
            )
            return False
        user_id, after = code.user_id, _identity(platform, identity)
        await audit.record(sql, "link", actor_id=user_id, subject=user_id, after=after)
        hint = await self._hint(user_id, sql)
        await self._outbox.notify(
            sql, platform=platform, chat_id=chat_id, code="linked", facts={"account_hint": hint}
        )
        return True

    async def _from_guest(self, sql: Sql, link: Link) -> bool:
        """Take the identity over when a guest has it, with all that the guest made (or when the
        account itself has it already)."""
        present = await store.link(sql, link.platform, link.platform_user_id)
        if present is None:
            return False
        if present.user_id != link.user_id:
            if not await self._users.retire_guest(sql, present.user_id):
                return False
            await store.move_things(sql, present.user_id, link.user_id)
            await store.note_move(sql, present.user_id, link)
        return await store.take_over(sql, link, present.user_id)

    async def _already_confirmed(self, user_id: str, code_id: str) -> schemas.CodeStateOut:
        """Confirming twice is fine; anything else is said in words."""
        shown = await self.state(user_id, code_id)
        if shown.state == "confirmed":
            return shown
        if shown.state == "redeemed" and not shown.chat_accepted:
            raise Conflict("code_not_redeemed")
        raise Conflict("code_not_confirmed")

    async def _hint(self, user_id: str, sql: Sql | None = None) -> str:
        user = await self._users.find(user_id, sql)
        return masked(user.email) if user and user.email else "***"


def masked(email: str) -> str:
    """`al***@example.org`: enough for its owner to know it."""
    name, _, host = email.partition("@")
    return f"{name[: min(2, len(name) - 1)]}***@{host}"


def _about(platform: str, name: str) -> dict[str, str]:
    return {"platform": platform, "name": name}


def _identity(platform: str, platform_user_id: str) -> dict[str, str]:
    return {"platform": platform, "platform_user_id": platform_user_id}


def _state(code: Code, at: datetime | None = None) -> schemas.LinkState:
    if code.confirmed_at is not None:
        return "confirmed"
    if code.burned_at is not None:
        return "burned"
    if code.expires_at <= (at or ids.now()):
        return "expired"
    return "waiting" if code.redeemed_at is None else "redeemed"


def _shown(code: Code) -> schemas.CodeStateOut:
    return schemas.CodeStateOut(
        id=code.id,
        platform=cast(Platform, code.platform),
        state=_state(code),
        chat_accepted=code.accepted_at is not None,
        platform_user_id=code.platform_user_id,
        display_name=code.display_name,
        expires_at=code.expires_at,
    )
