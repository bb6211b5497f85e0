"""Waiting cards that move by themselves: place in the queue, elapsed and usual time.

The api names the open cards of the platform's chats, so cards go on after a restart, and of several
processes one moves them at a time. A result may close its card while an edit is on its way: a card
that this process moved is closed once more when it is known to be over.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from bots.core import language
from bots.core.activity import ACTIVITY
from bots.core.cards import closed_card, moving_card
from bots.core.delivery_pump import address_of
from bots.core.metrics import METRICS
from bots.core.recent import Recent
from bots.core.types import Doing, Messenger, Reply, SendFailed, ShownMessages
from client import calls
from client.bot import BotApi
from client.errors import ApiError
from client.schemas.deliveries import OpenCardOut, OpenCardsIn
from client.schemas.generations import GenerationOut

log = structlog.get_logger()

AT_ONCE = 8
IN_A_CHAT = 2
"""Cards of one chat that move in a round: it has better uses for its edits."""
REMEMBERED = 1_000
KNOWN_MOST = 200
OLD_SECONDS = 120.0
"""Age of a request whose chat shows no sign of work any more: people have gone on."""


@dataclass(frozen=True, slots=True)
class CardTimes:
    """Seconds. `round`: pause between two rounds while cards are open. `idle`: the same while none
    is known."""

    round: float = 5.0
    idle: float = 60.0
    clock: Callable[[], float] = time.monotonic


async def move_cards(chat: Messenger, api: BotApi, times: CardTimes | None = None) -> None:
    """Run until cancelled."""
    await MovingCards(chat, api, times or CardTimes()).run()


class MovingCards:
    def __init__(self, chat: Messenger, api: BotApi, times: CardTimes) -> None:
        self._chat = chat
        self._api = api
        self._times = times
        self._known: Recent[str, float] = Recent(KNOWN_MOST)
        """Generations whose cards this process moved, and the time of the last move."""
        self._stuck: Recent[str, None] = Recent(REMEMBERED)
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        with ACTIVITY.cards_told() as told:
            while True:
                pause = self._times.round if await self._round() else self._times.idle
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await told.wait()
                if told.is_set():
                    told.clear()
                    await asyncio.sleep(self._times.round)

    async def _round(self) -> bool:
        """Move what can move; whether any card is open."""
        asked = OpenCardsIn(known=list(self._known), seconds=self._times.round * 0.8)
        try:
            found = await self._api.send(calls.open_cards(asked))
        except ApiError as error:
            log.info("cards_not_asked", code=error.code, detail=error.detail)
            return bool(self._known)
        there = {one.generation.id for one in found}
        for gone in [one for one in self._known if one not in there]:
            del self._known[gone]
        await asyncio.gather(*(self._move(one) for one in self._chosen(found)))
        return any(not one.closed for one in found)

    def _chosen(self, found: list[OpenCardOut]) -> list[OpenCardOut]:
        """The cards of this round: all that are over, and a few of each chat that were moved
        longest ago."""
        moving: dict[tuple[str, str | None], list[OpenCardOut]] = {}
        for one in sorted(found, key=lambda one: self._known.get(one.generation.id, 0.0)):
            ended_badly = one.generation.status in ("failed", "cancelled")
            if not (one.closed or ended_badly or one.generation.id in self._stuck):
                moving.setdefault((one.address.chat_id, one.address.thread_id), []).append(one)
        over = [one for one in found if one.closed]
        return over + [one for each in moving.values() for one in each[:IN_A_CHAT]]

    async def _move(self, card: OpenCardOut) -> None:
        made, to = card.generation, replace(address_of(card.address), message_id=None)
        async with self._slots:
            with language.speaking(language.chosen(card.language)):
                reply = closed_card(made) if card.closed else moving_card(made)
            try:
                if not card.closed and (doing := _doing(made)) is not None:
                    await self._chat.busy(to, doing)
                await self._edit(card, reply)
            except SendFailed as failure:
                self._note(card, failure)
            except Exception:  # a defect of one card holds up no other
                log.exception("card_broke", generation=made.id)
                self._stuck[made.id] = None

    async def _edit(self, card: OpenCardOut, reply: Reply) -> None:
        made, message_id = card.generation, card.address.card_message_id or ""
        to = replace(address_of(card.address), message_id=None)
        if not card.closed:
            self._known[made.id] = self._times.clock()
        await self._chat.show(to, reply, replacing=ShownMessages((message_id,)))
        if card.closed:
            self._known.pop(made.id, None)

    def _note(self, card: OpenCardOut, failure: SendFailed) -> None:
        METRICS.sent(card.address.platform, failure.reason)
        log.info("card_not_moved", generation=card.generation.id, **vars(failure))
        if failure.final:
            self._stuck[card.generation.id] = None
            self._known.pop(card.generation.id, None)


def _doing(made: GenerationOut) -> Doing | None:
    if made.status == "completed":
        return "sending_image" if made.kind == "image" else "sending_video"
    if made.status != "processing" or (made.elapsed_seconds or 0) > OLD_SECONDS:
        return None
    return "drawing" if made.kind == "image" else "filming"
