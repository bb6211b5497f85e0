"""The program Chromium: its path, and its installation when tests that drive it are to run."""

import os
import shutil
import subprocess
from collections.abc import Iterable

import pytest

CHROMIUM = ["chromium-headless-shell", "chromium", "chromium-browser"]
"""The first lacks all that only a person at a screen needs, and takes a third of the time."""


def need_chromium(tests: Iterable[str]) -> None:
    """Install Chromium if one of the tests drives it and it is missing; end the run if that
    fails."""
    if not any(test.startswith("tests/browser/") for test in tests):
        return
    install = ["apt-get", "install", "-y", "-qq", CHROMIUM[0]]
    if not chromium_path() and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (install, ["apt-get", "update", "-qq"], install):
            if not chromium_path():
                subprocess.run(
                    command,
                    env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                    capture_output=True,
                    check=False,
                )
    if not chromium_path():
        pytest.exit(
            "The browser tests need Chromium. Install it, then start again: "
            f"sudo apt-get install -y {CHROMIUM[0]}",
            returncode=1,
        )


def chromium_path() -> str | None:
    return next(filter(None, map(shutil.which, CHROMIUM)), None)
