"""Telegram's rate limits, kept by the bot itself: for all chats together, for a private chat, for a
group. Flood waits that Telegram asks for count on top."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from bots.core.recent import Recent
from bots.core.types import SendFailed

REMEMBERED = 2_000
"""A forgotten chat may speak at once: by then it has been silent for long."""
PATIENCE = 15.0
"""Seconds that a call waits for its turn. A call that would wait longer fails with the time of its
next try."""


@dataclass(frozen=True, slots=True)
class CallRate:
    """`burst` calls at once, then one every `seconds`."""

    seconds: float
    burst: int


EVERYWHERE = CallRate(1 / 30, 30)
PRIVATE = CallRate(1.0, 10)
GROUP = CallRate(3.0, 20)


class LeakyBucket:
    """Calls that leak out at a rate; `_empty_at` is the time at which none would be left."""

    __slots__ = ("_empty_at", "_rate")

    def __init__(self, rate: CallRate) -> None:
        self._rate = rate
        self._empty_at = 0.0

    def wait(self, now: float, cost: int) -> float:
        """Seconds until `cost` more calls fit in. More than a burst fits into an empty bucket."""
        room = (min(cost, self._rate.burst) - self._rate.burst) * self._rate.seconds
        return max(0.0, max(self._empty_at, now) + room - now)

    def take(self, now: float, cost: int) -> None:
        self._empty_at = max(self._empty_at, now) + cost * self._rate.seconds


class RateLimits:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._everywhere = LeakyBucket(EVERYWHERE)
        self._chats: Recent[int, LeakyBucket] = Recent(REMEMBERED)
        self._quiet_until: dict[int, float] = {}

    def turn(self, chat_id: int, cost: int = 1, patience: float = PATIENCE) -> float:
        """Take the next turn in this chat and return the seconds to wait for it. Raises
        `SendFailed`, and takes no turn, when it is too far away."""
        now, quiet = self._clock(), self.quiet(chat_id)
        chat = self._chats.get(chat_id) or LeakyBucket(PRIVATE if chat_id > 0 else GROUP)
        self._chats[chat_id] = chat
        wait = max(quiet, self._everywhere.wait(now, cost), chat.wait(now, cost))
        if quiet:
            raise SendFailed("Telegram asked to slow down in this chat", retry_after=wait)
        if wait > patience:
            raise SendFailed("too much for this chat at once", retry_after=wait)
        # the common bucket counts the call now, not when its turn comes: a chat that waits long
        # must not take the turns of the others
        self._everywhere.take(now, cost)
        chat.take(now, cost)
        return wait

    def quiet(self, chat_id: int) -> float:
        """Seconds left of the silence that Telegram asked for in this chat."""
        return max(0.0, self._quiet_until.get(chat_id, 0.0) - self._clock())

    def slow_down(self, chat_id: int, seconds: float) -> None:
        now = self._clock()
        held = {chat: until for chat, until in self._quiet_until.items() if until > now}
        self._quiet_until = held | {chat_id: now + seconds}
