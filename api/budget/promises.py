"""Holds in memory: those of work that ends with its process, where one process has the database.

A crash would release them anyway, so no row is written before the work. They count in every check
until they are closed, and get their row then.
"""

from collections import Counter
from dataclasses import replace
from datetime import datetime

from api import ids
from api.budget.store import Hold, Place


class Promises:
    """The open ones by id, and those that the running transaction closes. They change only inside
    of a transaction, which has the embedded engine alone."""

    def __init__(self) -> None:
        self._holds: dict[str, Hold] = {}
        self._amounts: Counter[Place] = Counter()
        self._closing: dict[str, Hold] = {}

    def add(self, hold: Hold) -> None:
        self._holds[hold.id] = hold
        self._count(hold, hold.amount_micro)

    def take(self, hold_id: str) -> Hold | None:
        """Close and return one. Readers see it until the transaction ends, because they do not see
        its row earlier."""
        hold = self._remove(hold_id)
        if hold is not None:
            self._closing[hold_id] = hold
        return hold

    def of_subject(self, subject: str) -> Hold | None:
        """Return the one of a subject, also while it is being closed."""
        holds = (*self._holds.values(), *self._closing.values())
        return next((hold for hold in holds if hold.subject == subject), None)

    def older(self, subject_prefix: str, before: datetime) -> list[str]:
        """Return the ids of those of an age."""
        return [
            hold.id
            for hold in self._holds.values()
            if hold.subject.startswith(subject_prefix) and hold.id < ids.floor(before)
        ]

    def amount(self, place: Place) -> int:
        """Return the sum that is promised out of a counter."""
        return self._amounts[place]

    def shown(self) -> Counter[Place]:
        """Return the sums for readers, with those that are being closed."""
        sums = self._amounts.copy()
        for hold in self._closing.values():
            for place in hold.places:
                sums[place] += hold.amount_micro
        return sums

    def end(self) -> None:
        """Forget those that were closed: the transaction has ended."""
        self._closing.clear()

    def hand_over(self, user_id: str, to: str) -> None:
        """Count the promises of one account for another one from now on."""
        for hold in [hold for hold in self._holds.values() if hold.user_id == user_id]:
            self._remove(hold.id)
            self.add(replace(hold, user_id=to))

    def all(self) -> list[Hold]:
        return list(self._holds.values())

    def restore(self, holds: list[Hold]) -> None:
        """Have only these from now on."""
        self._holds, self._amounts = {}, Counter()
        for hold in holds:
            self.add(hold)

    def _remove(self, hold_id: str) -> Hold | None:
        hold = self._holds.pop(hold_id, None)
        if hold is not None:
            self._count(hold, -hold.amount_micro)
        return hold

    def _count(self, hold: Hold, amount: int) -> None:
        for place in hold.places:
            self._amounts[place] += amount
            if not self._amounts[place]:
                del self._amounts[place]
