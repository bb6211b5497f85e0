"""The daily comparison of the provider's figure for our key with our ledger. Nothing is corrected
by itself.

A difference has reasons: calls whose outcome stayed unknown and that nobody was charged for, work
that was under way at midnight, and a key that something else uses too.
"""

from datetime import timedelta
from itertools import pairwise
from typing import Protocol

import structlog

from api import ids
from api.budget import readings
from api.budget.schemas import ComparedOut
from api.db import Db, Duplicate, Row
from api.provider.types import KeyState
from api.schemas import usd

log = structlog.get_logger("budget")

SHOWN = timedelta(days=31)
NOTABLE_MICRO = 50_000
NOTABLE_PART = 50
"""A difference of more than five cents that is also more than a 50th is worth a warning."""


class KeyReader(Protocol):
    async def key(self) -> KeyState: ...


class Comparison:
    def __init__(self, db: Db, provider: KeyReader) -> None:
        self._db = db
        self._provider = provider

    async def record(self) -> None:
        """Once a day (UTC), whoever comes first. Raises `ProviderError`."""
        day = f"{ids.now():%Y-%m-%d}"
        if await readings.has_reading(self._db, day):
            return
        used = (await self._provider.key()).used_micro
        if used is None:
            return
        try:
            await readings.add_reading(self._db, day, ids.now(), used)
        except Duplicate:
            return
        for compared in (await self.days())[:1]:
            difference = abs(compared.difference_usd)
            notable = difference > max(
                usd(NOTABLE_MICRO), abs(compared.provider_usd) / NOTABLE_PART
            )
            (log.warning if notable else log.info)(
                "provider_usage_compared", **compared.model_dump(mode="json")
            )

    async def days(self) -> list[ComparedOut]:
        """Between each two readings, newest first. A sum that went down is another key's: it begins
        anew."""
        found = await readings.readings(self._db, ids.now() - SHOWN)
        return [
            _compared(earlier, later)
            for later, earlier in pairwise(found)
            if later["used_micro"] >= earlier["used_micro"]
        ]


def _compared(earlier: Row, later: Row) -> ComparedOut:
    used, booked = (usd(later[name] - earlier[name]) for name in ("used_micro", "booked_micro"))
    since, until = earlier["read_at"], later["read_at"]
    return ComparedOut(
        since=since, until=until, provider_usd=used, booked_usd=booked, difference_usd=used - booked
    )
