"""Death by chance: kill -9 of one process at a time, at any moment or at a named point, and pauses
that outlast its leases. A dead one starts again a moment later."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from api.fault_points import FaultPoint
from tests.stack import Stack, program_of

Group = Sequence[str]
"""Processes of one kind."""

HOW: Sequence[str] = ("kill", "kill", "point", "kill", "pause")
"""Ways to strike, in turn."""
AT_POINTS = {"api", "worker"}
"""Programs with named points."""
POINTS = [point for point in get_args(FaultPoint) if point != "migrating"]
REACHED_WITHIN = 4.0
"""Seconds for a process to reach a point; after that it dies wherever it is."""
PAUSES = ((0.3, 2.5), (0.3, 2.5), (10.0, 13.0))
"""Seconds, from and to: the last is longer than any lease of `short_times`."""


@dataclass(frozen=True)
class Strike:
    """`at` and `until`: of death and new start, or of the pause."""

    name: str
    how: str
    at: float
    until: float

    @property
    def program(self) -> str:
        return program_of(self.name)


class Killer:
    """`groups`: the processes by kind. Each kind is met as often as the others, its members in
    turn, so that of two that stand by for each other the one that works is met as well. `armed`:
    the file that names the point at which processes die."""

    def __init__(self, stack: Stack, groups: Sequence[Group], seed: int, armed: Path) -> None:
        self.strikes: list[Strike] = []
        self._stack = stack
        self._armed = armed
        self._chance = random.Random(seed)
        self._plan = self._victims([self._chance.sample(group, len(group)) for group in groups])
        self._points = self._chance.sample(POINTS, len(POINTS))

    def _victims(self, groups: list[list[str]]) -> Iterator[str]:
        turn = 0
        while True:
            for group in self._chance.sample(groups, len(groups)):
                yield group[turn % len(group)]
            turn += 1

    async def strike(self, times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(self._chance.uniform(0.2, 1.2))
            how, began = HOW[len(self.strikes) % len(HOW)], time.monotonic()
            if how == "point":
                victim, how = await self._kill_at_point()
            elif how == "pause":
                victim = next(self._plan)
                await self._pause(victim)
            else:
                victim = next(self._plan)
                await self._kill(victim)
            self.strikes.append(Strike(victim, how, began, time.monotonic()))

    async def _kill(self, victim: str) -> None:
        await asyncio.to_thread(self._stack.kill, victim)
        await asyncio.sleep(self._chance.uniform(0.2, 1.0))
        await asyncio.to_thread(self._stack.start, victim)

    async def _pause(self, victim: str) -> None:
        with self._stack.stopped(victim):
            await asyncio.sleep(self._chance.uniform(*self._chance.choice(PAUSES)))

    async def _kill_at_point(self) -> tuple[str, str]:
        """Let processes die where they reach a point, or one of them anywhere. Returns the first
        of them, and the point."""
        point = self._points[len(self.strikes) % len(self._points)]
        group = [name for name in self._stack.names if program_of(name) in AT_POINTS]
        self._armed.write_text(point)
        await asyncio.to_thread(self._wait_for_death, group, time.monotonic() + REACHED_WITHIN)
        self._armed.write_text("")
        dead = [name for name in group if not self._stack.alive(name)]
        if not dead:
            dead, point = [self._chance.choice(group)], "no point"
        for name in dead:
            await self._kill(name)
        return dead[0], f"at {point}"

    def _wait_for_death(self, group: Group, end: float) -> None:
        while time.monotonic() < end and all(self._stack.alive(name) for name in group):
            time.sleep(0.05)

    def hit(self, program: str, since: float, until: float) -> bool:
        """Tell whether a process of this kind was dead or paused in this time."""
        return any(
            one.program == program and one.at <= until and since <= one.until
            for one in self.strikes
        )

    def told(self, since: float) -> str:
        """Return the strikes since then, with their times after it, in seconds."""
        return ", ".join(
            f"{one.name} {one.how} {one.at - since:.0f}-{one.until - since:.0f}"
            for one in self.strikes
            if one.at >= since
        )

    def counted(self) -> str:
        programs = Counter(one.program for one in self.strikes)
        ways = Counter(one.how for one in self.strikes)
        return f"{len(self.strikes)} strikes {dict(programs)} {dict(ways)}"
