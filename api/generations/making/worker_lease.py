"""The leases of one worker: all of its generations carry its token until the same moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(slots=True)
class WorkerLease:
    """`lapsed`: generations that may be taken from whoever leased them."""

    token: str
    seconds: float
    lapsed: Sequence[str] = ()

    def until(self, at: datetime) -> datetime:
        return at + timedelta(seconds=self.seconds)
