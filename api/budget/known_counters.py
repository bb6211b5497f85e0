"""Counters as they stand in the database, in memory, where one process has the database alone.

They are known from the rounds of `BudgetService.transaction`. A counter that another transaction
has changed is read anew.
"""

from collections.abc import Mapping

from api.budget.store import Counter, Place

KNOWN_MOST = 10_000


class KnownCounters:
    """`begin` and `end` stand around a transaction; one without them reads each counter."""

    def __init__(self) -> None:
        self._committed: dict[Place, Counter] = {}
        self._seen: dict[Place, Counter] | None = None

    def begin(self) -> None:
        if len(self._committed) > KNOWN_MOST:
            self._committed.clear()
        self._seen = {}

    def end(self, *, committed: bool) -> None:
        """Keep the counters of the transaction, or none at all when it came to nothing."""
        if committed and self._seen is not None:
            self._committed |= self._seen
        else:
            self._committed.clear()
        self._seen = None

    def get(self, place: Place) -> Counter | None:
        if self._seen is None:
            return None
        return self._seen.get(place) or self._committed.get(place)

    def read(self, counters: Mapping[Place, Counter]) -> None:
        """Remember counters that the transaction has read."""
        if self._seen is not None:
            self._seen |= counters

    def change(self, changes: Mapping[Place, Counter]) -> None:
        """Follow changes of the transaction."""
        for place, change in changes.items():
            known = self.get(place)
            self._committed.pop(place, None)
            if self._seen is not None and known is not None:
                self._seen[place] = known + change

    def forget(self) -> None:
        """Know nothing, not even what this transaction has seen so far."""
        self._committed.clear()
        self._seen = None
