"""The bot's side of the outbox: what it holds, when it begins to send, what became of it. Patient
with an api that is away."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from client.bot import BotApi
from client.errors import API_UNAVAILABLE, ApiError
from client.schemas.deliveries import AckIn, BeginIn, DeliveryOut, FailIn

log = structlog.get_logger()

BACKOFF_LEAST, BACKOFF_MOST = 0.5, 15.0
REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds. `claim`: how long one question for work waits. `fresh`: a delivery that waited
    longer for its turn is put back, for its lease could end before it is begun. `beat`: how often
    the lease of what is being sent is renewed. `settle`: how long the api is told what became of a
    delivery before that is kept for its next claim. `stop`: how long what is being sent may go on
    after a stop."""

    claim: float = 25.0
    fresh: float = 40.0
    beat: float = 20.0
    settle: float = 30.0
    stop: float = 5.0
    backoff_least: float = BACKOFF_LEAST
    backoff_most: float = BACKOFF_MOST
    clock: Callable[[], float] = time.monotonic


@dataclass(slots=True)
class Held:
    """A claimed delivery. `lease` may be renewed by another claim, when the api thought that this
    one was over."""

    delivery: DeliveryOut
    lease: str
    at: float


class Outbox:
    """What this process holds, so that no delivery is shown twice by it, whatever the api could not
    be told."""

    def __init__(self, api: BotApi, times: Times) -> None:
        self._api = api
        self._times = times
        self._held: dict[str, Held] = {}
        self._untold: OrderedDict[str, AckIn | FailIn] = OrderedDict()

    async def claim(self, limit: int) -> list[Held]:
        """What is new. Of what this process holds already only the lease is taken over, and what it
        has done is told once more."""
        new = []
        for delivery in await self._api.claim(self._times.claim, limit):
            held = self._held.get(delivery.id)
            if held is not None:
                held.lease, held.at = delivery.lease, self._times.clock()
                continue
            taken = self._held[delivery.id] = Held(delivery, delivery.lease, self._times.clock())
            untold = self._untold.pop(delivery.id, None)
            if untold is None:
                new.append(taken)
            else:
                await self.settle(taken, untold)
        return new

    def let_go(self, left: Iterable[Held]) -> None:
        """Of this nothing more is done here: when it is claimed again, it is new."""
        for held in left:
            self._held.pop(held.delivery.id, None)

    async def begin(self, held: Held, repeatable: bool) -> bool:
        """False: it must not be sent, because somebody else may be sending it, or because the api
        can't be told that it is."""
        pause = self._times.backoff_least
        while True:
            lease = held.lease
            try:
                await self._api.begin(held.delivery.id, BeginIn(lease=lease, repeatable=repeatable))
                return True
            except ApiError as error:
                late = self._times.clock() + pause - held.at > self._times.fresh
                if lease == held.lease and (error.code != API_UNAVAILABLE or late):
                    log.warning(
                        "delivery_not_begun",
                        delivery=held.delivery.id,
                        code=error.code,
                        detail=error.detail,
                    )
                    self._held.pop(held.delivery.id, None)
                    return False
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._times.backoff_most)

    async def beat(self, held: Held, repeatable: bool) -> None:
        """Renews the lease until cancelled: an upload may take minutes."""
        while True:
            await asyncio.sleep(self._times.beat)
            try:
                await self._api.begin(
                    held.delivery.id, BeginIn(lease=held.lease, repeatable=repeatable)
                )
            except ApiError as error:
                log.info("lease_not_renewed", delivery=held.delivery.id, code=error.code)

    async def shown(self, held: Held, ack: AckIn) -> None:
        """The result is shown, its card is not closed yet: told once, for the ack that follows says
        it too."""
        try:
            await self._api.ack(
                held.delivery.id, ack.model_copy(update={"lease": held.lease, "card_open": True})
            )
        except ApiError as error:
            log.info("shown_not_told", delivery=held.delivery.id, code=error.code)

    async def settle(self, held: Held, body: AckIn | FailIn) -> None:
        """Tells the api what became of it: an ack that is lost shows the result twice. What the api
        does not hear is kept for the next claim."""
        delivery_id, until, pause = (
            held.delivery.id,
            self._times.clock() + self._times.settle,
            self._times.backoff_least,
        )
        while True:
            lease = held.lease
            try:
                await self._tell(delivery_id, body.model_copy(update={"lease": lease}))
                break
            except ApiError as error:
                again = error.code == API_UNAVAILABLE and self._times.clock() + pause <= until
                if not again and lease == held.lease:
                    log.warning(
                        "delivery_not_settled",
                        delivery=delivery_id,
                        code=error.code,
                        detail=error.detail,
                    )
                    self._keep(delivery_id, body)
                    break
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._times.backoff_most)
        self._held.pop(delivery_id, None)

    async def put_back(self, held: Held, reason: str) -> None:
        """Nothing was tried. Told once: if the api does not hear it, the lease ends."""
        self._held.pop(held.delivery.id, None)
        try:
            await self._api.fail(
                held.delivery.id, FailIn(lease=held.lease, reason=reason, untried=True)
            )
        except ApiError as error:
            log.info("delivery_not_put_back", delivery=held.delivery.id, code=error.code)

    async def _tell(self, delivery_id: str, body: AckIn | FailIn) -> None:
        if isinstance(body, AckIn):
            await self._api.ack(delivery_id, body)
        else:
            await self._api.fail(delivery_id, body)

    def _keep(self, delivery_id: str, body: AckIn | FailIn) -> None:
        self._untold[delivery_id] = body
        while len(self._untold) > REMEMBERED:
            self._untold.popitem(last=False)
