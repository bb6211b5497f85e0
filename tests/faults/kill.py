"""`./run faults kill`: processes killed by chance under a crowd, and the promises counted."""

import argparse
import os
from collections.abc import Sequence

import pytest


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="./run faults kill", description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=14)
    chosen = parser.parse_args(arguments)
    os.environ |= {"TOPOLOGY_KILLS": str(chosen.kills), "TOPOLOGY_SEED": str(chosen.seed)}
    return pytest.main(["tests/topology", "-s", "-p", "no:xdist"])
