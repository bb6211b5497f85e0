"""Death by chance: kill -9 of one process at a time, and a new start a moment later."""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.stack import Stack, program_of

Group = Sequence[str]
"""Processes of one kind."""


@dataclass(frozen=True)
class Death:
    name: str
    at: float

    @property
    def program(self) -> str:
        return program_of(self.name)


class Killer:
    """`groups`: the processes by kind. Each kind is met as often as the others, its members in
    turn, so that of two that stand by for each other the one that works is met as well."""

    def __init__(self, stack: Stack, groups: Sequence[Group], seed: int) -> None:
        self.deaths: list[Death] = []
        self._stack = stack
        self._chance = random.Random(seed)
        self._plan = self._victims([self._chance.sample(group, len(group)) for group in groups])

    def _victims(self, groups: list[list[str]]) -> Iterator[str]:
        turn = 0
        while True:
            for group in self._chance.sample(groups, len(groups)):
                yield group[turn % len(group)]
            turn += 1

    async def strike(self, kills: int) -> None:
        for _ in range(kills):
            await asyncio.sleep(self._chance.uniform(0.2, 1.2))
            victim = next(self._plan)
            await asyncio.to_thread(self._stack.kill, victim)
            self.deaths.append(Death(victim, time.monotonic()))
            await asyncio.sleep(self._chance.uniform(0.2, 1.0))
            await asyncio.to_thread(self._stack.start, victim)

    def died(self, program: str, since: float, until: float) -> bool:
        return any(one.program == program and since <= one.at <= until for one in self.deaths)
