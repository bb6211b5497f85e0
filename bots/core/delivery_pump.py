"""The delivery pump: claims the deliveries for this bot's chats, shows them, and reports it.

Each chat gets its deliveries one after another; chats do not wait for each other. A delivery is
done only when the API has the ack. One that a stop or a crash leaves behind is claimed again when
its lease is over.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace

import structlog

from bots.core import language
from bots.core.delivery_claims import ClaimedDelivery, DeliveryClaims, PumpTimes
from bots.core.metrics import METRICS
from bots.core.pacing import keep_busy
from bots.core.rendering import RenderedDelivery, render
from bots.core.types import Address, Doing, Messenger, Reply, SendFailed, ShownMessages
from client.bot import BotApi
from client.errors import ApiError
from client.schemas.deliveries import SAID_MAX, AckIn, AddressOut, FailIn, FileRefIn
from telemetry.requests import of_request
from telemetry.spans import span

log = structlog.get_logger()

AT_ONCE, ROOM = 48, 16
"""The most deliveries that are claimed and not yet done, and the room at which more are claimed.
With 30 messages a second and half a second for each, 15 are under way."""
FILES_AT_ONCE = 12
"""The most deliveries that are shown at a time with files, of `Limits.upload_bytes` each, in
memory."""
WITH_FILES = "generation_completed"
RETRY_MOST = 86_400.0


async def pump(
    chat: Messenger,
    api: BotApi,
    stop: asyncio.Event,
    times: PumpTimes | None = None,
    process: str | None = None,
) -> None:
    """Run until `stop` is set. An API that is away, or refuses, is asked again with growing pauses.
    `process`: the name by which the API knows that this process lives."""
    await Pump(chat, api, stop, times or PumpTimes(), process).run()


class Pump:
    def __init__(
        self,
        chat: Messenger,
        api: BotApi,
        stop: asyncio.Event,
        times: PumpTimes,
        process: str | None,
    ) -> None:
        self._chat = chat
        self._api = api
        self._claims = DeliveryClaims(api, times, process)
        self._stop = stop
        self._times = times
        self._lanes: dict[tuple[str, str | None], deque[ClaimedDelivery]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._files = asyncio.Semaphore(FILES_AT_ONCE)

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
        pause = self._times.backoff_least
        while True:
            while self._open > AT_ONCE - ROOM:
                self._room.clear()
                await self._room.wait()
            try:
                found = await self._claims.claim(AT_ONCE - self._open)
            except ApiError as error:
                log.warning("claim_failed", code=error.code, detail=error.detail, again_in=pause)
                await asyncio.sleep(max(pause, error.retry_after or 0))
                pause = min(pause * 2, self._times.backoff_most)
                continue
            pause = self._times.backoff_least
            for held in found:
                self._take(held)

    @property
    def _open(self) -> int:
        """The number of deliveries in all lanes. It is counted, never kept: a lane that ends,
        however it ends, takes its places with it."""
        return sum(len(lane) for lane in self._lanes.values())

    def _take(self, held: ClaimedDelivery) -> None:
        address = held.delivery.address
        key = (address.chat_id, address.thread_id)
        lane = self._lanes.get(key)
        if lane is not None:
            lane.append(held)
            return
        self._lanes[key] = deque((held,))
        task = asyncio.create_task(self._run_lane(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_lane(self, key: tuple[str, str | None]) -> None:
        """Show the deliveries of one chat. Each stays in the lane until it is done."""
        lane = self._lanes[key]
        try:
            while lane and not self._stop.is_set():
                on = await self._deliver(lane[0])
                self._leave(lane)
                if not on:
                    await self._put_back(lane)
            await self._put_back(lane)
        except Exception:
            # their leases end, and then they are claimed again
            log.exception("lane_broke", chat=key[0], left=len(lane))
        finally:
            self._claims.let_go(lane)
            del self._lanes[key]
            self._room.set()

    def _leave(self, lane: deque[ClaimedDelivery]) -> None:
        lane.popleft()
        self._room.set()

    async def _put_back(self, lane: deque[ClaimedDelivery]) -> None:
        """Give back the rest of a lane, in its order, which the API keeps."""
        while lane:
            await self._claims.put_back(lane[0])
            self._leave(lane)

    async def _deliver(self, held: ClaimedDelivery) -> bool:
        """Show one delivery and report it. False: it has to be tried again before anything else
        goes to this chat."""
        event = held.delivery.event.type
        place = self._files if event == WITH_FILES else nullcontext()
        with of_request(held.delivery.request_id), span(f"deliver {event}", "consumer"):
            async with place:
                return await self._deliver_now(held)

    async def _deliver_now(self, held: ClaimedDelivery) -> bool:
        if self._times.clock() - held.at > self._times.fresh:
            await self._claims.put_back(held)
            return False
        report = await self._try(held)
        if report is None:
            return False
        await self._claims.settle(held, report)
        if isinstance(report, AckIn):
            METRICS.sent(held.delivery.address.platform)
            log.info("delivered", delivery=held.delivery.id, about=held.delivery.event.type)
            return True
        return report.final

    async def _try(self, held: ClaimedDelivery) -> AckIn | FailIn | None:
        """Show one delivery. None: this process must not send it now."""
        delivery = held.delivery
        try:
            with language.speaking(language.chosen(delivery.language)):
                return await self._show_all(held)
        except SendFailed as failure:
            METRICS.sent(delivery.address.platform, failure.reason)
            log.warning("delivery_not_shown", delivery=delivery.id, **vars(failure))
            return _failed(held, failure)
        except ApiError as error:
            said = {"code": error.code, "detail": error.detail}
            log.warning("delivery_not_rendered", delivery=delivery.id, **said)
            return FailIn(
                lease=held.lease,
                reason="api_refused",
                said=str(error)[:SAID_MAX],
                retry_after=error.retry_after,
                broke=_is_defect(error),
            )
        except Exception as error:
            log.exception("delivery_broke", delivery=delivery.id)
            name = type(error).__name__
            return FailIn(lease=held.lease, reason="bot_broke", said=name, broke=True)

    async def _show_all(self, held: ClaimedDelivery) -> AckIn | FailIn | None:
        """Show the result, then close its card. Raises what `_try` catches."""
        delivery, to = held.delivery, address_of(held.delivery.address)
        limits = await self._chat.limits_for(to)
        rendered = await render(delivery, self._api, limits)
        ack = AckIn(lease=held.lease)
        if rendered.reply is not None:
            if not await self._claims.begin(held, limits.repeatable):
                return None
            async with (
                self._claims.renewing(held, limits.repeatable),
                self._seen_sending(to, rendered.reply),
            ):
                ack = await self._show(held, to, rendered, rendered.reply)
        card = delivery.address.card_message_id
        if rendered.card is not None and card is not None:
            if rendered.reply is not None:
                await self._claims.shown(held, ack)
            return await self._close_card(held, to, rendered.card, card) or ack
        return ack

    @asynccontextmanager
    async def _seen_sending(self, to: Address, reply: Reply) -> AsyncIterator[None]:
        """Show meanwhile that files are coming: large ones take a while."""
        if not reply.files:
            yield
            return
        films = any(one.kind == "video" for one in reply.files)
        doing: Doing = "sending_video" if films else "sending_image"
        showing = asyncio.create_task(keep_busy(self._chat, to, doing))
        try:
            yield
        finally:
            showing.cancel()
            await asyncio.wait({showing})

    async def _show(
        self, held: ClaimedDelivery, to: Address, rendered: RenderedDelivery, reply: Reply
    ) -> AckIn:
        """Show the result; without its files, if the chat refuses those for good."""
        media = rendered.media
        try:
            shown = await self._chat.show(to, reply)
        except SendFailed as failure:
            if not failure.final or not reply.files or rendered.without_files is None:
                raise
            log.warning("files_refused", chat=to.chat_id, reason=failure.reason, said=failure.said)
            media, shown = (), await self._chat.show(to, rendered.without_files)
        refs = [
            FileRefIn(media_id=media_id, kind=kind, ref=ref)
            for (media_id, kind), ref in zip(media, shown.refs, strict=False)
            if ref
        ]
        return AckIn(lease=held.lease, message_ids=list(shown.message_ids)[:20], refs=refs)

    async def _close_card(
        self, held: ClaimedDelivery, to: Address, reply: Reply, card: str
    ) -> FailIn | None:
        """Close the card. One that can't be edited any more is no failure: the result is shown, or
        there is none."""
        try:
            there = replace(to, message_id=None)
            await self._chat.show(there, reply, replacing=ShownMessages((card,)))
        except SendFailed as failure:
            log.info("card_not_closed", delivery=held.delivery.id, **vars(failure))
            if not failure.final:
                return _failed(held, failure)
        return None

    async def _finish(self) -> None:
        """Let running sends end, for a while."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=self._times.stop)
        for task in late:
            task.cancel()
        if late:
            log.warning("deliveries_cut_by_stop", count=len(late))
            await asyncio.wait(late)


def _is_defect(error: ApiError) -> bool:
    """Whether the API would say the same again: neither it nor the bot's credential is in trouble,
    and there is nothing to wait for."""
    refused = 400 <= error.status < 500 and error.status not in (401, 403, 429)
    return refused and error.retry_after is None


def address_of(at: AddressOut) -> Address:
    answered = at.message_id or at.card_message_id
    return Address(at.platform, at.chat_id, at.thread_id, answered, at.private)


def _failed(held: ClaimedDelivery, failure: SendFailed) -> FailIn:
    return FailIn(
        lease=held.lease,
        reason=failure.reason,
        said=failure.said[:SAID_MAX],
        retry_after=None if failure.retry_after is None else min(failure.retry_after, RETRY_MOST),
        final=failure.final,
        uncertain=failure.uncertain,
    )
