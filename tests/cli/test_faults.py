"""`./run faults`: its kinds, and a folder without tests."""

from importlib import import_module
from pathlib import Path

import pytest

from cli.faults import KINDS
from tests.cli.without_tests import refusal_without_tests


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_says_its_options(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        import_module(f"tests.faults.{kind}").main(["--help"])
    assert ended.value.code == 0
    assert f"./run faults {kind}" in capsys.readouterr().out


def test_an_installation_without_tests_says_so(tmp_path: Path) -> None:
    assert refusal_without_tests(tmp_path, "faults", "kill").startswith(
        "./run faults needs the tests"
    )
