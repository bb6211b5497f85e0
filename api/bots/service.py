"""Bot processes: their presence, the leases by which one of several does what only one may do, and
the updates that they answer.

After the api itself was away nobody is taken for dead who could only not be heard: what a silent
process had is free for one that has been there, without a break, for as long as a word counts.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from api import ids
from api.bots import store
from api.bots.schemas import (
    BeatIn,
    BeatOut,
    BotProcessOut,
    ClaimIn,
    DoneIn,
    HeldOut,
    KeepIn,
    KeptOut,
    ShownIn,
    TurnIn,
    TurnOut,
    UpdateOut,
)
from api.db import Db
from api.deliveries.outbox import DeliveryOutbox
from api.leases import Leases
from api.links.schemas import LinkOut
from api.schemas import Platform

KEPT_DAYS = 2
"""A platform brings an update again for a day at most."""
FRESH = 0.5
"""The part of its time that is left when a word is not said again."""
PURGE_SECONDS = timedelta(hours=1).total_seconds()


class BotProcesses:
    def __init__(self, db: Db, leases: Leases, outbox: DeliveryOutbox) -> None:
        self._db = db
        self._leases = leases
        self._outbox = outbox
        self._freed: set[str] = set()

    async def beat(self, platform: Platform, body: BeatIn) -> BeatOut:
        """Renew the presence and the leases of a process, and give it free ones that it wants."""
        process = _scoped(platform, body.process)
        if body.replaces:
            await self._bury(platform, [_scoped(platform, one) for one in body.replaces])
        lasts = await self._needs_no_word(platform, process, body)
        if lasts is None:
            lasts = body.seconds
            await self._renew(platform, process, body)
        senior = await store.is_senior(self._db, process, body.seconds)
        if senior:
            await self._free_deliveries(platform)
        live = [one for one in await store.leases(self._db, _prefix(platform)) if one.live]
        return BeatOut(
            held=[one.name for one in live if one.holder == process],
            leases=[
                HeldOut(name=one.name, process=_own(one.holder), label=one.label) for one in live
            ],
            processes=await store.alive(self._db, platform),
            orphans=await store.has_orphans(
                self._db, _scoped(platform, body.bot), of_the_dead=senior
            ),
            seconds=lasts,
        )

    async def _free_deliveries(self, platform: Platform) -> None:
        """Free what silent processes were delivering, once for each silence."""
        silent = set(await store.silent(self._db, platform))
        self._freed = {one for one in self._freed if one in silent or not one.startswith(platform)}
        if new := sorted(silent - self._freed):
            await self._outbox.free_leases_of(platform, [_own(one) for one in new])
            self._freed |= silent

    async def _needs_no_word(self, platform: Platform, process: str, body: BeatIn) -> float | None:
        """The seconds for which the last word of a single process still counts, when it would be
        the same again and there is time: an idle studio writes half as often. None otherwise."""
        prefix = _prefix(platform)
        lasts = await store.remaining(self._db, process, prefix, body.label)
        if lasts < body.seconds * FRESH or await store.alive(self._db, platform) > 1:
            return None
        live = [one for one in await store.leases(self._db, prefix) if one.live]
        same = {one.name for one in live} == set(body.wants)
        return lasts if same and all(one.holder == process for one in live) else None

    async def _renew(self, platform: Platform, process: str, body: BeatIn) -> None:
        await store.beat(self._db, process, platform, body.label, body.seconds)
        senior = await store.is_senior(self._db, process, body.seconds)
        prefix = _prefix(platform)
        for one in await store.leases(self._db, prefix):
            if one.live and one.holder == process and one.name not in body.wants:
                await self._leases.give_back(prefix + one.name, process)
        known = {one.name: one for one in await store.leases(self._db, prefix)}
        for name in body.wants:
            before = known.get(name)
            if before is None or before.holder == process or _is_free(before, senior=senior):
                await self._leases.take(prefix + name, process, body.seconds)

    async def leave(self, platform: Platform, process: str) -> None:
        """End the presence of a process: what it had is free at once."""
        process = _scoped(platform, process)
        for one in await store.leases(self._db, _prefix(platform)):
            if one.holder == process:
                await self._leases.give_back(_prefix(platform) + one.name, process)
        await self._outbox.free_leases_of(platform, [_own(process)])
        await store.give_back(self._db, [process], killed=False)
        await store.forget_processes(self._db, platform, [process])

    async def turn(self, platform: Platform, body: TurnIn) -> TurnOut:
        """Give a turn to one caller within `seconds`, among all processes of the platform."""
        taken = await self._leases.take(f"turn:{platform}:{body.name}", ids.new_id(), body.seconds)
        return TurnOut(taken=taken is not None)

    async def running(self) -> list[BotProcessOut]:
        """By platform and label."""
        return [
            BotProcessOut(
                platform=row["platform"],
                label=row["label"],
                since=row["since"],
                leases=[
                    one.removeprefix(_prefix(row["platform"]))
                    for one in (row["held"] or "").split()
                ],
            )
            for row in await store.processes(self._db)
        ]

    async def keep_purged(self) -> float:
        await store.purge(self._db, KEPT_DAYS)
        return PURGE_SECONDS

    async def _bury(self, platform: Platform, dead: list[str]) -> None:
        prefix = _prefix(platform)
        for one in await store.leases(self._db, prefix):
            if one.holder in dead:
                await self._leases.give_back(prefix + one.name, one.holder)
        await self._outbox.free_leases_of(platform, [_own(one) for one in dead])
        await store.give_back(self._db, dead, killed=True)
        await store.forget_processes(self._db, platform, dead)


class BotUpdates:
    """Updates that a platform will not bring again, until they are answered."""

    def __init__(self, db: Db, links_of: Callable[[str], Awaitable[Sequence[LinkOut]]]) -> None:
        self._db = db
        self._links_of = links_of

    async def keep(self, platform: Platform, body: KeepIn) -> KeptOut:
        bot = _scoped(platform, body.bot)
        process = _scoped(platform, body.process)
        updates = {one.id: one.raw for one in body.updates}
        # no transaction: each of the two is harmless without the other, and alone they are written
        # together with what others write
        await store.keep(self._db, bot, process, updates)
        await store.see(self._db, bot, list(updates))
        kept = await store.kept(self._db, bot, process)
        return KeptOut(mine=[one.id for one in body.updates if one.id in kept])

    async def claim(self, platform: Platform, body: ClaimIn) -> list[UpdateOut]:
        """Give the process the updates that nobody answers, and return all that it has: whoever
        did not hear the answer asks again."""
        bot = _scoped(platform, body.bot)
        process = _scoped(platform, body.process)
        senior = await store.is_senior(self._db, process, body.seconds)
        await store.claim(self._db, bot, process, of_the_dead=senior)
        return [UpdateOut(**one) for one in await store.updates_of(self._db, bot, process)]

    async def shown(self, platform: Platform, body: ShownIn) -> None:
        bot = _scoped(platform, body.bot)
        process = _scoped(platform, body.process)
        await store.note_shown(self._db, bot, process, body.id, body.shown)

    async def erase_user(self, user_id: str) -> None:
        """Forget the unanswered updates that name a chat of the user's; their ids stay."""
        for one in await self._links_of(user_id):
            await store.forget_person(self._db, f"{one.platform}:", one.platform_user_id)

    async def done(self, platform: Platform, body: DoneIn) -> None:
        """Forget the updates, except that they were seen. Until both are written they count as
        unanswered."""
        bot = _scoped(platform, body.bot)
        await store.see(self._db, bot, body.ids)
        await store.forget_updates(self._db, bot, body.ids)


def _prefix(platform: str) -> str:
    return f"bot:{platform}:"


def _scoped(platform: str, id: str) -> str:
    """Return the id as it is stored: a platform's bot never touches what is another's."""
    return f"{platform}:{id}"


def _own(scoped: str) -> str:
    return scoped.partition(":")[2]


def _is_free(lease: store.LeaseState, *, senior: bool) -> bool:
    return not lease.live and (senior or not lease.holder_dead)
