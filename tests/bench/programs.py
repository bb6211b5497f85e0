"""Programs that benches start: on chosen cores, with their processor time and memory."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.stack import INHERITED, ROOT, get

READY_WITHIN = 120.0
STOP_WITHIN = 30.0
POLL = 0.01
TAIL = 2000
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
UNDER_TEST = frozenset(CORES[:1])
"""The core of the server that is measured, when there is another one for the load."""
OTHERS = frozenset(CORES[1:]) or UNDER_TEST


class DidNotStart(Exception):
    """The last words of a program that ended, or did not answer in time."""


def python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def family(pid: int) -> list[int]:
    """Return the ids of a process and of all that descend from it."""
    found = [pid]
    for one in found:
        try:
            tasks = list(Path(f"/proc/{one}/task").iterdir())
            found += [int(each) for task in tasks for each in _children(task)]
        except OSError:
            continue  # it has just ended
    return found


def _children(task: Path) -> list[str]:
    return (task / "children").read_text().split()


def processor(pids: Sequence[int]) -> float:
    """Return the processor seconds of these processes so far, to the microsecond."""
    total = 0
    for pid in pids:
        for place in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                total += int(place.read_text().split()[0])
            except OSError:
                continue
    return total / 1e9


def memory(pids: Sequence[int], kind: Literal["Rss", "Pss"] = "Rss") -> float:
    """Return the megabytes of these processes: resident ones, as `ps` says, or (`Pss`) with what
    several processes share counted once."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:"))
    return total * 1024 / 1e6


@dataclass(frozen=True)
class Program:
    """A running program; `started` is the moment before its start (`time.perf_counter`)."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path
    started: float

    @property
    def pids(self) -> list[int]:
        return family(self.process.pid)

    def wait_for(self, url: str) -> float:
        """Wait until the address answers with 200, and return the seconds since the start."""
        end = time.monotonic() + READY_WITHIN
        while (answer := get(url)) is None or answer[0] != 200:
            if self.process.poll() is not None:
                raise DidNotStart(f"{self.name} ended by itself: {self.last_words()}")
            if time.monotonic() > end:
                raise DidNotStart(f"{self.name} does not answer at {url}: {self.last_words()}")
            time.sleep(POLL)
        return time.perf_counter() - self.started

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-TAIL:].strip()


@contextmanager
def running(
    name: str,
    command: Sequence[str],
    folder: Path,
    env: Mapping[str, str],
    *,
    cores: frozenset[int] | None = None,
) -> Iterator[Program]:
    """Run a program in a folder, with none of the settings of who runs the bench, and end it with
    all that it has started."""
    own = {name: os.environ[name] for name in INHERITED if name in os.environ}
    log = folder / f"{name.replace(' ', '-')}.log"
    with log.open("ab") as out:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**own, "PYTHONPATH": str(ROOT), **env},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    if cores is not None and len(CORES) > 1:
        os.sched_setaffinity(process.pid, cores)
    try:
        yield Program(name, process, log, started)
    finally:
        process.terminate()
        try:
            process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
