"""`./run faults kill`: a crowd asks at every door while processes are killed and paused by chance
and at named points; after each round the promises are counted and the invariants looked at."""

import argparse
import asyncio
import contextlib
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import get_args

import httpx

from tests.conftest import running_postgres
from tests.topology.crowd import Crowd
from tests.topology.killer import Killer
from tests.topology.world import Engine, running_world

ROUND = 15
"""Strikes between two looks at the promises."""
FAILURES = (AssertionError, BaseExceptionGroup, httpx.HTTPError, OSError)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="./run faults kill", description=__doc__)
    parser.add_argument("--kills", type=int, default=30, help="strikes in all (30)")
    parser.add_argument("--seed", type=int, default=14, help="another order of strikes (14)")
    parser.add_argument("--engine", choices=get_args(Engine), default="duckdb")
    chosen = parser.parse_args(arguments)

    async def work(folder: Path, url: str | None) -> int:
        return await kill(chosen.engine, chosen.kills, chosen.seed, folder, url)

    return done(chosen.engine, work)


def done(engine: Engine, work: Callable[[Path, str | None], Coroutine[object, object, int]]) -> int:
    """Return the exit code of the work, which gets a folder and, where one is needed, a database.
    When it fails, say why, and leave the folder."""
    folder = Path(tempfile.mkdtemp(prefix=f"faults-{engine}-"))
    try:
        with contextlib.ExitStack() as up:
            url = None
            if engine == "postgresql":
                server = up.enter_context(running_postgres())
                url = server.url(asyncio.run(server.take()))
            code = asyncio.run(work(folder, url))
    except FAILURES:
        traceback.print_exc()
        print(f"\nBROKEN, as above. The logs and files of its processes are in {folder}.")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return code


async def kill(engine: Engine, kills: int, seed: int, folder: Path, url: str | None) -> int:
    async with running_world(engine, folder, url) as world:
        killer = Killer(world.stack, list(world.groups.values()), seed, world.armed)
        while (done := len(killer.strikes)) < kills:
            began = time.monotonic()
            number = done // ROUND + 1
            crowd = Crowd(seed + number, f"r{number} ")
            async with world.asking(crowd):
                await killer.strike(min(ROUND, kills - done))
            struck = time.monotonic()
            print(f"round {number}: {killer.told(began)}", flush=True)
            found = await world.check(crowd, killer)
            world.begin_anew()
            now = time.monotonic()
            print(
                f"round {number}: {struck - began:.0f} s of strikes, {now - struck:.0f} s of rest "
                f"and checks; {found}",
                flush=True,
            )
        print(f"{engine}, seed {seed}: {killer.counted()}. Every promise was kept.")
    return 0
