"""Load for HTTP servers: one question after another on each of many kept connections, every answer
checked. One process makes over 10,000 requests a second, several times what any gateway here does.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httptools

GRACE = 60.0
"""Seconds that the last answers may take."""


@dataclass(frozen=True, slots=True)
class Question:
    """A whole HTTP request, and words that its answer has: a first one and a last one."""

    request: bytes
    first: bytes
    last: bytes


@dataclass(slots=True)
class Answers:
    """Seconds to the first word and to the end of each right answer, what was wrong with others,
    and the seconds that all took."""

    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.whole) / self.seconds


class Asker(asyncio.Protocol):
    """One connection, which asks until the end of the time; `over` is done after its last
    answer."""

    def __init__(self, question: Question, end: float, answers: Answers) -> None:
        self._question, self._end, self._answers = question, end, answers
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body, self._first = b"", 0.0
        self._asked = time.perf_counter()
        self._transport.write(self._question.request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body
        if not self._first and self._question.first in self._body:
            self._first = time.perf_counter()

    def on_message_complete(self) -> None:
        now, status = time.perf_counter(), self._parser.get_status_code()
        if status == 200 and self._first and self._question.last in self._body:
            self._answers.first.append(self._first - self._asked)
            self._answers.whole.append(now - self._asked)
        else:
            self._answers.wrong.append(f"{status} {self._body[-300:].decode(errors='replace')}")
        if now < self._end and not self._answers.wrong:
            self.ask()
        else:
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self._answers.wrong.append(f"the connection was closed ({exc})")
            self._finish()

    def _finish(self) -> None:
        if not self.over.done():
            self.over.set_result(None)


async def load(
    port: int, questions: Sequence[Question], connections: int, seconds: float
) -> Answers:
    """Ask for so long on so many connections at the same time, at least one question on each. The
    questions take turns over the connections. Ends at the first wrong answer."""
    loop, answers = asyncio.get_running_loop(), Answers()
    end = time.perf_counter() + seconds
    askers = []
    for number in range(connections):
        question = questions[number % len(questions)]
        transport, asker = await loop.create_connection(
            lambda of=question: Asker(of, end, answers),  # type: ignore[misc]
            "127.0.0.1",
            port,
        )
        askers.append((transport, asker))
    began = time.perf_counter()
    for _, asker in askers:
        asker.ask()
    try:
        async with asyncio.timeout(seconds + GRACE):
            await asyncio.gather(*(asker.over for _, asker in askers))
    except TimeoutError:
        answers.wrong.append(f"no answer within {GRACE:g} s")
    answers.seconds = time.perf_counter() - began
    for transport, asker in askers:
        asker.over.cancel()
        transport.close()
    return answers
