"""Growth of a running installation: memory and descriptors of its processes, files of its
database, store and logs."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.processes import children
from tests.stack import Stack

MB = 1_000_000
WARM_SECONDS = 120.0
"""Age from which a process should grow no more."""
LONG_SECONDS = 300.0
"""Least time over which growth says something."""
MEMORY_MOST = 1.25
DESCRIPTORS_MOST = 1.5
WAL_MOST = 40 * MB
"""The engine moves it into the database at 16 MB."""
FILE_OF_JOB_MOST = 60_000
"""Bytes that one job, with all its rows, may add to the database."""


@dataclass(frozen=True)
class Life:
    """Measurements of one process from its start to its death, once it is warm: (age, bytes,
    descriptors)."""

    name: str
    began: float
    measured: list[tuple[float, int, int]] = field(default_factory=list)


class Growth:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._lives: dict[int, Life] = {}
        self._wal = 0
        self._first_files = self._files()

    def measure(self) -> None:
        now = time.monotonic()
        for name, pid in self._stack.pids.items():
            life = self._lives.setdefault(pid, Life(name, now))
            if (age := now - life.began) >= WARM_SECONDS:
                family = list(_family(pid))
                memory = sum(_memory(each) for each in family)
                life.measured.append((age, memory, sum(_descriptors(each) for each in family)))
        self._wal = max(self._wal, self._files()["log of the database"])

    def _files(self) -> dict[str, int]:
        folder = self._stack.data_dir
        databases = [*folder.rglob("app.duckdb")]
        return {
            "database": sum(path.stat().st_size for path in databases),
            "log of the database": sum(
                path.stat().st_size for path in folder.rglob("app.duckdb.wal")
            ),
            "files waiting or unfinished": _size(folder, "spool"),
            "pictures and videos": _size(folder, "media"),
            "logs of processes": sum(path.stat().st_size for path in folder.glob("*.log")),
        }

    def verdict(self, jobs: int) -> tuple[list[str], list[str]]:
        """Return lines with all figures, and those that are too large."""
        told, wrong = [], []
        for life in self._lives.values():
            if len(life.measured) < 2 or life.measured[-1][0] < WARM_SECONDS + LONG_SECONDS:
                continue
            line, too_large = _grown(life)
            told.append(line)
            wrong += [line] if too_large else []
        last = self._files()
        for name, size in last.items():
            told.append(f"{name}: {self._first_files[name] / MB:.1f} -> {size / MB:.1f} MB")
        if self._wal > WAL_MOST:
            wrong.append(f"log of the database: {self._wal / MB:.1f} MB at most")
        grown = last["database"] - self._first_files["database"]
        if jobs and grown / jobs > FILE_OF_JOB_MOST:
            wrong.append(f"database: {grown / jobs / 1000:.0f} kB for each of {jobs} jobs")
        if last["files waiting or unfinished"]:
            wrong.append(f"files wait: {last['files waiting or unfinished']} bytes")
        return told, wrong


def _grown(life: Life) -> tuple[str, bool]:
    """Compare the middle of the first quarter with that of the last one."""
    quarter = max(1, len(life.measured) // 4)
    first, last = life.measured[:quarter], life.measured[-quarter:]
    memory = [_middle([one[1] for one in part]) for part in (first, last)]
    descriptors = [_middle([one[2] for one in part]) for part in (first, last)]
    line = (
        f"{life.name}, {life.measured[-1][0] / 60:.0f} minutes old: "
        f"{memory[0] / MB:.0f} -> {memory[1] / MB:.0f} MB, "
        f"{descriptors[0]} -> {descriptors[1]} descriptors"
    )
    grows = memory[1] > memory[0] * MEMORY_MOST or descriptors[1] > (
        descriptors[0] * DESCRIPTORS_MOST + 10
    )
    return line, grows


def _middle(values: list[int]) -> int:
    return sorted(values)[len(values) // 2]


def _size(folder: Path, name: str) -> int:
    """Return the bytes in all folders of this name, without the files of other installations."""
    return sum(
        path.stat().st_size
        for place in folder.rglob(name)
        for path in place.rglob("*")
        if path.is_file()
    )


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in children(pid):
        yield from _family(child)


def _memory(pid: int) -> int:
    """Return the memory of its own: a forked process shares most with the one that it is from."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    own = (line.split() for line in lines if line.startswith("Private_"))
    return sum(int(words[1]) * 1024 for words in own)


def _descriptors(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0
