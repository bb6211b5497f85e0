"""The apis and workers that live: each keeps a lease of its own, so that they share what is limited
for all, and take care of what a dead one has left."""

import time
from collections.abc import Sequence
from contextlib import suppress

from api.db import DbUnavailable
from api.ids import token
from api.leases import Leases

PREFIX = "process:"
LEASE = 45.0
RENEWED = 15.0


class LiveProcesses:
    """`role`: `worker` when this process makes generations. `leases` None: there is no other
    process, and no `turn` to do."""

    def __init__(self, leases: Leases | None, role: str) -> None:
        self._leases = leases
        self.name = f"{PREFIX}{role}:{token(128)}"
        self.all = self.workers = 1
        """Their number, and the number of those that make generations."""
        self._missing: dict[str, float] = {}

    async def turn(self) -> float:
        assert self._leases is not None
        await self._leases.take(self.name, self.name, LEASE)
        live = await self._leases.held(PREFIX)
        self.all = len(live)
        self.workers = max(1, sum(name.startswith(f"{PREFIX}worker:") for name in live))
        await self._leases.forget(PREFIX)
        return RENEWED

    async def close(self) -> None:
        if self._leases is not None:
            with suppress(DbUnavailable):  # then it ends by itself
                await self._leases.give_back(self.name, self.name)

    async def dead(self, names: Sequence[str]) -> list[str]:
        """Return those of these processes that do not live any more. A process that could not reach
        the database for a while has a lease that is over, too: it counts as dead once it has not
        renewed it for a time in which this process could."""
        if self._leases is None:
            return []
        live, at = set(await self._leases.held(PREFIX)), time.monotonic()
        self._missing = {name: self._missing.get(name, at) for name in names if name not in live}
        return [name for name, since in self._missing.items() if at - since >= RENEWED * 1.5]
