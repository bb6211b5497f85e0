"""The product's processes, forked from one that has loaded their modules already: a start costs a
tenth of the processor time. `tests/cli` starts the real `python -m cli.process`."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerContext
from pathlib import Path

from cli.process import PROCESSES, end_with, run

MAINS = {process.main.partition(":")[0] for process in PROCESSES.values()}
LOADED = ["cli.process", "av", "api.db.duckdb", "api.db.postgres", *sorted(MAINS)]


def _forks() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    return context


class Forked:
    """A process with the part of `subprocess.Popen` that is needed here. It leads a session of its
    own and ends with this process. `prepare` is called there first."""

    def __init__(
        self,
        name: str,
        folder: Path,
        env: Mapping[str, str],
        log: Path,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        # a daemon: one that is left behind must not keep the tests from ending
        self._process = _forks().Process(
            target=_become, args=(name, folder, dict(env), log, prepare), daemon=True
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def wait(self, seconds: float | None = None) -> int:
        """Wait for the end and return the exit code, or raise `subprocess.TimeoutExpired`."""
        self._process.join(seconds)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired([str(self.pid)], seconds or 0)
        return code

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


def _become(
    name: str,
    folder: Path,
    env: dict[str, str],
    log: Path,
    prepare: Callable[[], None] | None,
) -> None:
    os.setsid()
    end_with(os.getppid())
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if prepare is not None:
        prepare()
    sys.exit(run(name))
