"""An installed copy of the product, which has no tests."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def refusal_without_tests(folder: Path, *command: str) -> str:
    """Return the one line with which a command refuses to run there."""
    for package in ("api", "cli", "client", "telemetry"):
        (folder / package).symlink_to(ROOT / package)
    done = subprocess.run(
        [sys.executable, "-m", "cli", *command],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    return done.stderr
