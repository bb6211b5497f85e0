"""A command of `./run` in a process forked from one that has loaded its modules: most of its time
would go into loading them."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def typed(
    words: tuple[str, ...], folder: Path, env: Mapping[str, str], answer: str
) -> subprocess.CompletedProcess[str]:
    """Run the command as if typed in `folder`, with only `env` in the environment and `answer` at
    the prompt."""
    given, said, errors = (folder / f"typed.{name}" for name in ("in", "out", "err"))
    given.write_text(answer)
    process = multiprocessing.get_context("forkserver").Process(
        target=_become, args=(words, dict(env), given, said, errors), daemon=True
    )
    process.start()
    process.join()
    return subprocess.CompletedProcess(
        words, process.exitcode or 0, said.read_text(), errors.read_text()
    )


def _become(
    words: tuple[str, ...], env: dict[str, str], given: Path, said: Path, errors: Path
) -> None:
    os.chdir(given.parent)
    os.environ.clear()
    os.environ.update(env)
    for number, (path, flags) in enumerate(
        ((given, os.O_RDONLY), (said, os.O_CREAT | os.O_WRONLY), (errors, os.O_CREAT | os.O_WRONLY))
    ):
        os.dup2(os.open(path, flags | (os.O_TRUNC if number else 0)), number)
    sys.stdin = os.fdopen(0)
    sys.argv = ["./run", *words]
    from cli.__main__ import app

    app(prog_name="./run")
