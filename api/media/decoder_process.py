"""One decoder process, seen from the process that asks it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from json import dumps, loads
from multiprocessing import Pipe
from pathlib import Path
from signal import Signals
from typing import Any, Literal

from api.errors import BY_CODE, DomainError, kept_error
from api.media.decoded import Finding

ROOT = Path(__file__).parents[2]
LOOK = 0.1
"""Seconds between two looks whether the answer is still wanted."""
END_WITHIN = 2.0

Failure = Literal["died", "timed_out"]


class DecoderFailed(Exception):
    """No answer: the process `died`, or took too long and was killed. `detail` is for the log."""

    def __init__(self, how: Failure, detail: str) -> None:
        super().__init__(f"{how}: {detail}")
        self.how: Failure = how
        self.detail = detail


class Unwanted(Exception):
    """Nobody wants the answer any more."""


class DecoderProcess:
    """Used by one thread at a time. `memory`: bytes that it may have."""

    def __init__(self, memory: int) -> None:
        self._ours, theirs = Pipe()
        with theirs:
            descriptor = theirs.fileno()
            command = [sys.executable, "-m", "api.media.decoder"]
            self._process = subprocess.Popen(
                [*command, str(descriptor), str(os.getpid()), str(memory)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[descriptor],
            )
        self.pid = self._process.pid
        self.jobs = 0
        self.resident = 0
        """Bytes of memory that it had after its last job."""
        self.idle_since = time.monotonic()

    def ask(
        self, job: dict[str, Any], data: bytes, seconds: float, unwanted: Callable[[], bool]
    ) -> Finding:
        """Do a job, which may take so many seconds. Raises `DecoderFailed`, `Unwanted`, and the
        domain error that is the answer. After the first two it has ended."""
        try:
            found = self._answer(job, data, seconds, unwanted)
        except (EOFError, OSError) as error:
            self.kill()
            code = self._process.returncode
            how = Signals(-code).name if code < 0 else f"exit code {code}"
            raise DecoderFailed("died", how) from error
        except BaseException:
            self.kill()
            raise
        self.jobs += 1
        self.resident = found.facts["resident"]
        self.idle_since = time.monotonic()
        if "error" in found.facts:
            raise _refusal(found.facts)
        return found

    def _answer(
        self, job: dict[str, Any], data: bytes, seconds: float, unwanted: Callable[[], bool]
    ) -> Finding:
        end = time.monotonic() + seconds
        self._ours.send_bytes(dumps(job).encode())
        self._ours.send_bytes(data)
        while not self._ours.poll(LOOK):
            if unwanted():
                raise Unwanted
            if time.monotonic() > end:
                raise DecoderFailed("timed_out", f"{seconds:g} s")
        facts = loads(self._ours.recv_bytes())
        return Finding(facts, self._ours.recv_bytes(), self._ours.recv_bytes())

    @property
    def has_ended(self) -> bool:
        return self._process.returncode is not None

    def end(self) -> None:
        """Let it end by itself."""
        self._ours.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_WITHIN)
        self.kill()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._ours.close()


def _refusal(facts: dict[str, Any]) -> DomainError:
    assert facts["error"] in BY_CODE
    return kept_error(facts["error"], facts["reason"], facts["params"])
