"""`./run media move` as an operator types it."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from api.media.files import key_of
from tests.cli.run_command import typed
from tests.stack import INHERITED, ROOT

FILES = 400


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "media"
    for number in range(FILES):
        data = str(number).encode() * 1000
        path = folder / key_of(hashlib.sha256(data).hexdigest(), "owner", "png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def environment(folder: Path) -> dict[str, str]:
    env = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return env | {"PYTHONPATH": str(ROOT), "DATA_DIR": str(folder / "data")}


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return typed(("media", "move", *words), folder, environment(folder), "")


def kept(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.glob("??/??/*.png")}


def test_killed_and_typed_again(media: Path, tmp_path: Path) -> None:
    target = tmp_path / "new disk"
    command = [sys.executable, "-m", "cli", "media", "move", "--to", target.as_uri()]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(tmp_path)) as first:
        until = time.monotonic() + 60
        while len(kept(target)) < 5 and time.monotonic() < until:
            time.sleep(0.01)
        first.kill()
    assert 5 <= len(kept(target)) < FILES
    done = run(tmp_path, "--to", target.as_uri())
    assert (done.returncode, done.stderr) == (0, "")
    assert kept(target) == kept(media)
    said = done.stdout.splitlines()
    assert said[0].startswith("Copied ")
    assert said[1] == f"Now set in .env:  MEDIA_URL={target.as_uri()}"
    assert said[2].startswith("and restart. Then take at once what was made meanwhile")
    assert said[3] == f"  ./run media move --from {media.as_uri()} --to {target.as_uri()}"
    assert said[-1] == f"delete the old folder yourself:  rm -r {media}"


def test_compared(media: Path, tmp_path: Path) -> None:
    target = tmp_path / "new disk"
    assert run(tmp_path, "--to", target.as_uri()).returncode == 0
    whole = run(tmp_path, "--to", target.as_uri(), "--verify")
    assert (whole.returncode, whole.stderr) == (0, "")
    assert f" {FILES} files " in whole.stdout
    bad = min(kept(media))
    (target / bad).write_bytes(b"rotten")
    found = run(tmp_path, "--to", target.as_uri(), "--verify")
    assert (found.returncode, found.stderr) == (1, f"damaged: {bad}\n")
    assert "1 are missing or damaged" in found.stdout


def test_refused_in_one_sentence(media: Path, tmp_path: Path) -> None:
    done = run(tmp_path, "--to", media.as_uri())
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{media.as_uri()} and {media.as_uri()} are the same place.\n"


def test_a_store_in_use_gets_nothing_that_was_deleted(media: Path, tmp_path: Path) -> None:
    old = tmp_path / "old disk"
    media.rename(old)
    words = ("--from", old.as_uri(), "--to", media.as_uri())
    for each in (words, (*words, "--verify")):
        done = run(tmp_path, *each)
        assert (done.returncode, done.stderr) == (0, ""), "the database names no file"
    assert kept(media) == set()
    done = typed(("media", "forget"), tmp_path, environment(tmp_path), "")
    said = "The store lacks no picture or video since it changed.\n"
    assert (done.returncode, done.stderr, done.stdout) == (0, "", said)
