"""Signals inside one process. A ring is a hint, never the truth: listeners look into the database
before and after."""

import asyncio
from collections import defaultdict


class Wake:
    """Rings reach those who wait at that moment; with several processes the waits' time limits are
    the net."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self.closed = False
        """True once the process ends: whoever waits for a client gives up then."""

    def close(self) -> None:
        self.closed = True
        for topic in list(self._waiting):
            self.ring(topic)

    def ring(self, topic: str) -> None:
        for event in self._waiting.get(topic, ()):
            event.set()

    def listen(self, topic: str) -> "WakeListener":
        """Return a listener. Listen before looking, so that a ring between look and wait is not
        missed."""
        return WakeListener(self._waiting, topic)


class WakeListener:
    """`with wake.listen(topic) as listener: ... await listener.wait(seconds)`."""

    def __init__(self, waiting: defaultdict[str, set[asyncio.Event]], topic: str) -> None:
        self._waiting = waiting
        self._topic = topic
        self._event = asyncio.Event()

    def __enter__(self) -> "WakeListener":
        self._waiting[self._topic].add(self._event)
        return self

    def __exit__(self, *_: object) -> None:
        mine = self._waiting[self._topic]
        mine.discard(self._event)
        if not mine:
            del self._waiting[self._topic]

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
