"""Updates of a platform, kept at the api until they are answered: a process on another machine goes
on with those of one that is gone, and none is answered twice."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Any

import structlog

from bots.core.presence import LAST_CALL_SECONDS, Presence
from client import calls
from client.bot import BotApi
from client.errors import ApiError
from client.schemas.bots import ClaimIn, DoneIn, KeepIn, ShownIn, UpdateIn, UpdateOut

log = structlog.get_logger()

AT_ONCE, AT_ONCE_BYTES = 50, 400_000
AGAIN_SECONDS = 1.0
NOTE_SECONDS = 0.05
"""Most answers are done so soon after their first message: then there is nothing to note."""


class UpdatesAtApi:
    def __init__(self, api: BotApi, presence: Presence) -> None:
        self._api = api
        self._presence = presence
        self._mine = {"process": presence.slot.id, "bot": presence.bot}
        self._untold: set[int] = set()
        self._one_tells = asyncio.Lock()
        self._telling: asyncio.Task[None] | None = None
        self._unnoted: dict[int, list[list[str]]] = {}
        self._noting: asyncio.Task[None] | None = None

    async def keep(self, raws: Sequence[dict[str, Any]]) -> tuple[set[int], set[int]]:
        """The ids of those that this process shall answer, and of those that the api did not take,
        because it is away or refuses them."""
        mine: set[int] = set()
        not_kept: set[int] = set()
        for batch in _batches(raws):
            ids = {one.id for one in batch}
            if self._api.waiters.away:
                not_kept |= ids
                continue
            try:
                kept = await self._api.send(calls.keep_updates(KeepIn(updates=batch, **self._mine)))
                mine |= set(kept.mine)
            except ApiError as error:
                if error.silent:
                    self._api.waiters.missed()
                log.info("updates_not_at_api", count=len(ids), code=error.code)
                not_kept |= ids
        return mine, not_kept

    async def claim(self) -> list[UpdateOut]:
        """All updates of this process, with those that processes left that are gone. Raises
        `ApiError`."""
        claim = ClaimIn(seconds=self._presence.times.lease, **self._mine)
        return await self._api.send(calls.claim_updates(claim))

    async def shown(self, update_id: int, shown: list[list[str]]) -> None:
        """Note the messages of an answer. Told once: without it a kill shows them twice."""
        if self._api.waiters.away:
            return
        try:
            body = ShownIn(id=update_id, shown=shown, **self._mine)
            await self._api.send(calls.update_shown(body))
        except ApiError as error:
            log.info("shown_not_noted", update_id=update_id, code=error.code)

    def note(self, update_id: int, shown: list[list[str]]) -> None:
        """Note the messages of an answer in a moment, unless it is done by then."""
        self._unnoted[update_id] = shown
        if self._noting is None or self._noting.done():
            self._noting = asyncio.create_task(self._note_soon())

    async def _note_soon(self) -> None:
        while self._unnoted:
            await asyncio.sleep(NOTE_SECONDS)
            await self._note_all()

    async def _note_all(self) -> None:
        unnoted, self._unnoted = self._unnoted, {}
        await asyncio.gather(*(self.shown(one, shown) for one, shown in unnoted.items()))

    async def done(self, update_id: int) -> None:
        """Tell the api that an update is answered; later, when it is away. Those that are done
        while it is being told of others go together."""
        self._unnoted.pop(update_id, None)
        self._untold.add(update_id)
        if self._telling is not None and not self._telling.done():
            return
        async with self._one_tells:
            while update_id in self._untold:  # one call tells of a hundred
                if self._api.waiters.away or not await self._tell():
                    self._telling = asyncio.create_task(self._tell_later())
                    break

    async def close(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.wait({self._telling})
        if not self._api.waiters.away:
            try:
                async with asyncio.timeout(LAST_CALL_SECONDS):
                    if self._noting is not None:
                        await self._noting
                    while self._untold and await self._tell():
                        pass
            except TimeoutError:
                log.info("answered_updates_not_told", count=len(self._untold))

    async def _tell(self) -> bool:
        """False: the api did not hear it."""
        ids = sorted(self._untold)[:100]
        try:
            await self._api.send(calls.updates_done(DoneIn(bot=self._presence.bot, ids=ids)))
        except ApiError as error:
            if error.silent or error.busy:
                return False
            log.warning("answered_updates_refused", code=error.code, detail=error.detail)
        self._untold.difference_update(ids)
        return True

    async def _tell_later(self) -> None:
        while self._untold:
            await self._api.waiters.back()
            if not await self._tell():
                await asyncio.sleep(AGAIN_SECONDS)


def _batches(raws: Sequence[dict[str, Any]]) -> Iterator[list[UpdateIn]]:
    batch: list[UpdateIn] = []
    size = 0
    for raw in raws:
        one = UpdateIn.model_construct(id=int(raw["update_id"]), raw=json.dumps(raw))
        if batch and (len(batch) == AT_ONCE or size + len(one.raw) > AT_ONCE_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += len(one.raw)
    if batch:
        yield batch
