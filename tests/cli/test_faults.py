"""`./run faults`: its kinds, and a folder without tests."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from cli.faults import KINDS

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_says_its_options(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        import_module(f"tests.faults.{kind}").main(["--help"])
    assert ended.value.code == 0
    assert f"./run faults {kind}" in capsys.readouterr().out


def test_an_installation_without_tests_says_so(tmp_path: Path) -> None:
    for package in ("api", "cli", "client", "telemetry"):
        (tmp_path / package).symlink_to(ROOT / package)
    done = subprocess.run(
        [sys.executable, "-m", "cli", "faults", "kill"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("./run faults needs the tests")
    assert done.stderr.count("\n") == 1
