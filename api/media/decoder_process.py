"""One decoder process, seen from the process that asks it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from json import dumps, loads
from pathlib import Path
from signal import Signals
from socket import socketpair
from typing import Any, Literal

from api.errors import BY_CODE, DomainError, kept_error
from api.media.decoded import Finding
from api.media.messages import LENGTH

ROOT = Path(__file__).parents[2]
LOOK = 0.1
"""Seconds between two looks whether the answer is still wanted."""
START = 60.0
"""Seconds in which a decoder starts, on a machine with much else to do."""
END_WITHIN = 2.0
ANSWER_MAX = 200_000_000
"""Bytes. A picture of 30 megapixels that is written as a PNG stays below."""
_ENVIRONMENT = {"LANG", "LD_LIBRARY_PATH", "LD_PRELOAD", "PATH", "TZ"}
_ENVIRONMENTS = ("LC_", "MALLOC_", "PYTHON")
"""Names, and starts of names, of variables for any program. The others hold passwords and keys."""

Failure = Literal["died", "memory_short", "not_started", "timed_out"]


class DecoderFailed(Exception):
    """No answer: the process `died`, took too long and was killed, or did not even start, which no
    file is to blame for; or the file needs more memory. `detail` is for the log."""

    def __init__(self, how: Failure, detail: str) -> None:
        super().__init__(f"{how}: {detail}")
        self.how: Failure = how
        self.detail = detail


class Unwanted(Exception):
    """Nobody wants the answer any more."""


class DecoderProcess:
    """Used by one thread at a time. `memory`: bytes that it may have. Raises OSError."""

    def __init__(self, memory: int) -> None:
        self._socket, theirs = socketpair()
        command = [sys.executable, "-m", "api.media.decoder"]
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [*command, str(theirs.fileno()), str(os.getpid()), str(memory)],
                    cwd=ROOT,
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                )
        except OSError:
            self._socket.close()
            raise
        self._socket.settimeout(LOOK)
        self.has_started = False
        self.pid = self._process.pid
        self.jobs = 0
        self.resident = 0
        """Bytes of memory that it had after its last job."""
        self.idle_since = time.monotonic()
        self.has_ended = False

    def ask(
        self, job: dict[str, Any], data: bytes, seconds: float, unwanted: Callable[[], bool]
    ) -> Finding:
        """Do a job, which may take so many seconds. Raises `DecoderFailed`, `Unwanted`, and the
        domain error that is the answer. `has_ended` tells whether it goes on."""
        try:
            if not self.has_started:
                self._receive(_look(START, "not_started", unwanted))
                self.has_started = True
            found = self._answer(job, data, _look(seconds, "timed_out", unwanted))
        except (EOFError, OSError) as error:
            self.kill()
            how: Failure = "died" if self.has_started else "not_started"
            raise DecoderFailed(how, self._end_in_words()) from error
        except BaseException:
            self.kill()
            raise
        self.jobs += 1
        self.resident = found.facts["resident"]
        self.idle_since = time.monotonic()
        if "error" in found.facts:
            raise _refusal(found.facts)
        return found

    def _answer(self, job: dict[str, Any], data: bytes, look: Callable[[], None]) -> Finding:
        self._send(dumps(job).encode(), look)
        self._send(data, look)
        facts = loads(self._receive(look))
        return Finding(facts, self._receive(look), self._receive(look))

    def _send(self, message: bytes, look: Callable[[], None]) -> None:
        for each in (LENGTH.pack(len(message)), message):
            left = memoryview(each)
            while left:
                look()
                with suppress(TimeoutError):
                    left = left[self._socket.send(left) :]

    def _receive(self, look: Callable[[], None]) -> bytes:
        (size,) = LENGTH.unpack(self._read(LENGTH.size, look))
        if size > ANSWER_MAX:
            raise DecoderFailed("died", f"an answer of {size} bytes")
        return self._read(size, look)

    def _read(self, size: int, look: Callable[[], None]) -> bytes:
        found = bytearray(size)
        left = memoryview(found)
        while left:
            look()
            with suppress(TimeoutError):
                if not (came := self._socket.recv_into(left)):
                    raise EOFError
                left = left[came:]
        return bytes(found)

    def _end_in_words(self) -> str:
        code = self._process.returncode
        if code is None:
            return "it does not end"
        return Signals(-code).name if code < 0 else f"exit code {code}"

    def end(self) -> None:
        """Let it end by itself."""
        self._socket.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_WITHIN)
        self.kill()

    def kill(self) -> None:
        """Kill it, and do not wait long: a read from a disk that hangs cannot be ended."""
        self.has_ended = True
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_WITHIN)
        self._socket.close()


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name in _ENVIRONMENT or name.startswith(_ENVIRONMENTS)
    }


def _look(seconds: float, late: Failure, unwanted: Callable[[], bool]) -> Callable[[], None]:
    """Return a function that raises `Unwanted`, and after so many seconds `DecoderFailed`."""
    end = time.monotonic() + seconds

    def look() -> None:
        if unwanted():
            raise Unwanted
        if time.monotonic() > end:
            raise DecoderFailed(late, f"{seconds:g} s")

    return look


def _refusal(facts: dict[str, Any]) -> DomainError | DecoderFailed:
    assert facts["error"] in BY_CODE
    if facts["reason"] == "memory_short":
        return DecoderFailed("memory_short", "")
    return kept_error(facts["error"], facts["reason"], facts["params"])
