"""State of one sandbox: its timing and faults, and the calls that it has billed. It is in memory
only, so a restart forgets it."""

import asyncio
import json
import secrets
import string
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sandbox.faults import Behaviour

_KEPT_GENERATIONS = 1000
_ALPHABET = string.ascii_letters + string.digits
_RECORDS: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("records.json").read_bytes()
)
"""Answers of `GET /key` and `GET /generation` in which everything unknown is null."""

P = ParamSpec("P")
R = TypeVar("R")


def new_id(prefix: str = "gen") -> str:
    return f"{prefix}-{int(time.time())}-{''.join(secrets.choice(_ALPHABET) for _ in range(20))}"


def usd(amount: Decimal) -> float:
    return float(round(amount, 10))


class Simulation:
    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.prompts: dict[str, str] = {}
        """Prompts of the videos, by their ids."""
        self._generations: OrderedDict[str, tuple[float, dict[str, Any]]] = OrderedDict()
        self._drawing = asyncio.Semaphore(2)
        self._spent = 0.0

    async def draw(self, draw: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `draw` in a thread, two at a time."""
        async with self._drawing:
            return await asyncio.to_thread(draw, *args, **kwargs)

    def remember(self, generation_id: str, data: dict[str, Any]) -> None:
        """Bill `total_cost` (dollars) and keep the record for `GET /generation`."""
        self._spent += data["total_cost"]
        known_at = time.monotonic() + self.behaviour.timing.generation
        record = {
            **_RECORDS["generation"],
            "id": generation_id,
            "created_at": datetime.now(UTC).isoformat(),
            **data,
        }
        self._generations[generation_id] = known_at, record
        while len(self._generations) > _KEPT_GENERATIONS:
            self._generations.popitem(last=False)

    def recall(self, generation_id: str) -> dict[str, Any] | None:
        """Return the record; None also for a call that ended only a moment ago."""
        known_at, record = self._generations.get(generation_id, (0.0, None))
        return record if time.monotonic() >= known_at else None

    def key(self) -> dict[str, Any]:
        """Return the answer of `GET /key`: everything that was ever billed."""
        usage = ("usage", "usage_daily", "usage_weekly", "usage_monthly")
        return {**_RECORDS["key"], **dict.fromkeys(usage, round(self._spent, 8))}
