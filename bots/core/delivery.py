"""The pump: claims what the api has for this bot's chats, shows it, and says so.

Each chat gets its deliveries one after another, chats do not wait for each other. A delivery is done only when the api has the ack;
whatever is left behind by a stop or a crash is claimed again when its lease is over.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass

import structlog

from api.deliveries.schemas import AckIn, DeliveryOut, FailIn
from bots.core.api import BotApi
from bots.core.http import API_UNAVAILABLE, ApiError
from bots.core.rendering import Told, render
from bots.core.types import Address, Chat, SendFailed, Shown

log = structlog.get_logger()

CLAIM_SECONDS = 25.0
AT_ONCE = 10
"""Deliveries claimed and not yet done; each may hold files of `Limits.upload_bytes` in memory."""
FRESH_SECONDS = 40.0
"""A delivery that waited longer for its turn is left to be claimed again: its lease could end while it is being sent."""
STOP_SECONDS = 5.0
"""What is being sent when the bot stops gets this long, for a cut upload may be seen twice."""
SETTLE_SECONDS = 30.0
BACKOFF_LEAST, BACKOFF_MOST = 0.5, 15.0


async def pump(chat: Chat, api: BotApi, stop: asyncio.Event) -> None:
    """Runs until `stop` is set. An api that is away, or refuses, is asked again with growing pauses."""
    await Pump(chat, api, stop).run()


@dataclass(frozen=True, slots=True)
class _Claimed:
    delivery: DeliveryOut
    at: float


class Pump:
    def __init__(self, chat: Chat, api: BotApi, stop: asyncio.Event) -> None:
        self._chat = chat
        self._api = api
        self._stop = stop
        self._lanes: dict[tuple[str, str | None], deque[_Claimed]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = 0
        self._room = asyncio.Event()

    async def run(self) -> None:
        stopping = asyncio.ensure_future(self._stop.wait())
        feeding = asyncio.create_task(self._feed())
        try:
            await asyncio.wait({stopping, feeding}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            feeding.cancel()
            stopping.cancel()
            await asyncio.wait({feeding, stopping})
            await self._finish()
        if not feeding.cancelled():
            feeding.result()

    async def _feed(self) -> None:
        pause = BACKOFF_LEAST
        while True:
            while self._open >= AT_ONCE:
                self._room.clear()
                await self._room.wait()
            try:
                found = await self._api.claim(CLAIM_SECONDS, AT_ONCE - self._open)
            except ApiError as error:
                log.warning("claim_failed", code=error.code, detail=error.detail, again_in=pause)
                await asyncio.sleep(max(pause, error.retry_after or 0))
                pause = min(pause * 2, BACKOFF_MOST)
                continue
            pause = BACKOFF_LEAST
            for delivery in found:
                self._take(_Claimed(delivery, time.monotonic()))

    def _take(self, claimed: _Claimed) -> None:
        address = claimed.delivery.address
        key = (address.chat_id, address.thread_id)
        self._open += 1
        lane = self._lanes.get(key)
        if lane is not None:
            lane.append(claimed)
            return
        self._lanes[key] = deque((claimed,))
        task = asyncio.create_task(self._run_lane(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_lane(self, key: tuple[str, str | None]) -> None:
        lane = self._lanes[key]
        try:
            while lane and not self._stop.is_set():
                await self._deliver(lane.popleft(), lane)
                self._leave(1)
        finally:
            del self._lanes[key]
            self._leave(len(lane))

    def _leave(self, count: int) -> None:
        self._open -= count
        self._room.set()

    async def _deliver(self, claimed: _Claimed, behind: deque[_Claimed]) -> None:
        delivery = claimed.delivery
        if time.monotonic() - claimed.at > FRESH_SECONDS:
            log.info("delivery_left", delivery=delivery.id)
            return
        try:
            told = await render(delivery, self._api, self._chat.limits)
            shown = await self._show(delivery, told)
        except SendFailed as failure:
            log.warning("delivery_not_shown", delivery=delivery.id, reason=failure.reason, final=failure.final, uncertain=failure.uncertain)
            await self._fail(delivery, _failed(delivery, failure))
            if failure.retry_after is not None:
                await self._hold_back(behind, failure.retry_after)
            return
        except ApiError as error:
            log.warning("delivery_not_rendered", delivery=delivery.id, code=error.code, detail=error.detail)
            await self._fail(delivery, FailIn(lease=delivery.lease, reason=str(error)[:500], retry_after=error.retry_after))
            return
        except Exception as error:
            log.exception("delivery_broke", delivery=delivery.id)
            await self._fail(delivery, FailIn(lease=delivery.lease, reason=f"the bot broke: {type(error).__name__}"))
            return
        await self._settle("ack", delivery, AckIn(lease=delivery.lease, message_ids=list(shown.message_ids)[:20]))
        await self._close_card(delivery, told)

    async def _show(self, delivery: DeliveryOut, told: Told) -> Shown:
        if told.only_card and delivery.address.card_message_id is not None:
            return Shown(())
        try:
            return await self._chat.show(_address(delivery), told.reply)
        except SendFailed as failure:
            if not failure.final or not told.reply.files or told.without_files is None:
                raise
            log.warning("files_refused", delivery=delivery.id, reason=failure.reason)
        return await self._chat.show(_address(delivery), told.without_files)

    async def _close_card(self, delivery: DeliveryOut, told: Told) -> None:
        """The result is shown already: a card that can't be edited any more is no failure."""
        card = delivery.address.card_message_id
        if card is None or told.card is None:
            return
        try:
            await self._chat.show(_address(delivery), told.card, replacing=Shown((card,)))
        except SendFailed as failure:
            log.info("card_not_closed", delivery=delivery.id, reason=failure.reason)

    async def _hold_back(self, behind: deque[_Claimed], seconds: float) -> None:
        """The chat has to wait: so do the deliveries behind, in their order."""
        while behind:
            delivery = behind.popleft().delivery
            await self._fail(delivery, FailIn(lease=delivery.lease, reason="behind another one that has to wait", retry_after=seconds))
            self._leave(1)

    async def _fail(self, delivery: DeliveryOut, fail: FailIn) -> None:
        await self._settle("fail", delivery, fail)

    async def _settle(self, word: str, delivery: DeliveryOut, body: AckIn | FailIn) -> None:
        """Tells the api what became of a delivery, patiently: an ack that is lost shows the result twice."""
        until = time.monotonic() + SETTLE_SECONDS
        pause = BACKOFF_LEAST
        while True:
            try:
                if isinstance(body, AckIn):
                    await self._api.ack(delivery.id, body)
                else:
                    await self._api.fail(delivery.id, body)
                return
            except ApiError as error:
                if error.code != API_UNAVAILABLE or time.monotonic() + pause > until:
                    log.warning("delivery_not_settled", word=word, delivery=delivery.id, code=error.code, detail=error.detail)
                    return
            await asyncio.sleep(pause)
            pause = min(pause * 2, BACKOFF_MOST)

    async def _finish(self) -> None:
        """Lets what is being sent end, for a while."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
        for task in late:
            task.cancel()
        if late:
            log.warning("deliveries_cut_by_stop", count=len(late))
            await asyncio.wait(late)


def _address(delivery: DeliveryOut) -> Address:
    where = delivery.address
    return Address(where.platform, where.chat_id, where.thread_id, where.message_id, where.private)


def _failed(delivery: DeliveryOut, failure: SendFailed) -> FailIn:
    return FailIn(
        lease=delivery.lease,
        reason=failure.reason[:500],
        retry_after=None if failure.retry_after is None else min(failure.retry_after, 86_400.0),
        final=failure.final,
        uncertain=failure.uncertain,
    )
