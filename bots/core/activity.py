"""The memory of this process: answers that are being written, buttons pressed a moment ago, and
requests that failed."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from bots.core.recent import Recent
from bots.core.types import Inbound

T = TypeVar("T")

TWICE_SECONDS = 3.0
"""A second press of the same button within this time is a trembling finger."""
STRANGER_SECONDS = 3600.0
"""Pause between answers to a person without an account that others read, too."""
PRESSES = 1_000
REMEMBERED = 500
"""Failed requests, which a button can repeat."""


@dataclass(frozen=True, slots=True, eq=False)
class RunningAnswer:
    """An answer that is being written to `owner` in `place`, to a message where the platform has
    one. `ids`: the api's, of each try."""

    owner: str
    place: tuple[str, str | None]
    message_id: str | None = None
    ids: set[str] = field(default_factory=set)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)


class Activity:
    def __init__(self, stranger_seconds: float = STRANGER_SECONDS) -> None:
        self._stranger_seconds = stranger_seconds
        self._strangers: Recent[str, float] = Recent(PRESSES)
        self._answers: list[RunningAnswer] = []
        self._presses: Recent[tuple[str, ...], float] = Recent(PRESSES)
        self._failed: Recent[str, Inbound] = Recent(REMEMBERED)
        self._cards: set[asyncio.Event] = set()

    @contextmanager
    def cards_told(self) -> Iterator[asyncio.Event]:
        """An event that is set when a waiting card was shown."""
        told = asyncio.Event()
        self._cards.add(told)
        try:
            yield told
        finally:
            self._cards.discard(told)

    def card_shown(self) -> None:
        for told in self._cards:
            told.set()

    @contextmanager
    def answering(self, inbound: Inbound) -> Iterator[RunningAnswer]:
        one = RunningAnswer(_person(inbound), _place(inbound), inbound.address.message_id)
        self._answers.append(one)
        try:
            yield one
        finally:
            self._answers.remove(one)

    def find(self, answer_id: str) -> RunningAnswer | None:
        return next((one for one in self._answers if answer_id in one.ids), None)

    def answer_to(self, inbound: Inbound) -> RunningAnswer | None:
        """The answer to the message that this stop names."""
        named = _place(inbound), inbound.address.message_id
        return next((one for one in self._answers if (one.place, one.message_id) == named), None)

    def owns(self, inbound: Inbound, one: RunningAnswer) -> bool:
        return one.owner == _person(inbound)

    def newest(self, inbound: Inbound) -> RunningAnswer | None:
        """The last answer that is being written to this person here."""
        here = [one for one in self._answers if one.place == _place(inbound)]
        return next((one for one in reversed(here) if self.owns(inbound, one)), None)

    def remember(self, inbound: Inbound) -> str:
        """A name for a failed request, good for as long as this process runs."""
        token = secrets.token_hex(6)
        self._failed[token] = inbound
        return token

    def failed_request(self, token: str) -> Inbound | None:
        """The failed request of that name."""
        return self._failed.get(token)

    def may_hear(self, inbound: Inbound) -> bool:
        """Whether it is time to answer this stranger where others read along; true once an hour."""
        person, now = _person(inbound), time.monotonic()
        if now - self._strangers.get(person, float("-inf")) < self._stranger_seconds:
            return False
        self._strangers[person] = now
        return True

    def pressed_twice(self, inbound: Inbound) -> bool:
        """Whether this person pressed this very button a moment ago."""
        if inbound.pressed is None:
            return False
        key = (_person(inbound), inbound.pressed, inbound.command, inbound.text)
        now = time.monotonic()
        before = self._presses.get(key, float("-inf"))
        self._presses[key] = now
        return now - before < TWICE_SECONDS


ACTIVITY = Activity()
"""One for each process."""


async def until(stopped: asyncio.Event, events: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The events until `stopped` is set. Then their source is closed, also in the middle of
    waiting."""
    stopping = asyncio.ensure_future(stopped.wait())
    async with aclosing(events):
        try:
            while True:
                coming = asyncio.ensure_future(anext(events))
                try:
                    await asyncio.wait({coming, stopping}, return_when=asyncio.FIRST_COMPLETED)
                    if stopped.is_set():
                        return
                    event = coming.result()
                except StopAsyncIteration:
                    return
                finally:
                    coming.cancel()
                    await asyncio.wait({coming})
                yield event
        finally:
            stopping.cancel()


def _person(inbound: Inbound) -> str:
    return f"{inbound.address.platform}:{inbound.sender.id}"


def _place(inbound: Inbound) -> tuple[str, str | None]:
    return inbound.address.chat_id, inbound.address.thread_id
