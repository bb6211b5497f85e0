"""The outbox's way to the chats: rows are leased to a platform's bot until it says that they were
shown, or their owner finds them elsewhere."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

from structlog import get_logger

from api.db import Db
from api.deliveries import fallback, store
from api.deliveries.outbox import TOPIC, DeliveryOutbox
from api.deliveries.owners import Owner, Owners
from api.deliveries.schemas import (
    AckIn,
    AddressOut,
    BeginIn,
    DeliveryOut,
    Event,
    FailIn,
    FileRef,
    GenerationCompleted,
    GenerationFailed,
    Notice,
)
from api.deliveries.store import Delivery
from api.errors import Conflict, NotFound
from api.generations.schemas import GenerationOut
from api.ids import now, token
from api.links.service import PrivateChat
from api.places.rules import is_quiet
from api.places.service import PlaceService
from api.places.store import KnownPlace
from api.wake import Wake

log = get_logger("deliveries")

LEASE = timedelta(seconds=60)
LOOK_EVERY = 10.0
LOOK_EVERY_UNHEARD = 1.0
"""While rings of other processes, which may have written a row, are not heard here."""
PER_LANE = 3
"""Rows of one chat that are leased at a time: a chat with many must not fill a bot's hands."""
EXPIRE_EVERY = 60.0


@dataclass(frozen=True, slots=True)
class About:
    """A generation as its owner sees it, whose it is, and the chat message that is its waiting
    card."""

    generation: GenerationOut
    user_id: str
    platform: str | None = None
    chat_id: str | None = None
    card_message_id: str | None = None


Render = Callable[[Sequence[str]], Awaitable[Mapping[str, About]]]


