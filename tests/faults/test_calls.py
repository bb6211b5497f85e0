"""A small fixed part of `./run faults calls`: one call of each kind broken, in each class."""

from pathlib import Path

import pytest

from tests.faults.calls import FAST, Calls, Case, hurry
from tests.topology.world import running_world

CASES = [
    Case("provider", "telegram", "reset_before", "chat", 0),
    Case("provider", "discord", "reset_after", "images", 0),
    Case("provider", "telegram", "402_no_credit", "generations", 0),
    Case("provider", "discord", "slow", "videos.submit", 0),
    Case("provider", "telegram", "bad_json", "videos.status", 0),
    Case("provider", "discord", "cut", "videos.content", 0),
    Case("provider", "telegram", "late", "webhooks", 0),
    Case("telegram", "telegram", "cut", "any", 1),
    Case("telegram", "telegram", "duplicate", "command", 1),
    Case("discord", "discord", "reset_after", "any", 4),
    Case("discord", "discord", "duplicate", "command", 4),
]

pytestmark = pytest.mark.timeout(300)


async def test_a_broken_call_costs_no_answer_and_no_money(tmp_path: Path) -> None:
    async with running_world("duckdb", tmp_path, slow=False, settings=FAST, prepare=hurry) as world:
        calls = Calls(world)
        await calls.play(CASES)
        assert calls.report.wrong == []
        assert calls.report.unmet == []
