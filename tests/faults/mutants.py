"""The guards of the product taken away, one at a time: each has to turn a test red.

`guards/*.toml` names each guard with the text that it stands in, the text without it, and the tests
that notice. They run in copies of the tree: nothing here is changed.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import Literal

ROOT = Path(__file__).parents[2]
GUARDS = Path(__file__).with_name("guards")
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv*", ".tools", ".*_cache", ".hypothesis", "__pycache__", "data"
)
AT_ONCE = 2
"""Removals tried at the same time. Each runs its tests in one process."""
SECONDS = 300
"""Time for the tests of one removal, most of which take one to five seconds."""
GREEN, RED = 0, 1
"""Exit codes of pytest."""

Outcome = Literal["red", "GREEN", "BROKEN"]


@dataclass(frozen=True)
class Guard:
    """`line` occurs once in `file`; `without` in its place removes the guard. `tests`: each of
    them alone notices."""

    name: str
    area: str
    about: str
    file: str
    line: str
    without: str
    tests: tuple[str, ...]

    def removed_from(self, text: str) -> str:
        """Raises `ValueError` when the guard has moved."""
        if (count := text.count(self.line)) != 1:
            raise ValueError(
                f"{self.name}: its line is {count} times in {self.file}. Write the guard as it is "
                f"now into tests/faults/guards/{self.area}.toml"
            )
        return text.replace(self.line, self.without)


def all_guards() -> list[Guard]:
    return [
        Guard(name, path.stem, **{**entry, "tests": tuple(entry["tests"])})
        for path in sorted(GUARDS.glob("*.toml"))
        for name, entry in tomllib.loads(path.read_text()).items()
    ]


@dataclass(frozen=True)
class Removal:
    """The end of one removal. `said`: the last lines of the tests, where they say something."""

    guard: Guard
    outcome: Outcome
    seconds: float
    said: str


def run_tests(tree: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    return subprocess.run(
        command, cwd=tree, capture_output=True, text=True, check=False, timeout=SECONDS
    )


def removal(tree: Path, guard: Guard) -> Removal:
    """Take the guard out of the copy, run its tests there, and put it back."""
    path, began = tree / guard.file, time.monotonic()
    text = path.read_text()
    path.write_text(guard.removed_from(text))
    try:
        done = run_tests(tree, guard.tests)
    except subprocess.TimeoutExpired:
        return Removal(guard, "red", time.monotonic() - began, "the tests did not end")
    finally:
        path.write_text(text)
    ends: dict[int, Outcome] = {GREEN: "GREEN", RED: "red"}
    outcome = ends.get(done.returncode, "BROKEN")
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
    said = said if outcome == "BROKEN" else "; ".join(lines)
    return Removal(guard, outcome, time.monotonic() - began, said)


@contextmanager
def copies(number: int) -> Iterator["Queue[Path]"]:
    trees: Queue[Path] = Queue()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        for count in range(number):
            tree = Path(folder, str(count))
            shutil.copytree(ROOT, tree, ignore=NOT_COPIED, symlinks=True)
            trees.put(tree)
        yield trees


def removals(guards: Sequence[Guard], at_once: int) -> Iterator[Removal]:
    with copies(at_once) as trees, ThreadPoolExecutor(at_once) as pool:

        def one(guard: Guard) -> Removal:
            tree = trees.get()
            try:
                return removal(tree, guard)
            finally:
                trees.put(tree)

        yield from pool.map(one, guards)


def main(args: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("./run faults mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="names of guards or areas; none: all of them")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="removals at the same time")
    given = parser.parse_args(args)
    known = all_guards()
    if unknown := set(given.names) - {each for one in known for each in (one.name, one.area)}:
        parser.error(f"no such guard: {', '.join(sorted(unknown))}")
    wanted = [one for one in known if not given.names or {one.name, one.area} & {*given.names}]
    tests = sorted({test for guard in wanted for test in guard.tests})
    if (before := run_tests(ROOT, tests)).returncode != GREEN:
        print(before.stdout, "The tests have to be green before a guard is removed.", sep="\n")
        return 1
    red = 0
    for end in removals(wanted, given.at_once):
        print(f"{end.outcome:<7} {end.seconds:5.1f} s  {end.guard.name}", flush=True)
        if end.outcome == "red":
            red += 1
        else:
            print(f"        {end.guard.about} {end.said}", flush=True)
    print(f"{red} of {len(wanted)} removals turned a test red.")
    return 0 if red == len(wanted) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
