"""Rings: hints that something has changed. They are never the truth: listeners look into the
database before and after.

A ring reaches those who wait in this process at that moment, and through a relay those in the other
processes. Rings that are lost on the way are made up for by the time limits of the waits.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import chain

Relay = Callable[[str], None]
"""Pass a ring on to the other processes; returns at once."""


class Wake:
    """`hears_all`: rings of all processes reach this one. A lone process has no others."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._called: dict[str, Callable[[], None]] = {}
        self._relay: Relay | None = None
        self.hears_all = True
        self.closed = False
        """True once the process ends: whoever waits for a client gives up then."""

    @property
    def hears_others(self) -> bool:
        """Tell whether there may be other processes, and their rings come."""
        return self._relay is not None and self.hears_all

    def close(self) -> None:
        self.closed = True
        self.ring_all_here()

    def connect(self, relay: Relay) -> None:
        """Pass rings on from now on. Others are not heard until `hears` says so."""
        self._relay = relay
        self.hears_all = False

    def hears(self, *, others: bool) -> None:
        """Note whether the others are heard from now on. Everybody looks once, because rings may
        have been lost before, and waits as long as the new state allows."""
        self.hears_all = others
        self.ring_all_here()

    def ring(self, topic: str) -> None:
        """Ring here and in all other processes. Call it after the commit of what has changed."""
        self.ring_here(topic)
        if self._relay is not None:
            self._relay(topic)

    def ring_here(self, topic: str) -> None:
        """Ring for what only this process can take up."""
        for event in self._waiting.get(topic, ()):
            event.set()
        if (work := self._called.get(topic)) is not None:
            work()

    def ring_all_here(self) -> None:
        for event in chain.from_iterable(self._waiting.values()):
            event.set()

    def limit(self, heard: float, unheard: float) -> float:
        """Return the time limit of a wait: `unheard` while other processes' rings do not come."""
        return heard if self.hears_all else unheard

    def call(self, topic: str, work: Callable[[], None] | None) -> None:
        """Call `work` at each ring that is for this topic alone, instead of a task that waits for
        it; None: no more."""
        if work is None:
            self._called.pop(topic, None)
        else:
            self._called[topic] = work

    def listen(self, *topics: str) -> "WakeListener":
        """Return a listener. Listen before looking, so that a ring between look and wait is not
        missed."""
        return WakeListener(self._waiting, topics)


class WakeListener:
    """`with wake.listen(topic) as listener: ... await listener.wait(seconds)`."""

    def __init__(
        self, waiting: defaultdict[str, set[asyncio.Event]], topics: Sequence[str]
    ) -> None:
        self._waiting = waiting
        self._topics = topics
        self._event = asyncio.Event()

    def __enter__(self) -> "WakeListener":
        for topic in self._topics:
            self._waiting[topic].add(self._event)
        return self

    def __exit__(self, *_: object) -> None:
        for topic in self._topics:
            mine = self._waiting[topic]
            mine.discard(self._event)
            if not mine:
                del self._waiting[topic]

    async def wait(self, seconds: float) -> bool:
        """Wait for a ring. True when it rang; the next wait needs a new ring."""
        try:
            # not wait_for: before Python 3.12 it loses a cancel that comes at the moment of the
            # ring
            async with asyncio.timeout(max(0.0, seconds)):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True
