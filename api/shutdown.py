"""The end of a process: after the first request paid work gets its time, after a second one
everything ends at once."""

import asyncio
import time
from collections.abc import Collection
from typing import Any

from structlog import get_logger

log = get_logger("stopping")


class Stop:
    """Make it in the loop that it ends. `seconds`: what is under way gets so much time, all of it
    together."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None
        self._loop = asyncio.get_running_loop()
        self._first, self._second = asyncio.Event(), asyncio.Event()
        self.asked = False
        """Nothing that costs money is begun any more."""
        self.at_once = False

    def ask(self) -> None:
        """Ask for the end; asked once more, do not wait. Signal handlers may call it."""
        event = self._second if self.asked else self._first
        self.asked, self.at_once = True, self.asked
        self._loop.call_soon_threadsafe(
            event.set
        )  # a loop that waits for nothing else would not look before its next timer

    async def wait(self) -> None:
        """Wait until the end is asked for."""
        await self._first.wait()

    async def drained(self, what: str, work: Collection[asyncio.Task[Any]]) -> None:
        """Return when all of it is done, when the time is over, or when nobody wants to wait.
        `what` is for the log."""
        if self._until is None:
            self._until = time.monotonic() + self._seconds
        left = self._until - time.monotonic()
        if not work or left <= 0 or self.at_once:
            return
        log.info("waits_for_what_is_paid", what=what, count=len(work), seconds=round(left))
        ends = [asyncio.ensure_future(asyncio.wait(work)), asyncio.create_task(self._second.wait())]
        try:
            await asyncio.wait(ends, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
