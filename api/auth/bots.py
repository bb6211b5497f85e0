"""Bots' credentials: their rotation, and the short tokens with which a bot acts for a linked
user."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Literal, cast

from api import ids
from api.admin.schemas import BotCredentialOut, RotatedOut
from api.auth import store
from api.auth.bearers import GONE_AFTER
from api.auth.store import Credential
from api.auth.tokens import ACT_LIFE, TokenSigner
from api.db import Db, Sql, marks
from api.errors import NotAllowed, NotFound, NotLinked
from api.links.schemas import ActIn, ActOut
from api.links.service import LinkService
from api.places.service import PlaceService
from api.schemas import Platform
from api.users import audit
from api.users.service import UserService

VALID_AT_ONCE = 2
"""The number of a platform's newest keys that work, so that a bot with the older one works on until
it gets the newer one."""


NewKey = Callable[[Platform], str]
"""Makes a key and keeps it for the bots of this machine, which take it at their next start."""


class BotService:
    def __init__(
        self,
        db: Db,
        signer: TokenSigner,
        users: UserService,
        links: LinkService,
        places: PlaceService,
        *,
        chat_signup: Literal["link", "open"],
        new_key: NewKey,
    ) -> None:
        self._new_key = new_key
        self._db = db
        self._signer = signer
        self._users = users
        self._links = links
        self._places = places
        self._chat_signup = chat_signup

    async def adopt_keys(self, keys: Mapping[str, str]) -> None:
        """Take over the credentials that were made for the platforms of this machine. Those known
        already stay as they are; a new one counts as a rotation."""
        for platform, key in keys.items():
            async with self._db.transaction() as sql:
                await self._add(sql, platform, key)

    async def rotate(self, platform: Platform, *, actor_id: str) -> RotatedOut:
        """Make a new key, which is shown this once. The one before works on until it is revoked or
        the next rotation."""
        key = await asyncio.to_thread(self._new_key, platform)
        async with self._db.transaction() as sql:
            made = await self._add(sql, platform, key)
            after = {"platform": platform, "credential": made.id}
            await audit.record(
                sql, "bot_key_rotate", actor_id=actor_id, subject=made.id, after=after
            )
        return RotatedOut(id=made.id, platform=platform, key=key, created_at=made.created_at)

    async def connected(self) -> list[Platform]:
        """Return the platforms whose bot has asked for its deliveries lately."""
        since = ids.now() - GONE_AFTER
        found = await store.credentials(self._db)
        seen = {
            one.platform
            for one in found
            if one.revoked_at is None and one.last_seen_at is not None and one.last_seen_at > since
        }
        return [cast(Platform, platform) for platform in sorted(seen)]

    async def credentials(self) -> list[BotCredentialOut]:
        """Newest first."""
        found = await store.credentials(self._db)
        newest = {one.platform: one.id for one in reversed(found) if one.revoked_at is None}
        return [
            BotCredentialOut(
                id=one.id,
                platform=cast(Platform, one.platform),
                created_at=one.created_at,
                last_seen_at=one.last_seen_at,
                revoked_at=one.revoked_at,
                newest=newest.get(one.platform) == one.id,
            )
            for one in found
        ]

    async def revoke(self, credential_id: str, *, actor_id: str) -> None:
        """Refuse the key from the next call on. Raises `NotFound`."""
        async with self._db.transaction() as sql:
            revoked = await store.revoke_credential(sql, credential_id, ids.now())
            if revoked is None:
                raise NotFound("bot_credential_unknown")
            before, subject = {"platform": revoked.platform}, revoked.id
            await audit.record(
                sql, "bot_key_revoke", actor_id=actor_id, subject=subject, before=before
            )

    async def act(self, platform: Platform, body: ActIn) -> ActOut:
        """Raises `NotLinked`, `NotAllowed` (account disabled)."""
        user_id = await self._links.owner(platform, body.platform_user_id)
        place = None if body.place is None else await self._places.known(platform, body.place)
        takes_guests = self._places.takes_guests(place)
        new_guest = user_id is None and takes_guests
        if new_guest:
            name, chat_id = body.display_name, body.chat_id
            # a guest of a place that the server would not take is one in such places alone
            let_in = None if place is None or self._chat_signup == "open" else place.id
            user_id = await self._links.guest(
                platform,
                body.platform_user_id,
                display_name=name,
                chat_id=chat_id,
                let_in_by=let_in,
            )
        if user_id is None:
            raise NotLinked("chat_not_linked")
        user = await self._users.find(user_id)
        if user is None or user.status != "active":
            raise NotAllowed("account_disabled")
        if user.guest_place_id is not None and not takes_guests:
            raise NotLinked("chat_not_linked")
        await self._users.hear_language(user, body.language)
        token = self._signer.act(
            user_id,
            platform=platform,
            platform_user_id=body.platform_user_id,
            chat_id=body.chat_id,
            place_id=None if place is None else place.id,
        )
        chosen = None if user.language == "auto" else user.language
        return ActOut(
            access_token=token,
            expires_in=int(ACT_LIFE.total_seconds()),
            user_id=user_id,
            language=chosen,
            new_guest=new_guest,
            place_id=None if place is None else place.id,
        )

    async def _add(self, sql: Sql, platform: str, key: str) -> Credential:
        """Add a key that is not known yet, and revoke all of its platform's keys except the newest
        two."""
        at = ids.now()
        # other changes of the platform's keys wait until this transaction ends
        await marks.touch(sql, f"bot-keys:{platform}", at)
        made = Credential(ids.new_id(), platform, at)
        if await store.add_credential(sql, made, ids.digest(key)):
            valid = [
                one for one in await store.credentials(sql, platform) if one.revoked_at is None
            ]
            for old in valid[VALID_AT_ONCE:]:
                await store.revoke_credential(sql, old.id, at)
        return made
