"""Shares of packages in the processor time of a process: a sampler that runs inside of it."""

import json
import os
import signal
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType

from tests.stack import ROOT

EVERY = 0.001
"""Seconds of processor time between two samples."""
OTHER_THREADS = "other threads"
"""All but the one of the event loop; with the embedded engine, those of the database."""
START, STOP = signal.SIGUSR1, signal.SIGUSR2


class Sampler:
    """Time of the main thread belongs to the package of the innermost Python function, which is
    also that of the compiled code that it calls."""

    def __init__(self, into: Path) -> None:
        self._into = into
        self._packages: dict[str, float] = defaultdict(float)
        self._functions: dict[str, float] = defaultdict(float)
        self._seen = self._began = self._began_all = 0.0

    def listen(self) -> None:
        """Sample from one signal to the other one, and write the shares into the file then."""
        signal.signal(START, self._start)
        signal.signal(STOP, self._stop)

    def _start(self, *_: object) -> None:
        self._seen = self._began = time.thread_time()
        self._began_all = time.process_time()
        signal.signal(signal.SIGPROF, self._take)
        signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)

    def _stop(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        here = time.thread_time() - self._began
        self._packages[OTHER_THREADS] = time.process_time() - self._began_all - here
        found = {"packages": shares(self._packages), "functions": shares(self._functions, here)}
        written = self._into.with_suffix(".new")
        written.write_text(json.dumps(found))
        written.replace(self._into)

    def _take(self, _number: int, frame: FrameType | None) -> None:
        now = time.thread_time()
        spent, self._seen = now - self._seen, now
        if frame is not None:
            self._packages[package_of(frame.f_code.co_filename)] += spent
        on_stack = set()
        while frame is not None:
            on_stack.add(frame.f_code)
            frame = frame.f_back
        for code in on_stack:
            self._functions[f"{package_of(code.co_filename)}: {code.co_qualname}"] += spent


def shares(spent: dict[str, float], total: float = 0) -> dict[str, float]:
    """Return shares of the sum, in percent, the largest first."""
    total = total or sum(spent.values()) or 1
    return {name: spent[name] / total * 100 for name in sorted(spent, key=spent.__getitem__)[::-1]}


def sampled(pid: int, into: Path, begins: bool) -> None:
    """Begin to sample a process that listens, or end it."""
    os.kill(pid, START if begins else STOP)
    while not begins and not into.exists():
        time.sleep(0.05)


def package_of(file: str) -> str:
    """Return the package of a source file: a folder of ours, a library, Python itself, or code that
    was generated, as of dataclasses."""
    if "site-packages/" in file:
        return file.partition("site-packages/")[2].partition("/")[0].removesuffix(".py")
    if file.startswith(f"{ROOT}/"):
        return "/".join(file.removeprefix(f"{ROOT}/").split("/")[:2])
    return "Python" if file.startswith(("/", "<frozen")) else "generated code"
