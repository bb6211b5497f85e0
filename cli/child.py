"""A process that the supervisor keeps alive: its log lines, its restarts, its end."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from cli.settings import EXIT_BAD_SETTING

LONGEST_WAIT = 30.0
GIVE_UP_AFTER = 5
LONGEST_LINE = 1024 * 1024

Say = Callable[[str, str], None]
"""Prints a line of text behind the name of its process."""


class SettingRefused(Exception):
    """The process ended because of a setting, which another start does not mend."""


class GaveUp(Exception):
    """The process ended the same way at each of its first starts."""


@dataclass(frozen=True)
class RestartTimes:
    """Waits in seconds. `first_wait` doubles with each crash up to `LONGEST_WAIT`, until the
    process ran for `healthy_after`."""

    first_wait: float = 1.0
    healthy_after: float = 60.0
    term_within: float = 8.0


RESTART_TIMES = RestartTimes()


class Child:
    """A process and its restarts.

    One that was healthy before is started again for ever, because the server that it needs may be
    away for a while. One that never was is given up after `GIVE_UP_AFTER` starts with the same exit
    code. With `may_be_missing` it then stays stopped and the others go on.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        say: Say,
        times: RestartTimes = RESTART_TIMES,
        *,
        may_be_missing: bool = False,
    ) -> None:
        self.name = name
        self._command = command
        self._say = say
        self._times = times
        self._may_be_missing = may_be_missing
        self._process: asyncio.subprocess.Process | None = None
        self._life: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def start(self) -> asyncio.Task[None]:
        """Return the task of its life, which ends after `stop`, or with `SettingRefused` or
        `GaveUp`."""
        self._life = asyncio.create_task(self._live())
        return self._life

    async def stop(self) -> None:
        """Ask it to end, and kill it with all that it started after `term_within`."""
        self._stopping.set()
        self._signal(signal.SIGTERM)
        if self._life is None:
            return
        _, alive = await asyncio.wait([self._life], timeout=self._times.term_within)
        if alive:
            self._say(self.name, "did not stop in time and is killed")
            self._signal(signal.SIGKILL)
            await asyncio.wait([self._life])

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    async def _live(self) -> None:
        try:
            await self._keep_alive()
        except (SettingRefused, GaveUp):
            if not self._may_be_missing:
                raise
            self._say(self.name, "left stopped; the others go on")
            await self._stopping.wait()

    async def _keep_alive(self) -> None:
        wait = self._times.first_wait
        has_been_healthy = False
        codes: list[int] = []
        while True:
            started = time.monotonic()
            code = await self._run()
            if self._stopping.is_set():
                return
            if code == EXIT_BAD_SETTING:
                raise SettingRefused(self.name)
            if time.monotonic() - started >= self._times.healthy_after:
                wait, has_been_healthy = self._times.first_wait, True
            codes = [*codes[1 - GIVE_UP_AFTER :], code]
            if not has_been_healthy and codes == [code] * GIVE_UP_AFTER:
                self._say(self.name, f"{_how(code)}, {GIVE_UP_AFTER} times in a row: giving up")
                raise GaveUp(self.name)
            self._say(self.name, f"{_how(code)}; starting it again in {wait:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)
                return
            wait = min(wait * 2, LONGEST_WAIT)

    async def _run(self) -> int:
        """Return its exit code. The log has a pipe of our own, because children of the process may
        hold the pipe longer than it lives."""
        ours, theirs = os.pipe()
        try:
            # a session of its own: Ctrl-C in the terminal reaches the supervisor only, which then
            # stops all in order
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        if self._stopping.is_set():  # during the start
            self._signal(signal.SIGTERM)
        reader = asyncio.StreamReader(limit=LONGEST_LINE)
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", buffering=0)
        )
        lines = asyncio.create_task(self._pass_on(reader))
        try:
            code = await self._process.wait()
            self._signal(signal.SIGKILL)  # what it may have left behind
            self._process = None
            await asyncio.wait([lines], timeout=1)
            return code
        finally:
            lines.cancel()
            pipe.close()

    def _signal(self, number: signal.Signals) -> None:
        """Signal its whole process group."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def _pass_on(self, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                self._say(self.name, f"(left out: a line of more than {LONGEST_LINE} bytes)")
                continue
            if not line:
                return
            self._say(self.name, line.decode(errors="replace").rstrip())


def command_for(name: str) -> list[str]:
    return [sys.executable, "-m", "cli.process", name, "--parent", str(os.getpid())]


def _how(code: int) -> str:
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
