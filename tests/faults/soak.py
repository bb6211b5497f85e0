"""`./run faults soak`: half of the crowd's load for hours, with a fault of the provider or of a
chat every minute and a death every five; promises and invariants after each death, and at the end
the growth of memory, descriptors and files."""

import argparse
import asyncio
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from sandbox.faults import Fault
from tests.faults.growth import Growth
from tests.faults.kill import done
from tests.topology.crowd import REQUESTED, Crowd
from tests.topology.killer import Killer
from tests.topology.world import Engine, World, running_world

ROUND = 300.0
"""Seconds between two looks at the promises, with one death in each."""
FAULT_EVERY = 60.0
MEASURED_EVERY = 10.0

_PROVIDER = [
    Fault(call="chat", kind="status", status=503, times=3),
    Fault(call="chat", kind="status", status=429, retry_after=1, times=3),
    Fault(call="chat", kind="stall", after=1, seconds=3, times=3),
    Fault(call="chat", kind="cut", after=2, times=2),
    Fault(call="images", kind="status", status=502, times=3),
    Fault(call="images", kind="empty", times=2),
    Fault(call="images", kind="delay", seconds=4, times=3),
    Fault(call="images", kind="error_in_200", status=500, times=2),
    Fault(call="videos.submit", kind="status", status=500, times=2),
    Fault(call="videos.status", kind="drop", times=3),
    Fault(call="videos.status", kind="garbage", times=3),
    Fault(call="videos.content", kind="cut", times=2),
    Fault(call="videos.job", kind="ends_as", value="failed", times=2),
    Fault(call="webhooks", kind="off", times=5),
    Fault(call="webhooks", kind="duplicate", times=5),
    Fault(call="webhooks", kind="late", seconds=5, times=5),
]
_TELEGRAM = [
    ("sendPhoto", "status"),
    ("sendMessage", "flood"),
    ("sendMessage", "reset_before"),
    ("sendPhoto", "reset_after"),
    ("editMessageText", "status"),
]
_DISCORD = [
    ("POST", r"/channels/\d+/messages$", "status"),
    ("POST", r"/channels/\d+/messages$", "reset_after"),
    ("PATCH", "/webhooks/", "status"),
]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="./run faults soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0, help="also 0.25 (1)")
    parser.add_argument("--seed", type=int, default=14, help="other faults and deaths (14)")
    parser.add_argument("--engine", choices=get_args(Engine), default="duckdb")
    chosen = parser.parse_args(arguments)

    async def work(folder: Path, url: str | None) -> int:
        return await soak(chosen.engine, chosen.hours * 3600, chosen.seed, folder, url)

    return done(chosen.engine, work)


async def soak(engine: Engine, seconds: float, seed: int, folder: Path, url: str | None) -> int:
    """Return 1 when something grows."""
    chance, jobs, faults = random.Random(seed), 0, list[str]()
    async with running_world(engine, folder, url, slow=False) as world:
        growth = Growth(world.stack)
        killer = Killer(world.stack, list(world.groups.values()), seed, world.armed)
        end, number = time.monotonic() + seconds, 0
        while (left := end - time.monotonic()) > 0:
            number += 1
            crowd = Crowd(seed + number, f"r{number} ", every=2 * REQUESTED)
            async with world.asking(crowd):
                faults += await _round(world, killer, growth, chance, min(left, ROUND))
            world.break_provider()
            jobs += len(crowd.asks) + len(crowd.tidied)
            print(f"round {number}: {await world.check(crowd, killer)}", flush=True)
            growth.measure()
            world.begin_anew()
        told, wrong = growth.verdict(jobs)
    print("\n".join(told))
    print(
        f"{engine}, {seconds / 3600:g} hours, seed {seed}: {jobs} asks, {len(faults)} faults, "
        f"{killer.counted()}. Every promise was kept."
    )
    print("\n".join(f"GROWS: {line}" for line in wrong) or "Nothing grows.")
    return 1 if wrong else 0


async def _round(
    world: World, killer: Killer, growth: Growth, chance: random.Random, seconds: float
) -> list[str]:
    """Break something every minute, and kill once in the middle."""
    began, broken, killed = time.monotonic(), list[str](), False
    while (gone := time.monotonic() - began) < seconds:
        if gone >= len(broken) * FAULT_EVERY:
            broken.append(_break(world, chance))
        if not killed and gone >= seconds / 2:
            killed = True
            await killer.strike(1)
        await asyncio.to_thread(growth.measure)
        await asyncio.sleep(min(MEASURED_EVERY, max(0.0, seconds - gone)))
    return broken


def _break(world: World, chance: random.Random) -> str:
    """Break the provider or a chat for a few calls, and return what."""
    side = chance.choice(("provider", "provider", "telegram", "discord"))
    if side == "telegram":
        method, kind = chance.choice(_TELEGRAM)
        world.telegram.fault(method, kind, times=2)
        return f"{method} {kind}"
    if side == "discord":
        verb, path, kind = chance.choice(_DISCORD)
        world.discord.fault(verb, path, kind, times=2)
        return f"{verb} {path} {kind}"
    fault = chance.choice(_PROVIDER)
    world.break_provider(fault)
    return f"{fault.call} {fault.kind}"
