"""The apis and workers that live: each keeps a lease of its own, so that they share what is limited
for all, and take care of what a dead one has left."""

import time
from collections.abc import Sequence
from contextlib import suppress

from api.db import DbUnavailable
from api.ids import token
from api.leases import Leases

PREFIX = "process:"
LEASE = 10.0
RENEWED = 3.0
PATIENCE = 4.5
"""Seconds for which a process has to be missing while this one reaches the database. One that could
not reach it either has a lease that is over, too."""
PAID_PATIENCE = 35.0
"""The same for what may be paid for already: a process that stands still for a shorter time brings
it to its end as if nothing had been, and one that comes back later books it late. With the lease,
and the looks before and after it, less than a minute."""
FORGOTTEN_EVERY = 3600.0


class LiveProcesses:
    """`role`: `worker` when this process makes generations. `leases` None: there is no other
    process, and no `turn` to do."""

    def __init__(self, leases: Leases | None, role: str) -> None:
        self._leases = leases
        self.name = f"{PREFIX}{role}:{token(128)}"
        self.all = self.workers = 1
        """Their number, and the number of those that make generations."""
        self._missing: dict[str, float] = {}
        self._forgot_at = 0.0

    async def turn(self) -> float:
        assert self._leases is not None
        await self._leases.take(self.name, self.name, LEASE)
        live = await self._leases.held(PREFIX)
        self.all = len(live)
        self.workers = max(1, sum(name.startswith(f"{PREFIX}worker:") for name in live))
        if time.monotonic() - self._forgot_at > FORGOTTEN_EVERY:
            await self._leases.forget(PREFIX)
            self._forgot_at = time.monotonic()
        return RENEWED

    async def close(self) -> None:
        if self._leases is not None:
            with suppress(DbUnavailable):  # then it ends by itself
                await self._leases.give_back(self.name, self.name)

    async def dead(self, names: Sequence[str], patience: float | None = None) -> list[str]:
        """Return those of these processes that do not live any more: they are missing for
        `patience` seconds, `PATIENCE` by default. It counts from the first time that they are asked
        for."""
        if self._leases is None:
            return []
        patience = PATIENCE if patience is None else patience
        live, at = set(await self._leases.held(PREFIX)), time.monotonic()
        for name in names:
            self._missing.setdefault(name, at)
        self._missing = {
            name: since
            for name, since in self._missing.items()
            if name not in live and at - since < FORGOTTEN_EVERY
        }
        missing = self._missing
        return [name for name in names if name in missing and at - missing[name] >= patience]
