"""How fast the bot may speak: everywhere together, in one chat, in one group. What Telegram asks
for by itself counts on top."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from bots.core.types import SendFailed

REMEMBERED = 2_000
"""A chat that is forgotten may speak at once: by then it has been silent for long."""
PATIENCE = 15.0
"""Seconds that a call waits for its turn. Whoever would have to wait longer is told when to come
again."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` calls at once, then one every `seconds`."""

    seconds: float
    burst: int


EVERYWHERE = Rate(1 / 30, 30)
PRIVATE = Rate(1.0, 10)
GROUP = Rate(3.0, 20)


class Bucket:
    """Calls leak out of it at the rate; `empty_at` is when none would be left."""

    __slots__ = ("_empty_at", "_rate")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._empty_at = 0.0

    def wait(self, now: float, cost: int) -> float:
        """Seconds until so many more fit in. More than a burst fits in when all others are out."""
        fits_at = (
            max(self._empty_at, now)
            + (min(cost, self._rate.burst) - self._rate.burst) * self._rate.seconds
        )
        return max(0.0, fits_at - now)

    def take(self, now: float, cost: int) -> None:
        self._empty_at = max(self._empty_at, now) + cost * self._rate.seconds


class Pace:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._everywhere = Bucket(EVERYWHERE)
        self._chats: OrderedDict[int, Bucket] = OrderedDict()
        self._quiet_until: dict[int, float] = {}

    def turn(self, chat_id: int, cost: int = 1, patience: float = PATIENCE) -> float:
        """Takes the next turn in this chat: seconds to wait for it. Raises `SendFailed`, and takes
        none, when it is too far away."""
        now = self._clock()
        wait = max(self.quiet(chat_id), self._wait(chat_id, now, cost))
        if self.quiet(chat_id):
            raise SendFailed("Telegram asked to slow down in this chat", retry_after=wait)
        if wait > patience:
            raise SendFailed("too much for this chat at once", retry_after=wait)
        # at the time that it is now: a chat that has to wait long must not take the others' turns
        # away
        self._everywhere.take(now, cost)
        self._chat(chat_id).take(now, cost)
        return wait

    def _wait(self, chat_id: int, now: float, cost: int) -> float:
        return max(self._everywhere.wait(now, cost), self._chat(chat_id).wait(now, cost))

    def quiet(self, chat_id: int) -> float:
        """Seconds for which Telegram wants to hear nothing in this chat."""
        return max(0.0, self._quiet_until.get(chat_id, 0.0) - self._clock())

    def slow_down(self, chat_id: int, seconds: float) -> None:
        now = self._clock()
        self._quiet_until = {
            chat: until for chat, until in self._quiet_until.items() if until > now
        } | {chat_id: now + seconds}

    def _chat(self, chat_id: int) -> Bucket:
        bucket = self._chats.get(chat_id)
        if bucket is None:
            bucket = self._chats[chat_id] = Bucket(PRIVATE if chat_id > 0 else GROUP)
        self._chats.move_to_end(chat_id)
        while len(self._chats) > REMEMBERED:
            self._chats.popitem(last=False)
        return bucket
