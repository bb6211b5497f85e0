"""The bot's side of the outbox: claimed deliveries, their leases, and the report of their result.
It is patient with an API that is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from bots.core.recent import Recent
from client import calls
from client.bot import BotApi
from client.errors import API_UNAVAILABLE, ApiError
from client.schemas.deliveries import AckIn, BeginIn, DeliveryOut, FailIn

log = structlog.get_logger()

BACKOFF_LEAST, BACKOFF_MOST = 0.5, 15.0
REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class PumpTimes:
    """Seconds. `claim`: length of one question for work. `fresh`: a delivery that waited longer for
    its turn is put back, because its lease could end before it is begun. `beat`: pause between
    renewals of the lease of a delivery that is being sent. `settle`: the API is told a result for
    so long before it is kept for the next claim. `stop`: sending may go on for so long after a
    stop."""

    claim: float = 25.0
    fresh: float = 40.0
    beat: float = 20.0
    settle: float = 30.0
    stop: float = 5.0
    backoff_least: float = BACKOFF_LEAST
    backoff_most: float = BACKOFF_MOST
    clock: Callable[[], float] = time.monotonic


@dataclass(slots=True)
class ClaimedDelivery:
    """A claimed delivery. Another claim may renew `lease`, when the API thought that it was
    over."""

    delivery: DeliveryOut
    lease: str
    at: float


class DeliveryClaims:
    """The deliveries that this process holds. It shows none of them twice, even if the API could
    not be told the result."""

    def __init__(self, api: BotApi, times: PumpTimes, process: str | None) -> None:
        self._api = api
        self._process = process
        self._times = times
        self._held: dict[str, ClaimedDelivery] = {}
        self._untold: Recent[str, AckIn | FailIn] = Recent(REMEMBERED)

    async def claim(self, limit: int) -> list[ClaimedDelivery]:
        """The new deliveries. Of one that this process holds already only the lease is taken over,
        and a result that it has already is told once more."""
        new = []
        for delivery in await self._api.send(calls.claim(self._times.claim, limit, self._process)):
            held = self._held.get(delivery.id)
            if held is not None:
                held.lease, held.at = delivery.lease, self._times.clock()
                continue
            taken = ClaimedDelivery(delivery, delivery.lease, self._times.clock())
            self._held[delivery.id] = taken
            untold = self._untold.pop(delivery.id, None)
            if untold is None:
                new.append(taken)
            else:
                await self.settle(taken, untold)
        return new

    def let_go(self, left: Iterable[ClaimedDelivery]) -> None:
        """Forget these: when they are claimed again, they are new."""
        for held in left:
            self._held.pop(held.delivery.id, None)

    async def begin(self, held: ClaimedDelivery, repeatable: bool) -> bool:
        """Tell the API that it is being sent. False: it must not be sent, because somebody else may
        be sending it, or because the API can't be told."""
        pause = self._times.backoff_least
        while True:
            lease = held.lease
            begin = BeginIn(lease=lease, repeatable=repeatable)
            try:
                await self._api.send(calls.begin(held.delivery.id, begin))
                return True
            except ApiError as error:
                late = self._times.clock() + pause - held.at > self._times.fresh
                if lease == held.lease and (error.code != API_UNAVAILABLE or late):
                    said = {"code": error.code, "detail": error.detail}
                    log.warning("delivery_not_begun", delivery=held.delivery.id, **said)
                    self._held.pop(held.delivery.id, None)
                    return False
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._times.backoff_most)

    @asynccontextmanager
    async def renewing(self, held: ClaimedDelivery, repeatable: bool) -> AsyncIterator[None]:
        """Renew the lease meanwhile: an upload may take minutes."""
        beat = asyncio.create_task(self._beat(held, repeatable))
        try:
            yield
        finally:
            beat.cancel()
            await asyncio.wait({beat})

    async def _beat(self, held: ClaimedDelivery, repeatable: bool) -> None:
        while True:
            await asyncio.sleep(self._times.beat)
            begin = BeginIn(lease=held.lease, repeatable=repeatable)
            try:
                await self._api.send(calls.begin(held.delivery.id, begin))
            except ApiError as error:
                log.info("lease_not_renewed", delivery=held.delivery.id, code=error.code)

    async def shown(self, held: ClaimedDelivery, ack: AckIn) -> None:
        """Tell the API that the result is shown and its card still open. Told once, because the ack
        that follows says it too."""
        body = ack.model_copy(update={"lease": held.lease, "card_open": True})
        try:
            await self._api.send(calls.ack(held.delivery.id, body))
        except ApiError as error:
            log.info("shown_not_told", delivery=held.delivery.id, code=error.code)

    async def settle(self, held: ClaimedDelivery, body: AckIn | FailIn) -> None:
        """Tell the API the result: a lost ack shows it twice. A report that the API does not hear
        is kept for the next claim."""
        delivery_id, pause = held.delivery.id, self._times.backoff_least
        until = self._times.clock() + self._times.settle
        while True:
            lease = held.lease
            told = body.model_copy(update={"lease": lease})
            try:
                if isinstance(told, AckIn):
                    await self._api.send(calls.ack(delivery_id, told))
                else:
                    await self._api.send(calls.fail(delivery_id, told))
                break
            except ApiError as error:
                again = error.code == API_UNAVAILABLE and self._times.clock() + pause <= until
                if not again and lease == held.lease:
                    said = {"code": error.code, "detail": error.detail}
                    log.warning("delivery_not_settled", delivery=delivery_id, **said)
                    self._untold[delivery_id] = body
                    break
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._times.backoff_most)
        self._held.pop(delivery_id, None)

    async def put_back(self, held: ClaimedDelivery) -> None:
        """Give a delivery back untried. Told once: if the API does not hear it, the lease ends."""
        self._held.pop(held.delivery.id, None)
        untried = FailIn(lease=held.lease, untried=True)
        try:
            await self._api.send(calls.fail(held.delivery.id, untried))
        except ApiError as error:
            log.info("delivery_not_put_back", delivery=held.delivery.id, code=error.code)
