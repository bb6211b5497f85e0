"""The whole product on several machines' worth of processes, while they are killed by chance.

`./run faults kill` does the same for longer, on both engines.
"""

import time
from pathlib import Path

import pytest

from tests.topology.crowd import Crowd
from tests.topology.killer import Killer
from tests.topology.world import running_world

KILLS = 10
SEED = 14
pytestmark = pytest.mark.timeout(720)


async def test_killed_members_lose_nothing_and_pay_nothing_twice(
    tmp_path: Path, postgres_url: str
) -> None:
    began = time.monotonic()
    async with running_world("postgresql", tmp_path, postgres_url) as world:
        ready = time.monotonic()
        crowd = Crowd(SEED)
        killer = Killer(world.stack, list(world.groups.values()), SEED, world.armed)
        async with world.asking(crowd):
            await killer.strike(KILLS)
        killed = time.monotonic()
        report = await world.check(crowd, killer)
        now = time.monotonic()
        print(
            f"\nup {ready - began:.0f} s, killing {killed - ready:.0f} s, rest and checks "
            f"{now - killed:.0f} s; {killer.counted()}; {report}"
        )
