"""The processor time of a text request by package; `python -m tests.bench.text --profile FILE`
has the functions, too."""

import asyncio
import tempfile
from pathlib import Path

from tests.bench.measured import Measured
from tests.bench.streams import ENGINES
from tests.bench.text import Engine, Profile, profile, running_studio

CONNECTIONS, SECONDS, QUICK_SECONDS = 128, 12.0, 6.0
LEAST = 1.0
"""Percent, below which packages are one row."""


async def bench(into: Measured) -> None:
    """Whole answers at 128 connections, whose provider answers at once. The time of the event loop
    is that of the innermost Python function, with the compiled code that it calls; "other threads"
    are those of the database.

    The api is one process on one core, so the most that it answers in a second is 1,000 over the
    sum, and the sum that is allowed for a target is 1,000 over that target: for Portkey's rate, the
    one in the table of gateways. No row alone is the reason, so all would have to shrink by the
    ratio of the two sums, or a second process has to share the calls, as docs/operating/scale.md
    describes for PostgreSQL.
    """
    seconds = QUICK_SECONDS if into.quick else SECONDS
    into.parameter("connections", CONNECTIONS)
    for engine, name in ENGINES.items():
        found = await asyncio.to_thread(_of_engine, engine, seconds)
        into.add("all", name, found.cpu, "ms of CPU")
        rest = 0.0
        for package, share in found.packages.items():
            if share >= LEAST:
                into.add(package, name, found.cpu * share / 100, "ms of CPU")
            else:
                rest += share
        into.add("others", name, found.cpu * rest / 100, "ms of CPU")


def _of_engine(engine: Engine, seconds: float) -> Profile:
    with tempfile.TemporaryDirectory(prefix="profile-") as folder:
        place = Path(folder) / "shares.json"
        with running_studio(engine, str(place)) as studio:
            return asyncio.run(profile(studio, CONNECTIONS, seconds))
