"""Requests to be let in: a person in a chat asks, an admin decides, the person is told.

A request belongs to the chat identity that made it, so an approval can only make an account for
that identity, never touch another one.
"""

from datetime import timedelta
from typing import cast

from api import ids
from api.callers import Caller
from api.db import Db
from api.deliveries.outbox import DeliveryOutbox
from api.errors import NotAllowed, NotFound, RateLimited
from api.joins import schemas, store
from api.joins.store import Join
from api.links.service import LinkService
from api.schemas import Platform
from api.users import audit, throttle
from api.users.service import UserService
from api.users.throttle import Limit

AGAIN_AFTER = timedelta(days=30)
"""A declined request is final for so long."""
KEPT = timedelta(days=90)
PURGED_EVERY = 3600.0
SHOWN = 50
HOUR = timedelta(hours=1)
ALL = Limit(20, HOUR, HOUR, HOUR, "joins_too_many")
"""Requests of all strangers together: the admins hear of each."""


class JoinService:
    def __init__(
        self, db: Db, users: UserService, links: LinkService, outbox: DeliveryOutbox
    ) -> None:
        self._db = db
        self._users = users
        self._links = links
        self._outbox = outbox

    async def ask(self, platform: Platform, body: schemas.JoinIn) -> schemas.JoinedOut:
        """Open a request and tell the admins, once. Raises `RateLimited`."""
        owner = await self._links.owner(platform, body.platform_user_id)
        user = None if owner is None else await self._users.find(owner)
        if user is not None and user.guest_place_id is None:
            return schemas.JoinedOut(state="approved", new=False)
        now = ids.now()
        join = Join(
            platform,
            body.platform_user_id,
            ids.new_id(),
            body.name,
            body.chat_id,
            body.place,
            body.language,
            "waiting",
            now,
        )
        rung: set[str] = set()
        async with self._db.transaction() as sql:
            is_new = await store.open_request(sql, join, now - AGAIN_AFTER)
            blocked = await throttle.take(sql, "joins", ALL) if is_new else None
            if blocked is not None:
                raise RateLimited(ALL.reason, retry_after=max(1.0, (blocked - now).total_seconds()))
            if is_new:
                facts = {"id": join.id, "name": join.name or "?", "platform": platform}
                rung = await self._links.tell_admins(
                    sql, "join_asked", facts | {"place": join.place}
                )
        self._links.ring_all(rung)
        found = await store.of_identity(self._db, platform, body.platform_user_id)
        state = "waiting" if found is None else cast(schemas.JoinState, found.state)
        return schemas.JoinedOut(state=state, new=is_new)

    async def decide_in_chat(self, caller: Caller, join_id: str, *, approve: bool) -> str:
        """Decide for an admin in a private chat of theirs. Raises `NotAllowed`, `NotFound`."""
        standing = await self._users.standing(caller.user_id)
        chats = await self._links.chats(caller.user_id, caller.platform or "")
        here = (caller.platform_user_id, caller.chat_id)
        is_own = caller.place_id is None and here in [
            (one.platform_user_id, one.chat_id) for one in chats
        ]
        if standing is None or standing.role != "admin" or not is_own:
            raise NotAllowed("admins_only")
        return await self.decide(join_id, approve=approve, actor_id=caller.user_id)

    async def decide(self, join_id: str, *, approve: bool, actor_id: str) -> str:
        """Decide a request, and return the person's name. Raises `NotFound` when it is decided
        already."""
        state = "approved" if approve else "declined"
        async with self._db.transaction() as sql:
            join = await store.decide(sql, join_id, state, actor_id, ids.now())
            if join is None:
                raise NotFound("join_unknown")
            facts = {"platform": join.platform, "name": join.name, "place": join.place}
            await audit.record(
                sql, f"join_{state}", actor_id=actor_id, subject=join.id, after=facts
            )
        if approve:
            await self._let_in(join)
        async with self._db.transaction() as sql:
            told = {"name": join.name, "language": join.language or ""}
            await self._outbox.notify(
                sql, platform=join.platform, chat_id=join.chat_id, code=f"join_{state}", facts=told
            )
        self._outbox.ring(join.platform)
        return join.name

    async def _let_in(self, join: Join) -> None:
        """Make the account of the identity, or free the one that a place made for it."""
        user_id = await self._links.guest(
            cast(Platform, join.platform),
            join.platform_user_id,
            display_name=join.name,
            chat_id=join.chat_id,
        )
        await self._users.free_guest(user_id)

    async def shown(self) -> schemas.JoinsOut:
        waiting = await store.waiting(self._db, SHOWN)
        decided = await store.decided(self._db, SHOWN)
        names = await self._users.names({one.decided_by for one in decided if one.decided_by})

        def out(one: Join) -> schemas.JoinOut:
            by = None if one.decided_by is None else names.get(one.decided_by)
            return schemas.JoinOut(
                id=one.id,
                platform=cast(Platform, one.platform),
                platform_user_id=one.platform_user_id,
                name=one.name,
                place=one.place,
                state=cast(schemas.JoinState, one.state),
                created_at=one.created_at,
                decided_at=one.decided_at,
                decided_by=by,
            )

        return schemas.JoinsOut(waiting=list(map(out, waiting)), decided=list(map(out, decided)))

    async def keep_purged(self) -> float:
        await store.purge(self._db, ids.now() - KEPT)
        return PURGED_EVERY

    async def erase(self, user_id: str) -> None:
        """Delete the requests of the account's chats, while its links are there."""
        await store.forget(self._db, user_id)
