"""The shards of this process: chosen by leases, and connected in turn with those of others."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, Literal

import discord
import structlog

from bots.core.presence import Presence
from client import calls
from client.bot import BotApi
from client.errors import ApiError

log = structlog.get_logger()

SHARD = re.compile(r"shard-(\d+)-of-(\d+)")
TURN_SECONDS = 5.5
"""Discord wants five between two connects of a bucket, as it counts them."""
LOOK_SECONDS = 0.5

ShardChange = Callable[[int], Awaitable[None]]


class SessionsUsedUp(discord.DiscordException):
    """Discord allows no more connects for so many seconds: one too many would end the token."""

    def __init__(self, seconds: float) -> None:
        at = datetime.now(UTC) + timedelta(seconds=seconds)
        super().__init__(
            f"Discord allows this bot no more connects until {at:%H:%M} UTC, because those of "
            "today are used up. Until then results are sent, and commands are not heard. "
            "Something restarts the bot or breaks its connection again and again"
        )
        self.seconds = seconds


class Shards:
    """`setting`: the number of shards, or `auto` for as many as Discord recommends."""

    def __init__(self, api: BotApi, presence: Presence, setting: int | Literal["auto"]) -> None:
        self._api = api
        self._presence = presence
        self._setting = setting
        self._count = 1
        self._opening: dict[int, asyncio.Task[None]] = {}
        self._next_at = 0.0

    @property
    def held(self) -> set[int]:
        found = map(SHARD.fullmatch, self._presence.held)
        return {int(one[1]) for one in found if one is not None and int(one[2]) == self._count}

    @property
    def sure(self) -> bool:
        return self._presence.sure

    async def has(self, shard: int) -> bool:
        """Whether an event of the shard is this process's to answer. One that was paused, or cut
        off from the api, asks first: another may have the shard, and have answered."""
        await self._presence.ask()
        return shard in self.held

    async def count(self, http: Any) -> int:
        """The number of all shards: that of the processes that run, else the set one. Raises
        `discord.GatewayNotFound`."""
        wanted = self._setting
        if wanted == "auto":
            wanted, _url, _limit = await http.get_bot_gateway()
        await self._presence.begun.wait()
        others = {
            int(found[2])
            for one in self._presence.leases
            if one.process != self._presence.slot.id and (found := SHARD.fullmatch(one.name))
        }
        self._count = wanted if wanted in others or not others else max(others)
        if self._count != wanted:
            log.warning("as_many_shards_as_the_others_have", shards=self._count, wanted=wanted)
        return self._count

    async def keep(self, opened: ShardChange, closed: ShardChange) -> None:
        """Open the shards whose leases this process gets, and close those that it loses, until
        cancelled. Raises what `opened` raises."""
        try:
            while True:
                held = self.held
                for shard in sorted(held - self._opening.keys()):
                    self._opening[shard] = asyncio.ensure_future(opened(shard))
                for shard in sorted(self._opening.keys() - held):
                    await _cancel(self._opening.pop(shard))
                    await closed(shard)
                ended = [one for one in self._opening.values() if one.done()]
                for one in ended:
                    one.result()
                self._want(all_open=len(ended) == len(self._opening))
                await self._next_change()
        finally:
            for task in self._opening.values():
                await _cancel(task)
            self._opening.clear()

    async def may_connect(self, shard: int, http: Any, *, initial: bool) -> None:
        """Return when it is this shard's turn. Raises `SessionsUsedUp`, and `CancelledError` for a
        shard that is another process's by now."""
        if shard not in self.held:
            raise asyncio.CancelledError
        _count, _url, limit = await http.get_bot_gateway()
        if limit["remaining"] < 1:
            raise SessionsUsedUp(limit["reset_after"] / 1000)
        at_once = max(1, limit["max_concurrency"])
        self._next_at = time.monotonic() + TURN_SECONDS / at_once
        name = f"identify-{shard % at_once}"
        try:
            while True:
                if (await self._api.send(calls.turn(name, TURN_SECONDS))).taken:
                    return
                await asyncio.sleep(LOOK_SECONDS)
        except ApiError as error:  # nobody gives turns: keep the distance to the own last one
            log.info("no_turns_given", code=error.code)
            if not initial:
                await asyncio.sleep(TURN_SECONDS)

    def _want(self, *, all_open: bool) -> None:
        """Hold what it has, and take a free shard, up to its share; the next one only when the one
        before is connected and its turn is over, so that processes which start together each get
        some."""
        held = self.held
        taken = {one.name for one in self._presence.leases} - self._presence.held
        share = ceil(self._count / max(1, self._presence.processes))
        free = [
            shard
            for shard in range(self._count)
            if shard not in held and self._name(shard) not in taken
        ]
        may_take = all_open and share > len(held) and time.monotonic() >= self._next_at
        wanted = [*sorted(held), *(free[:1] if may_take else [])]
        self._presence.want(*map(self._name, wanted))

    def _name(self, shard: int) -> str:
        return f"shard-{shard}-of-{self._count}"

    async def _next_change(self) -> None:
        """Return after the next word of the api, when a shard was opened, or when it is time for
        the next one."""
        under_way = {one for one in self._opening.values() if not one.done()}
        news = asyncio.ensure_future(self._presence.news())
        try:
            await asyncio.wait(
                {news, *under_way},
                timeout=max(0.0, self._next_at - time.monotonic()) or None,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            await _cancel(news)


async def _cancel(task: asyncio.Future[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
