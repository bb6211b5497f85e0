"""Duties: background work that is done once for the whole installation, by the one process that
holds their lease.

A process that ends hands the lease on at once. That of a killed one ends after `LEASE` seconds, and
another process goes on. Two processes may do the same for a moment then, which each of the duties
bears.
"""

import asyncio
import time
from contextlib import suppress

from structlog import get_logger

from api.background import LEAST, MOST, Background, Turn
from api.db import DbUnavailable
from api.ids import token
from api.leases import Leases
from api.wake import Wake

log = get_logger("duties")

LEASE = 45.0
RENEWED = 15.0
WITHOUT = 5.0
"""Seconds after which work that waits for the lease counts as going well: it is not its turn."""


class Duties:
    """`name`: the lease. `leases` None: there is one process, and it does everything."""

    def __init__(
        self, name: str, background: Background, leases: Leases | None, wake: Wake
    ) -> None:
        self._name = name
        self._background = background
        self._leases = leases
        self._wake = wake
        self._holder = token(128)
        self._held = asyncio.Event()
        self._until = 0.0

    @property
    def held(self) -> bool:
        """Tell whether this process does the duties now."""
        return self._leases is None or (self._held.is_set() and time.monotonic() < self._until)

    def start(self) -> None:
        if self._leases is not None:
            self._background.add(self._name, self._turn, most=RENEWED)

    def add(
        self,
        name: str,
        turn: Turn,
        *,
        first: float = 0.0,
        least: float = LEAST,
        most: float = MOST,
    ) -> None:
        """Add a duty, as `Background.add`."""

        async def duty() -> float:
            return await turn() if await self._has_lease() else 0.0

        work = turn if self._leases is None else duty
        self._background.add(name, work, first=first, least=least, most=most)

    async def close(self) -> None:
        """Hand the lease on, after the end of the background's work."""
        if self._leases is None or not self.held:
            return
        self._held.clear()
        with suppress(DbUnavailable):  # then it ends by itself
            await self._leases.give_back(self._name, self._holder)
            self._wake.ring(self._name)

    async def _has_lease(self) -> bool:
        try:
            async with asyncio.timeout(WITHOUT):
                await self._held.wait()
        except TimeoutError:
            return False
        return self.held

    async def _turn(self) -> float:
        """Take the lease, or renew it; then wait for the next time, or until it is handed on."""
        with self._wake.listen(self._name) as listener:
            await self._take()
            await listener.wait(RENEWED)
        return 0.0

    async def _take(self) -> None:
        assert self._leases is not None
        until = time.monotonic() + LEASE
        lease = await self._leases.take(self._name, self._holder, LEASE)
        if lease is None:
            self._held.clear()
            return
        if not self.held:
            log.info("duties_taken", lease=self._name, fence=lease.fence)
        self._until = until
        self._held.set()
