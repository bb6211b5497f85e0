"""A small part of `./run faults fuzz` and `./run faults files`, with the same requests and files
each time."""

from pathlib import Path

import pytest

from tests.faults import files
from tests.faults.fuzz import fuzz

CALLS = 300
"""As many as take about eight seconds."""
FILES = 100

pytestmark = pytest.mark.timeout(300)


def test_no_caller_gets_a_breakdown_or_what_is_not_declared() -> None:
    found = fuzz(CALLS, seed=1)
    assert found.wrong == {}
    assert found.calls.total() >= CALLS * 0.8


async def test_no_file_gets_past_the_limits(tmp_path: Path) -> None:
    found = await files.fuzz(FILES, 1, tmp_path)
    assert found.wrong == {}
    assert found.ends.total() >= FILES
    assert found.growth < files.GROWTH_MAX
