"""Processes that have used a store of files end with the code that they are due."""

import os
import subprocess
import sys
from pathlib import Path

from tests.stack import INHERITED, ROOT

RUN = (
    "import atexit, os, runpy; atexit.register(os.abort); "
    "runpy.run_module({!r}, run_name='__main__')"
)
"""Run a module in an interpreter that aborts when it is closed, as the store's threads may do."""


def ended(module: str, words: str, folder: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    env = {name: os.environ[name] for name in INHERITED if name in os.environ}
    env |= {"PYTHONPATH": str(ROOT), "DATA_DIR": str(folder / "data"), "API_PORT": "1", **extra}
    command = [sys.executable, "-c", RUN.format(module), *words.split()]
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )


def test_commands_end_with_their_own_code(tmp_path: Path) -> None:
    made = ended("cli", "backup --media", tmp_path)
    assert (made.returncode, made.stderr) == (0, ""), made.stderr
    assert "with-media.zip" in made.stdout
    for words in ("restore --yes data/backups/nothing.zip", "media move --to file:///dev/null/x"):
        found = ended("cli", words, tmp_path)
        assert found.returncode == 1, (words, found)


def test_processes_end_with_their_own_code(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "app.duckdb").write_bytes(b"no database" * 999)
    found = ended("cli.process", "api", tmp_path, SANDBOX_PORT="1")
    assert found.returncode == 2, found
    assert found.stderr.splitlines()[-1].startswith("Cannot start: ")