class DeliveryService:
    """`render` gives the generations that claimed rows are about, with fresh media links."""

    def __init__(
        self,
        db: Db,
        wake: Wake,
        outbox: DeliveryOutbox,
        render: Render,
        owners: Owners,
        places: PlaceService,
    ) -> None:
        self._db = db
        self._wake = wake
        self.outbox = outbox
        self._render = render
        self._owners = owners
        self._places = places

    async def start(self) -> None:
        """Free the leases of the embedded engine, whose one api was away. A bot that is showing it
        right now claims it again and knows it."""
        if self._db.engine == "duckdb":
            await store.free_leases(self._db, now())

    async def claim(
        self,
        platform: str,
        wait: float,
        limit: int,
        gone: Callable[[], Awaitable[bool]],
        process: str | None = None,
    ) -> list[DeliveryOut]:
        """Return leased rows, as soon as there are any, or none after `wait` seconds. `gone` tells
        that the bot has hung up: nothing is claimed for it then. `process` is the bot's."""
        until = now() + timedelta(seconds=wait)
        with self._wake.listen(f"{TOPIC}:{platform}") as listener:
            while not self._wake.closed and not await gone():
                due = await store.next_due(self._db, platform, now(), PER_LANE)
                if due is not None and due <= now():
                    found = await self._out(await self._lease(platform, limit, process))
                    if found:
                        return found
                    due = await store.next_due(self._db, platform, now(), PER_LANE)
                left = (until - now()).total_seconds()
                if left <= 0:
                    break
                look_every = self._wake.limit(LOOK_EVERY, LOOK_EVERY_UNHEARD)
                until_due = (due - now()).total_seconds() if due else look_every
                await listener.wait(min(left, look_every, max(0.02, until_due)))
        return []

    async def _lease(self, platform: str, limit: int, process: str | None) -> list[Delivery]:
        lease = store.lease_of(process, token(128))
        async with self._db.transaction() as sql:
            return await store.claim(sql, platform, lease, now(), now() + LEASE, limit, PER_LANE)

    async def _out(self, rows: Sequence[Delivery]) -> list[DeliveryOut]:
        ids = [row.generation_id for row in rows if row.generation_id]
        shown = await self._render(ids)
        refs = await store.refs(self._db, rows[0].target.platform, ids) if ids else []
        known = [FileRef(media_id=media_id, kind=kind, ref=ref) for media_id, kind, ref in refs]
        owners: dict[str | None, Owner | None] = {}
        places = await self._places.of_chats(
            rows[0].target.platform if rows else "", {row.target.chat_id for row in rows}
        )
        found = []
        for row in rows:
            about = shown.get(row.generation_id) if row.generation_id else None
            if row.lost and not await self._survives(row):
                continue
            if about is None and row.notice is None:
                noted = fallback.tried(row, "final", "generation_deleted", now())
                await self._move(row, fallback.over(noted, "dead", now()))
                continue
            user_id = about.user_id if about else row.target.user_id
            if user_id not in owners:
                owners[user_id] = await self._owners.find(user_id)
            place = places.get(row.target.chat_id)
            found.append(_leased_out(row, about, owners[user_id], known, place))
        return found

    async def _survives(self, row: Delivery) -> bool:
        """Note that a bot was lost with it. False when that makes it hopeless: then it goes
        elsewhere."""
        noted = fallback.tried(row, "lost", "bot_stopped", now())
        if fallback.hopeless(noted):
            await self._give_up(row, noted)
            return False
        await store.set_trail(self._db, row, noted.trail)
        return True

    async def begin(self, platform: str, delivery_id: str, body: BeginIn) -> None:
        """Raises `Conflict` when the lease is over: somebody else may be showing it."""
        if not await store.begin(
            self._db, delivery_id, platform, body.lease, now() + LEASE, body.repeatable
        ):
            raise Conflict("lease_lost")

    async def coming(self, generation_ids: Sequence[str]) -> set[str]:
        """Return those of the generations whose news a chat still waits for."""
        return await store.coming(self._db, generation_ids)

    async def subject(self, platform: str, delivery_id: str, lease: str) -> tuple[str, str]:
        """Return owner and id of the generation that a leased delivery is about. Raises `Conflict`,
        `NotFound` for a notice."""
        row = await self._leased(platform, delivery_id, lease)
        about = await self._about(row)
        if about is None:
            raise NotFound("delivery_without_generation")
        return about.user_id, about.generation.id

    async def _about(self, row: Delivery) -> About | None:
        if row.generation_id is None:
            return None
        return (await self._render([row.generation_id])).get(row.generation_id)

    async def ack(self, platform: str, delivery_id: str, body: AckIn) -> None:
        """Raises `Conflict` when the lease is over."""
        if body.card_open:
            row = await store.shown(
                self._db, delivery_id, platform, body.lease, body.message_ids, now() + LEASE
            )
        else:
            row = await store.done(
                self._db, delivery_id, platform, body.lease, body.message_ids, now()
            )
        if row is None:
            raise Conflict("lease_lost")
        for one in body.refs if row["generation_id"] else []:
            await store.keep_ref(
                self._db, platform, row["generation_id"], one.media_id, one.kind, one.ref
            )
        self.outbox.ring(platform)

    async def fail(self, platform: str, delivery_id: str, body: FailIn) -> None:
        """Take a failed try: the row is due later again, or elsewhere. Raises `Conflict` when the
        lease is over."""
        row = await self._leased(platform, delivery_id, body.lease)
        if body.untried or body.reason is None:
            await store.put_back(self._db, row.id, body.lease, now())
            self.outbox.ring(platform)
            return
        outcome = fallback.outcome_of(body)
        log.warning(
            "delivery_failed",
            delivery=delivery_id,
            attempt=row.attempt,
            outcome=outcome,
            reason=body.reason,
            said=body.said,
        )
        after = fallback.tried(row, outcome, body.reason, now(), body.said)
        doubts, mishaps = row.doubts + (outcome == "uncertain"), row.mishaps + (outcome == "broke")
        after = replace(after, doubts=doubts, mishaps=mishaps)
        card_stays = row.shown and row.attempt >= fallback.CARD_TRIES
        if body.final or fallback.hopeless(after) or card_stays:
            await self._give_up(row, after)
        else:
            await self._move(row, fallback.later(after, body, now()))

    async def _give_up(self, row: Delivery, after: Delivery, *, here: bool = True) -> None:
        """Give this address up. `here`: the owner's private chat on this platform may still be
        tried."""
        about = await self._about(row)
        user_id = about.user_id if about else row.target.user_id
        after = replace(after, target=replace(after.target, user_id=user_id))
        owner = await self._owners.find(user_id)
        if row.shown or (about is not None and about.generation.status == "cancelled"):
            after = fallback.over(after, "done", now())
        elif (
            here
            and after.doubts < fallback.DOUBTS_MAX
            and (chat := await self._private_chat(after, owner)) is not None
        ):
            after = fallback.to_private_chat(after, chat, row.target.platform, now())
        else:
            after = fallback.to_web(after, owner, now())
        if await self._move(row, after):
            log.warning(
                "delivery_given_up",
                delivery=row.id,
                state=after.state,
                moved=after.origin is not None,
                reason=after.reason,
            )

    async def _private_chat(self, row: Delivery, owner: Owner | None) -> PrivateChat | None:
        if owner is None or owner.guest or row.target.user_id is None:
            return None
        found = await self._owners.chats(row.target.user_id, row.target.platform)
        return next(
            (one for one in found if one.chat_id != row.target.chat_id and not row.target.private),
            None,
        )

    async def _move(self, row: Delivery, after: Delivery) -> bool:
        moved = await store.move(self._db, row, after)
        if moved:
            self.outbox.ring(row.target.platform)
        return moved

    async def expire(self) -> float:
        """Move deliveries that no bot could show for days to their owners' inboxes."""
        for row in await store.overdue(self._db, now() - fallback.EXPIRES, now()):
            after = fallback.tried(row, "expired", "not_sent_in_time", now())
            await self._give_up(row, after, here=False)
        return EXPIRE_EVERY

    async def _leased(self, platform: str, delivery_id: str, lease: str) -> Delivery:
        row = await store.leased(self._db, delivery_id, platform, lease)
        if row is None:
            raise Conflict("lease_lost")
        return row


