"""`./run bench`: the speed of the product on this machine, measured by the benches of the source
code."""

import importlib
from collections.abc import Sequence
from pathlib import Path

from cli.errors import CommandRefused

BENCHES = Path(__file__).parent.parent / "tests" / "bench"


def bench(names: Sequence[str], *, list_: bool, quick: bool, write: bool) -> int:
    """Run the benches and return the exit code. Raises `CommandRefused` where there are none."""
    if not BENCHES.is_dir():
        raise CommandRefused(
            "./run bench needs the tests and their packages, which are in a clone of the "
            "repository only."
        )
    suite = importlib.import_module("tests.bench.suite")
    if list_:
        print(suite.listed())
        return 0
    if refusal := suite.unknown(names):
        raise CommandRefused(refusal)
    code: int = suite.run(names, quick=quick, write=write or not names)
    return code
