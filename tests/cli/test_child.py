"""Restart, refusal and end of one supervised process, with real processes."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.child import GIVE_UP_AFTER, LONGEST_LINE, Child, GaveUp, RestartTimes, SettingRefused
from cli.supervisor import supervise
from tests.processes import wait_gone


class Lines:
    """The lines of a child, and a way to wait for one."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._more = asyncio.Event()

    def say(self, name: str, text: str) -> None:
        self.all.append(text)
        self._more.set()

    async def until(self, enough: Callable[[list[str]], bool]) -> None:
        async with asyncio.timeout(30):
            while not enough(self.all):
                self._more.clear()
                await self._more.wait()


def child(
    lines: Lines,
    code: str,
    *,
    first_wait: float = 0.01,
    healthy_after: float = 60.0,
    term_within: float = 20.0,
    may_be_missing: bool = False,
) -> Child:
    times = RestartTimes(first_wait, healthy_after, term_within)
    return Child(
        "it", [sys.executable, "-uSc", code], lines.say, times, may_be_missing=may_be_missing
    )


async def test_passes_lines_on_and_starts_again_with_growing_waits() -> None:
    lines = Lines()
    one = child(lines, "import sys; print('hello'); print('oops', file=sys.stderr); sys.exit(7)")
    life = one.start()
    await lines.until(lambda said: said.count("hello") == 4)
    await one.stop()
    await life
    assert lines.all.count("oops") >= 3
    again = [line for line in lines.all if "starting it again" in line]
    assert again[:3] == [
        f"ended with exit code 7; starting it again in {wait:g} s" for wait in (0.01, 0.02, 0.04)
    ]


async def test_names_the_signal_that_ended_it() -> None:
    lines = Lines()
    one = child(lines, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    life = one.start()
    await lines.until(lambda said: len(said) > 0)
    await one.stop()
    await life
    assert lines.all[0].startswith("ended by SIGKILL")


async def test_a_bad_setting_is_not_tried_again() -> None:
    lines = Lines()
    with pytest.raises(SettingRefused):
        await child(lines, "import sys; print('SETTING is bad'); sys.exit(2)").start()
    assert lines.all == ["SETTING is bad"]


async def test_a_process_that_ends_alike_a_few_times_is_given_up() -> None:
    lines = Lines()
    with pytest.raises(GaveUp):
        await child(lines, "raise SystemExit('no database')").start()
    assert lines.all.count("no database") == GIVE_UP_AFTER
    assert lines.all[-1] == f"ended with exit code 1, {GIVE_UP_AFTER} times in a row: giving up"


async def test_a_process_that_ends_another_way_each_time_is_not_given_up(tmp_path: Path) -> None:
    """It makes progress, if slowly: each start ends at another point."""
    lines = Lines()
    count = (
        "import pathlib; path = pathlib.Path({!r}); path.touch(); "
        "path.write_text(path.read_text() + 'x'); n = len(path.read_text())"
    )
    one = child(
        lines,
        count.format(str(tmp_path / "starts")) + "\nprint('start', n)\nraise SystemExit(n % 2 + 3)",
    )
    life = one.start()
    await lines.until(lambda said: f"start {GIVE_UP_AFTER * 2}" in said)
    await one.stop()
    await life


async def test_a_process_that_was_ready_once_is_restarted_for_ever() -> None:
    """A database that it needs may be away for longer than a few starts take."""
    lines = Lines()
    one = child(lines, "print('up'); raise SystemExit(1)", healthy_after=0.0)
    life = one.start()
    await lines.until(lambda said: said.count("up") > GIVE_UP_AFTER * 2)
    await one.stop()
    await life


@pytest.mark.parametrize("code", [1, 2])
async def test_one_that_may_be_missing_is_left_stopped_and_ends_with_the_others(code: int) -> None:
    lines = Lines()
    one = child(lines, f"raise SystemExit({code})", may_be_missing=True)
    life = one.start()
    await lines.until(lambda said: "left stopped; the others go on" in said)
    assert not life.done()
    await one.stop()
    await life


async def test_stops_at_once_while_waiting_to_start_again() -> None:
    lines = Lines()
    one = child(lines, "raise SystemExit(1)", first_wait=3600)
    life = one.start()
    await lines.until(lambda said: len(said) > 0)
    await one.stop()
    await life


async def test_its_last_words_are_passed_on() -> None:
    lines = Lines()
    code = (
        "import signal, sys, threading\nsignal.signal(15, lambda *_: (print('bye'), sys.exit(0)))\n"
        "print('up')\nthreading.Event().wait()"
    )
    one = child(lines, code)
    life = one.start()
    await lines.until(lambda said: "up" in said)
    await one.stop()
    await life
    assert lines.all == ["up", "bye"]


async def test_the_sandbox_ends_after_those_that_wait_for_what_it_makes(tmp_path: Path) -> None:
    """A third process refuses to start, which ends all of them."""
    note = tmp_path / "ended"
    end = (
        "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit({last}))\n"
        "print('up')\ntime.sleep(3600)"
    )
    writes = f"(time.sleep({{wait}}), open({str(note)!r}, 'a').write({{name!r}}))"
    lines = Lines()

    def one(name: str, wait: float) -> Child:
        code = end.format(last=writes.format(wait=wait, name=name))
        return Child(
            name, [sys.executable, "-uSc", code], lines.say, RestartTimes(term_within=20.0)
        )

    waits = (
        "import os, sys, time\n"
        f"while not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.01)\nsys.exit(2)"
    )
    refuses = Child("web", [sys.executable, "-uSc", waits], lines.say)
    stopped = asyncio.create_task(
        supervise(
            [one("sandbox", 0.0), one("api", 0.3), refuses],
            asyncio.create_task(asyncio.sleep(0)),
            lines.say,
        )
    )
    await lines.until(lambda said: said.count("up") == 2)
    (tmp_path / "go").touch()
    assert await stopped == 2
    assert note.read_text() == "apisandbox"


async def test_one_that_ignores_the_request_is_killed() -> None:
    lines = Lines()
    one = child(
        lines,
        "import os, signal, time\nsignal.signal(15, signal.SIG_IGN)\n"
        "print(os.getpid())\ntime.sleep(3600)",
        term_within=0.2,
    )
    life = one.start()
    await lines.until(lambda said: len(said) > 0)
    await one.stop()
    await life
    assert lines.all[1] == "did not stop in time and is killed"
    assert wait_gone(int(lines.all[0]))


async def test_processes_it_started_end_with_it_and_do_not_hold_up_the_restart() -> None:
    lines = Lines()
    one = child(
        lines, "import subprocess\nprint(subprocess.Popen(['sleep', '3600']).pid)", first_wait=3600
    )
    life = one.start()
    await lines.until(lambda said: any("starting it again" in line for line in said))
    assert await asyncio.to_thread(wait_gone, int(lines.all[0]))
    await one.stop()
    await life


async def test_an_endless_line_is_left_out_and_the_next_ones_are_not() -> None:
    lines = Lines()
    one = child(lines, f"print('x' * {LONGEST_LINE * 2})\nprint('after')", first_wait=3600)
    life = one.start()
    await lines.until(lambda said: "after" in said)
    await one.stop()
    await life
    assert any("left out" in line for line in lines.all)