def event_of(row: Delivery, about: About | None) -> Event:
    if about is None or row.event == "notice":
        notice = row.notice or {}
        return Notice(code=notice["code"], facts=json.loads(notice["facts"]))
    if row.event == "generation_completed":
        return GenerationCompleted(generation=about.generation)
    return GenerationFailed(generation=about.generation)


def _language(row: Delivery, owner: Owner | None, place: KnownPlace | None) -> str | None:
    """Return the language of the place, the owner's, or that of a person without an account."""
    if place is not None and place.settings.language is not None:
        return place.settings.language
    if owner is not None:
        return owner.language
    facts = json.loads(row.notice["facts"]) if row.notice is not None else {}
    return facts.get("language") or None


def _leased_out(
    row: Delivery,
    about: About | None,
    owner: Owner | None,
    known: Sequence[FileRef],
    place: KnownPlace | None,
) -> DeliveryOut:
    target = asdict(row.target)
    del target["user_id"]
    address, media = AddressOut(**target), set[str]()
    if about is not None:
        media = {one.id for one in [*about.generation.images, about.generation.video] if one}
        asked_in = (about.platform, about.chat_id)
        if asked_in == (row.target.platform, row.target.chat_id) and not row.requested:
            address.card_message_id = about.card_message_id
    return DeliveryOut(
        id=row.id,
        lease=row.lease or "",
        attempt=row.attempt,
        address=address,
        event=event_of(row, about),
        language=_language(row, owner, place),
        spoiler=bool((owner and owner.spoiler) or (place and place.settings.spoiler)),
        quiet=place is not None and is_quiet(place.settings.quiet, now()),
        maybe_shown=row.doubts > 0,
        shown=row.shown,
        moved=row.origin is not None,
        refs=[one for one in known if one.media_id in media],
        request_id=row.request_id,
    )
