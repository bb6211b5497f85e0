"""The closed list of reasons holds what is really told, and nothing else."""

from typing import get_args

import pytest

from api.schemas import Reason
from tests.rules.source import ROOT

SOURCES = [
    path.read_text() for path in (ROOT / "api").rglob("*.py") if path != ROOT / "api" / "schemas.py"
]


@pytest.mark.parametrize("reason", get_args(Reason))
def test_each_reason_is_told_somewhere(reason: str) -> None:
    assert any(f'"{reason}"' in source for source in SOURCES)
