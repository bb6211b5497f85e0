"""Times of the api's answers while the store grows: 10,000, 100,000 and 1,000,000 generations, with
the files, bookings, deliveries and conversations that belong to so many."""

import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from statistics import median

import httpx

from api.services import Services
from tests.bench import pages
from tests.bench.full_store import Size
from tests.bench.measured import Measured

SIZES = {"duckdb": (10_000, 100_000, 1_000_000), "postgresql": (10_000, 100_000)}
QUICK_SIZES: dict[str, tuple[int, ...]] = {"duckdb": (10_000, 100_000), "postgresql": ()}
ROUNDS, QUICK_ROUNDS = 7, 5
NAMES = {"duckdb": "DuckDB", "postgresql": "PostgreSQL"}
MEMBER = ("gallery", "gallery, words", "card", "conversations", "spend")
ADMIN = ("jobs", "jobs, by cost", "users, by spend", "deliveries, dead", "stats", "audit")


async def bench(into: Measured) -> None:
    """A store of so many generations also has twice as many files, as many bookings, and a third as
    many deliveries, of one user to 100 generations. One of 20 generations is the member's who asks
    here. The api runs in the process of the bench; each figure is the middle of its rounds.
    """
    rounds = QUICK_ROUNDS if into.quick else ROUNDS
    into.parameter("rounds", rounds)
    for engine, sizes in (QUICK_SIZES if into.quick else SIZES).items():
        for rows in sizes:
            into.say(f"  {rows:,} generations in {NAMES[engine]}")
            await _measure(into, engine, rows, rounds)


async def _measure(into: Measured, engine: str, rows: int, rounds: int) -> None:
    column = f"{NAMES[engine]}, {rows:,}"
    with tempfile.TemporaryDirectory(prefix="store-") as name:
        began = time.perf_counter()
        async with pages.served(engine, Path(name), Size.of(rows)) as (services, client):
            into.add("filled and ready", column, time.perf_counter() - began, "s")
            async for page, middle in _visits(services, client, rounds):
                into.add(page, column, middle, "ms", at_most=pages.AIM_MS)
        into.add("on the disk", column, sum(_sizes(Path(name))) / 1e6, "MB")


async def _visits(
    services: Services, client: httpx.AsyncClient, rounds: int
) -> AsyncIterator[tuple[str, float]]:
    """Yield each page with the middle of its milliseconds."""
    of_member = {name: pages.MEMBER[name] for name in MEMBER}
    of_admin = {name: pages.ADMIN[name] for name in ADMIN}
    for who, user_id, paths in (
        ("member", pages.HEAVY, of_member),
        ("admin", pages.ADMIN_ID, of_admin),
    ):
        token = await pages.token_of(services, user_id)
        filling = await pages.places(services.db, user_id)
        for name, path in paths.items():
            taken, _ = await pages.measure(client, token, path.format(**filling), rounds)
            yield f"{who}: {name}", median(taken)


def _sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.stat().st_size
