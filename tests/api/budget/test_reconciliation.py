"""The provider's own total beside ours, once a day."""

from datetime import timedelta
from decimal import Decimal

import time_machine

from api import ids
from api.budget.reconciliation import Comparison
from api.budget.service import BudgetService
from api.db import Db
from api.provider.types import KeyState
from tests.api.budget.test_budget import reserve, settle


class Key:
    """A provider that reports `used`; `asked` counts the requests."""

    def __init__(self, used: int | None) -> None:
        self.used, self.asked = used, 0

    async def key(self) -> KeyState:
        self.asked += 1
        return KeyState(None, None, self.used)


async def test_each_day_is_compared_once_and_shown(db: Db) -> None:
    key = Key(1_000_000)
    budget, comparison = BudgetService(db, provider=key), Comparison(db, key)
    with time_machine.travel(ids.now(), tick=False) as clock:
        await comparison.record()
        await settle(db, budget, await reserve(db, budget, "u", 500_000, monthly=10**6), 400_000)
        key.used = 1_500_000
        await comparison.record()
        assert (key.asked, (await budget.overview()).provider_usage) == (1, [])
        clock.shift(timedelta(days=1))
        for _ in range(2):
            await comparison.record()
        (compared,) = (await budget.overview()).provider_usage
        seen = (compared.provider_usd, compared.booked_usd, compared.difference_usd)
        assert seen == (Decimal("0.5"), Decimal("0.4"), Decimal("0.1"))
        clock.shift(timedelta(days=1))
        key.used = 5
        await comparison.record()
        assert len(await comparison.days()) == 1, "another key began anew"
        clock.shift(timedelta(days=1))
        key.used = None
        await comparison.record()
        assert len(await comparison.days()) == 1
