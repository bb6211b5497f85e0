"""The markers that a test gets by what it uses, so that a test that moves stays in its lane.

`postgresql`: it needs a PostgreSQL server. `browser`: it drives Chromium. `slow`: either of them,
or another server, a process or a fake platform. `./run test quick` runs what is not `slow`.
"""

import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

BROWSER = ("playwright",)
SLOW = (
    *BROWSER,
    "multiprocessing",
    "subprocess",
    "tests.api.harness",
    "tests.api.media.s3",
    "tests.fakes",
    "tests.forking",
    "tests.sandbox_server",
    "tests.stack",
)
POSTGRESQL = frozenset({"postgres", "postgres_url", "postgresql"})
DUCKDB = frozenset({"duckdb_path", "duckdb"})
"""Fixtures, and the engine's name where `database` chooses one of them when the test runs. A
`database` that says nothing may be either."""

LONGEST = Path(__file__).parent / "topology" / "test_topology.py"


def order(items: list[pytest.Item]) -> None:
    """Begin the longest test first: at the end it would keep one worker busy for a minute while the
    others have nothing left."""
    items.sort(key=lambda item: item.path != LONGEST)


def mark(items: Iterable[pytest.Item]) -> None:
    """Mark each item by its fixtures and by what its module and theirs import."""
    for item in items:
        if isinstance(item, pytest.Function):
            for marker in _markers(item):
                item.add_marker(marker)


def _markers(item: pytest.Function) -> set[str]:
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    modules = {item.function.__module__}
    modules |= {fixture.func.__module__ for group in fixtures for fixture in group}
    imports = frozenset().union(*map(imported, modules))
    chosen = {value for value in _parameters(item) if isinstance(value, str)}
    used = chosen | set(item.fixturenames)
    markers = set()
    if POSTGRESQL & used or ("database" in used and not DUCKDB & used):
        markers |= {"postgresql", "slow"}
    if imports & set(BROWSER):
        markers.add("browser")
    if imports & set(SLOW):
        markers.add("slow")
    return markers


def _parameters(item: pytest.Function) -> Iterable[object]:
    return item.callspec.params.values() if hasattr(item, "callspec") else ()


@cache
def imported(module: str) -> frozenset[str]:
    """Those of SLOW that a module has something of, by its names."""
    values = vars(sys.modules[module]).values()
    origins = {
        getattr(value, "__module__", None) or getattr(value, "__name__", "") for value in values
    }
    return frozenset(
        name
        for name in SLOW
        if any(isinstance(one, str) and f"{one}.".startswith(f"{name}.") for one in origins)
    )
