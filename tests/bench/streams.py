"""Many answers streamed at once: `python -m tests.bench.streams [duckdb|postgresql] [--streams 200]
[--rounds 5]`.

All questions are asked in the same moment, each on a connection of its own. The api has one core.
"""

import argparse
import asyncio
from statistics import median

from tests.bench.measured import Measured
from tests.bench.programs import processor
from tests.bench.text import Engine, Studio, measure_streams, running_studio

STREAMS, ROUNDS, QUICK_ROUNDS = 200, 5, 2
P50_WITHIN, P99_WITHIN = 0.2, 0.5
ENGINES: dict[Engine, str] = {"duckdb": "ours on DuckDB", "postgresql": "ours on PostgreSQL"}


async def measure(
    studio: Studio, *, streams: int = STREAMS, rounds: int = ROUNDS
) -> dict[str, float]:
    """Return the seconds to the first word of an answer, as medians of the rounds (`p50`, `p99`),
    and the milliseconds of the api's processor time for one answer (`cpu_ms`)."""
    await measure_streams(studio, streams)  # connections and caches are warm from then on
    middles, worst, before = list[float](), list[float](), processor([studio.pid])
    for _ in range(rounds):
        waits = sorted(await measure_streams(studio, streams))
        middles.append(median(waits))
        worst.append(waits[int(len(waits) * 0.99)])
    used = processor([studio.pid]) - before
    return {
        "p50": median(middles),
        "p99": median(worst),
        "cpu_ms": used * 1000 / (rounds * streams),
    }


async def bench(into: Measured) -> None:
    rounds = QUICK_ROUNDS if into.quick else ROUNDS
    into.parameter("streams", STREAMS)
    into.parameter("rounds", rounds)
    for engine, name in ENGINES.items():
        found = await asyncio.to_thread(_of_engine, engine, STREAMS, rounds)
        into.add(name, "first word, p50", found["p50"], "s", at_most=P50_WITHIN)
        into.add(name, "first word, p99", found["p99"], "s", at_most=P99_WITHIN)
        into.add(name, "processor", found["cpu_ms"], "ms of CPU")


def _of_engine(engine: Engine, streams: int, rounds: int) -> dict[str, float]:
    with running_studio(engine) as studio:
        return asyncio.run(measure(studio, streams=streams, rounds=rounds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=list(ENGINES), nargs="?", default="duckdb")
    parser.add_argument("--streams", type=int, default=STREAMS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    figures = _of_engine(given.engine, given.streams, given.rounds)
    print(
        f"{ENGINES[given.engine]}, {given.streams} streams: first word p50 {figures['p50']:.2f} s, "
        f"p99 {figures['p99']:.2f} s; {figures['cpu_ms']:.2f} ms of processor time an answer"
    )
