"""The few ratios that CI measures, compared with those of the last release: ours to a bare proxy on
the same machine, in turns."""

import json
import os
from dataclasses import replace
from pathlib import Path

from api.version import VERSION
from tests.bench import gateway
from tests.bench.measured import Measured, Result
from tests.bench.page import number

LAST = Path(__file__).with_name("last_release.json")
PLAN = gateway.Plan(rounds=3, longest=90.0, seconds=2.0, connections=(32,), streams=0, others=False)
TOLERATED = 0.25
"""The part of a ratio that may be lost before somebody is told. It is a guess: shared machines
vary, and one warning too many harms less than a slow release."""


async def bench(into: Measured) -> None:
    await gateway.measure(into, replace(PLAN, rounds=1) if into.quick else PLAN)


def compared(result: Result, last: Path = LAST) -> list[str]:
    """Return a line for each ratio that is worse than at the last release, and one that sums up."""
    kept = json.loads(last.read_text())
    lines = []
    for of, ratios in kept["ratios"].items():
        for name, before in ratios.items():
            figure = result.figures.get((of, name))
            if figure is None:
                lines.append(f"{of}, {name}: not measured, {number(before)} before.")
            elif figure.value < before * (1 - TOLERATED):
                lost = 1 - figure.value / before
                lines.append(
                    f"{of}, {name}: {number(figure.value)}, {lost:.0%} below the "
                    f"{number(before)} of {kept['version']}."
                )
    if os.environ.get("GITHUB_ACTIONS") == "true":
        lines = [f"::warning title=Slower than {kept['version']}::{line}" for line in lines]
    told = f"No ratio is more than {TOLERATED:.0%} below that of {kept['version']}."
    return lines or [told]


def keep(result: Result, last: Path = LAST) -> None:
    """Make these the ratios of the last release."""
    ratios: dict[str, dict[str, float]] = {}
    for figure in result.figures.values():
        if figure.unit == "x":
            ratios.setdefault(figure.of, {})[figure.name] = float(f"{figure.value:.3g}")
    last.write_text(json.dumps({"version": VERSION, "ratios": ratios}, indent=2) + "\n")
