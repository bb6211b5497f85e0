"""The pace of polls: a rate for all of them, and for each model its share of the places, which
shrinks when the provider asks for fewer."""

import time
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from api import ids
from api.generations.followed import Due
from api.provider.shared_pauses import Paused, Pauses
from api.provider.types import ProviderError

PLACES = 200
"""Polls under way at a time in one process. One takes as long as the provider's answer."""
PER_SECOND = 350.0
"""Polls over all generations and workers together: the provider's guide asks for one every 30
seconds for each video, which for 10,000 videos are 333 a second."""
STEADY_PER_SECOND = 250.0
"""Polls that fall due in a second, at most: with more videos each waits longer. The rest of the
rate catches up after a pause."""
SCOPE = "polls:"
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(seconds=60)


class Pace:
    """At most `rate` a second, never more than a second's worth at once."""

    def __init__(self, rate: float) -> None:
        self._whole = self._rate = rate
        self._left = rate
        self._at = time.monotonic()

    def share(self, workers: int) -> None:
        """Keep to one part of the whole rate."""
        self._rate = self._whole / workers

    def allowed(self) -> int:
        """Return how many may start now."""
        at = time.monotonic()
        self._left = min(self._rate, self._left + (at - self._at) * self._rate)
        self._at = at
        return int(self._left)

    def take(self, number: int) -> None:
        self._left -= number

    @property
    def wait(self) -> float:
        """Return the seconds until some more may start: not for each one, because a look costs more
        than a poll."""
        return max(0.0, (min(self._rate, self._rate / 5 + 1) - self._left) / self._rate)


class ModelShares:
    """The places that polls of each model may hold.

    No model takes more than three quarters of what the others leave, so that one whose answers hang
    keeps no other from its place. A refusal (429) pauses the polls of its model in all processes
    for as long as the provider asks, and halves their number; each answer lets them grow again.
    """

    def __init__(self, pauses: Pauses) -> None:
        self._most: dict[str, float] = {}
        self._until: dict[str, datetime] = {}
        self._pauses = pauses
        pauses.join(SCOPE, self._follow)

    def _follow(self, scope: str, paused: Paused | None) -> None:
        if paused is not None:
            self._until[scope.removeprefix(SCOPE)] = paused[0]

    def full(self, running: Counter[str]) -> list[str]:
        """Return the models of which no poll may start now."""
        self._forget_pauses()
        return [
            model
            for model in {*running, *self._until, *self._most}
            if not self.room(model, running)
        ]

    def room(self, model: str, running: Counter[str]) -> int:
        """Return the number of polls of this model that may start now."""
        if model in self._until:
            return 0
        left = PLACES - running.total() + running[model]
        most = min(self._most.get(model, PLACES), max(1, left * 3 // 4))
        return max(0, min(int(most) - running[model], PLACES - running.total()))

    def choose(self, due: Iterable[Due], running: Counter[str]) -> list[str]:
        """Return the ids of those that may start."""
        running, chosen = running.copy(), []
        for each in due:
            if self.room(each.model, running):
                running[each.model] += 1
                chosen.append(each.id)
        return chosen

    @property
    def pause(self) -> float | None:
        """Return the seconds until the first pause is over; None without any."""
        self._forget_pauses()
        left = [(until - ids.now()).total_seconds() for until in self._until.values()]
        return min(left) if left else None

    def answered(self, model: str) -> None:
        most = self._most.get(model)
        if most is not None:
            self._most[model] = most + 1 / most
            if self._most[model] >= PLACES:
                del self._most[model]

    def refused(self, model: str, error: ProviderError, running: int) -> None:
        """Note an answer that asks for fewer polls. Those under way together count once."""
        if model in self._until:
            return
        self._most[model] = max(1.0, min(self._most.get(model, PLACES), running) / 2)
        asked = timedelta(seconds=error.retry_after or 0.0)
        length = min(max(asked, FIRST_PAUSE), LONGEST_PAUSE)
        self._until[model] = ids.now() + length
        self._pauses.begin(SCOPE + model, self._until[model], length)

    def _forget_pauses(self) -> None:
        at = ids.now()
        self._until = {model: until for model, until in self._until.items() if until > at}
