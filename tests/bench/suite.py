"""All benches, run one after another, each in a process of its own."""

import importlib
import logging
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

from tests.bench import machine, page, ratios
from tests.bench.measured import Measured, Result, read

BENCHES = {
    "gateway": "One question through gateways, whose provider answers at once",
    "text_profile": "The packages on which a text request spends its processor time",
    "streams": "The time to the first word of 200 answers that are asked for in the same moment",
    "push_latency": "The time from a command to its card, and from a finished video to the chat",
    "thousand_chats": "Commands of 1,000 chats, each with a video under way, on DuckDB",
    "videos_in_flight": "The looks at 10,000 videos under way, on DuckDB",
    "store": "The time of the api's answers, with 10,000 to 1,000,000 generations in the store",
    "web_pages": "The time and the size of the web's pages in front of a full store",
    "start": "The time from a start until it answers, for the product and for each process",
    "memory": "The memory of each process",
    "ratios": "A few ratios, compared with those of the last release",
    "deliveries": "1,000 waiting deliveries to 1,000 chats, on each platform",
}
"""Names of modules with what they measure, in the order of the page."""
PAGE, README = Path("docs/benchmarks.md"), Path("README.md")
END_WITHIN = 60.0
LONGEST = 900.0
"""Seconds after which a bench is ended; it keeps what it has."""


def unknown(names: Sequence[str]) -> str | None:
    """Return a sentence about the names that are no bench."""
    wrong = [name for name in names if name not in BENCHES]
    if not wrong:
        return None
    return f"There is no bench named {', '.join(wrong)}. There are: {', '.join(BENCHES)}."


def listed() -> str:
    width = max(map(len, BENCHES))
    return "\n".join(f"{name:<{width}}  {about}" for name, about in BENCHES.items())


def run(names: Sequence[str], *, quick: bool, write: bool) -> int:
    """Run the benches, all when none is named, and print a table for each. Return the exit code: 1
    when one failed, 130 when a person ended it; missed targets are figures, no failures."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code, facts = 0, machine.facts()
    print("\n".join(f"{fact}: {value}" for fact, value in facts.items()), end="\n\n")
    if float(facts[machine.BUSY]) > 0.5:
        print("This machine is busy: trust ratios and processor time, no other figure.\n")
    for name in names or BENCHES:
        began = time.monotonic()
        print(f"{name}: {BENCHES[name]}", flush=True)
        result, interrupted = _one(name, quick=quick)
        print(f"\n{page.table(result)}\n\n{name} took {time.monotonic() - began:.0f} s.\n")
        if name == "ratios":
            print("\n".join(ratios.compared(result)))
        code = code or int(result.failure is not None)
        if write and name == "ratios" and result.failure is None:
            ratios.keep(result)
        elif write and name != "ratios" and result.figures:
            notes = module(name).bench.__doc__ or ""
            page.put(PAGE, name, result, BENCHES, facts, notes=notes, quick=quick)
            if name == "gateway":
                page.quote(README, result)
        if interrupted:
            print("Interrupted: what was measured so far is above.")
            return 130
    return code


def module(name: str) -> Any:
    """Return the module of a bench."""
    return importlib.import_module(f"tests.bench.{name}")


def _one(name: str, *, quick: bool) -> tuple[Result, bool]:
    """Run one bench, and return what it found and whether a person ended it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        kept = Path(folder) / "figures.jsonl"
        kept.touch()
        command = [sys.executable, "-m", "tests.bench.suite", name, str(kept), str(int(quick))]
        # in a session of its own: Ctrl-C reaches it once, from here, and it ends what it started
        child = subprocess.Popen(command, start_new_session=True)
        interrupted, code = False, 1
        try:
            code = child.wait(LONGEST)
        except (KeyboardInterrupt, subprocess.TimeoutExpired) as error:
            interrupted = isinstance(error, KeyboardInterrupt)
            child.send_signal(signal.SIGINT)
            try:
                child.wait(END_WITHIN)
            except subprocess.TimeoutExpired:
                child.kill()
        result = read(kept)
        if code and result.failure is None:
            result.failure = "it was ended" if interrupted else f"it took over {LONGEST:g} s"
        return result, interrupted


def _measure(name: str, kept: Path, *, quick: bool) -> None:
    into = Measured(kept, quick=quick)
    logging.disable(logging.INFO)  # of servers in this process
    try:
        uvloop.run(module(name).bench(into))
    except KeyboardInterrupt:
        raise SystemExit(1) from None
    except BaseException as error:
        into.fail(f"{type(error).__name__}: {error}".splitlines()[0])
        raise


if __name__ == "__main__":
    _measure(sys.argv[1], Path(sys.argv[2]), quick=sys.argv[3] == "1")
