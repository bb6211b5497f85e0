"""The presence of a bot process at the api, and the leases that it holds: of several processes, one
has each.

A process whose word does not reach the api keeps what it has. When the api is away for all of them
nobody can take over, and people in chats are told to wait; when it is away for this one only, the
platform or the api's next word says that another one has taken over.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

import structlog

from bots.core.process_slot import ProcessSlot
from client import calls
from client.bot import BotApi
from client.errors import ApiError
from client.schemas.bots import BeatIn, HeldOut

log = structlog.get_logger()

ASK_SECONDS = 1.0
"""People wait no longer for the api's word: then it counts as away."""
LAST_CALL_SECONDS = 0.5
"""A stop waits no longer for the api to hear of it: then the leases end by themselves."""


@dataclass(frozen=True, slots=True)
class PresenceTimes:
    """Seconds. `lease`: the time for which the process's word counts. `beat`: pause between two
    words. `look`: the same while it holds no lease, or wants one that another process has."""

    lease: float = 10.0
    beat: float = 3.0
    look: float = 1.0


class Presence:
    """`leases` and `processes` are what the api said last of all processes of the platform.
    `orphans` is set when there are updates that nobody answers, `begun` when the api has said its
    first word, a refusal counted. `bot` is the account's id."""

    def __init__(
        self, api: BotApi, slot: ProcessSlot, bot: str = "", times: PresenceTimes | None = None
    ) -> None:
        self.slot = slot
        self.bot = bot
        self.times = times or PresenceTimes()
        self.leases: tuple[HeldOut, ...] = ()
        self.processes = 1
        self.heard = False
        self.orphans = asyncio.Event()
        self.begun = asyncio.Event()
        self._api = api
        self._wants: tuple[str, ...] = ()
        self._replaces = slot.replaces
        self._held: frozenset[str] = frozenset()
        self._sure_until = (0.0, 0.0)
        self._silent = False
        self._news = asyncio.Event()
        self._now = asyncio.Event()
        self._refused = ""
        self._others: dict[str, str | None] = {}
        self._word: asyncio.Task[None] | None = None

    @property
    def held(self) -> frozenset[str]:
        return self._held

    @property
    def wants(self) -> tuple[str, ...]:
        return self._wants

    @property
    def sure(self) -> bool:
        """Whether nobody else can have what it holds: its last word still counts. The clock of a
        machine that was paused stands still; that of the day does not, once it is set right."""
        monotonic, of_day = self._sure_until
        return time.monotonic() < monotonic and time.time() < of_day

    async def ask(self) -> None:
        """Return when it is sure what it holds, or when the api does not say so in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ASK_SECONDS):
                while not (self.sure or self._api.waiters.away):
                    self._now.set()
                    await self.news()
                    if self._silent:
                        return

    def want(self, *names: str) -> None:
        """All leases that it holds or would take, from now on."""
        if names != self._wants:
            self._wants = names
            self._now.set()

    async def news(self) -> None:
        """Return after the next word of the api, or its silence."""
        await self._news.wait()

    async def until_active(self, *, active: bool = True) -> None:
        """Return once it holds any lease, or none."""
        while bool(self._held) != active:
            await self.news()

    async def until(self, name: str, *, held: bool = True) -> None:
        """Return once the lease is held, or is not."""
        while (name in self._held) != held:
            await self.news()

    def doubt(self, name: str) -> bool:
        """The platform says that another process does this work. Whether that may be so: then the
        lease counts as lost until the api says that it is held."""
        if self.sure:
            return False
        self._set(self._held - {name})
        return True

    async def run(self) -> None:
        """Keep the presence until cancelled."""
        while True:
            self._now.clear()
            self._word = asyncio.create_task(self._beat())
            await asyncio.shield(self._word)
            short = set(self._wants) - self._held
            pause = self.times.look if short or not self._held else self.times.beat
            try:
                async with asyncio.timeout(pause):
                    await self._now.wait()
            except TimeoutError:
                continue

    async def release(self) -> None:
        """Give all leases back, if the api hears it."""
        self._wants = ()
        if self._api.waiters.away:
            return
        try:
            async with asyncio.timeout(LAST_CALL_SECONDS):
                await self._beat()
        except TimeoutError:
            log.info("leases_not_released")

    async def leave(self) -> None:
        """Say goodbye, if the api hears it: what this process had is free at once."""
        await self._last_word()
        if self._api.waiters.away or not self.heard:
            return
        try:
            async with asyncio.timeout(LAST_CALL_SECONDS):
                await self._api.send(calls.leave(self.slot.id))
        except (ApiError, TimeoutError) as error:
            log.info("goodbye_not_heard", reason=str(error))

    async def _last_word(self) -> None:
        """Let the word that is on its way arrive: after the goodbye it would take the leases
        again, for a process that is gone."""
        if self._word is not None and not self._word.done():
            await asyncio.wait({self._word}, timeout=LAST_CALL_SECONDS)
            self._word.cancel()
            await asyncio.wait({self._word})

    async def _beat(self) -> None:
        wants = self._wants
        word = BeatIn(
            process=self.slot.id,
            label=self.slot.label,
            bot=self.bot,
            wants=list(wants),
            replaces=list(self._replaces),
            seconds=self.times.lease,
        )
        asked_at = time.monotonic(), time.time()
        try:
            told = await self._api.send(calls.beat(word))
        except ApiError as error:
            self._unheard(error, wants)
            return
        self.heard, self._refused = True, ""
        self._replaces = ()
        self.leases, self.processes = tuple(told.leases), told.processes
        self._silent = False
        self._sure_until = asked_at[0] + told.seconds, asked_at[1] + told.seconds
        if told.orphans:
            self.orphans.set()
        self._set(frozenset(told.held))
        self._note_standing_by()

    def _note_standing_by(self) -> None:
        holders = {one.name: one.label for one in self.leases}
        others = {name: holders.get(name) for name in self._wants if name not in self._held}
        if others and others != self._others:
            log.info("standing_by", held_by=others)
        self._others = others

    def _unheard(self, error: ApiError, wants: tuple[str, ...]) -> None:
        """An api that refuses the word knows nobody else either: work as if alone, and say in the
        chats what is wrong."""
        self._silent = True
        if not (error.silent or error.busy):
            if error.code != self._refused:
                log.warning("presence_refused", code=error.code, detail=error.detail)
            self._refused = error.code
            self._set(frozenset(wants))
        else:
            self._tell()

    def _set(self, held: frozenset[str]) -> None:
        for name in sorted(held - self._held):
            log.info("lease_taken", lease=name)
        for name in sorted(self._held - held):
            by = next((one.label for one in self.leases if one.name == name), None)
            log.info("lease_ended", lease=name, held_by=by)
        self._held = held
        self.begun.set()
        self._tell()

    def _tell(self) -> None:
        told, self._news = self._news, asyncio.Event()
        told.set()
