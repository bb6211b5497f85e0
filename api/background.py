"""Work that nobody waits for, under one supervisor: turn after turn until the process ends, or
once.

No error ends it in silence. Each is logged at once, counted in `/metrics` and named in `/readyz`
until a turn goes well, and the next turn waits longer. Work that the process needs ends the process
when it breaks again and again, and the supervisor of processes starts it anew.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from structlog import get_logger

from api.db import DbUnavailable
from api.errors import DomainError
from api.provider.types import ProviderError

T = TypeVar("T")
log = get_logger("background")

Turn = Callable[[], Awaitable[float]]
"""One turn; returns after how many seconds the next one is due."""

LEAST, MOST = 1.0, 60.0
AGAIN_FIRST, AGAIN_MOST = 0.25, 4.0
BROKEN_AFTER = 10
"""Turns in a row with an error that nobody expected: about five minutes of work that is needed and
not done."""
_AWAY = (DbUnavailable, ProviderError, DomainError, OSError)
"""Something else is away or full, and says so in a sentence. Waiting helps; starting the process
anew does not."""


@dataclass(slots=True)
class _State:
    needed: bool
    failed: int = 0
    """Times in a row."""
    unexpected: int = 0
    error: str = ""


class Count(Protocol):
    def background_failed(self, work: str, times: int = 1) -> None: ...


class Background:
    """All background work of one process, by name. `broken` is set once the process has to end with
    an error."""

    def __init__(self, count: Count) -> None:
        self._count = count
        self._states: dict[str, _State] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self.broken = asyncio.Event()

    def add(
        self,
        name: str,
        turn: Turn,
        *,
        first: float = 0.0,
        least: float = LEAST,
        most: float = MOST,
        needed: bool = False,
    ) -> None:
        """Run turn after turn, the first one after `first` seconds. After an error it waits `least`
        seconds, then longer, up to `most`."""
        state = self._state(name, needed=needed)
        task = asyncio.create_task(self._repeat(name, turn, state, first, least, most), name=name)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(name, done))

    def once(
        self, name: str, work: Coroutine[Any, Any, None], *, told: bool = True, **about: object
    ) -> asyncio.Task[None]:
        """Run work once, in a task that ends also when the work fails. `about`: fields for the log;
        `name` stands for all of its kind. `told` False: an error is logged and counted, and not
        named among what is failing, which strangers may read."""
        state = self._state(name, needed=False)
        if not told:
            state = _State(needed=False)
        return asyncio.create_task(self._do(name, work, state, about), name=name)

    @property
    def failing(self) -> dict[str, str]:
        """The error of each work whose last turn failed, by name."""
        return {
            name: f"failed {state.failed} times in a row: {state.error}"
            if state.failed > 1
            else f"failed: {state.error}"
            for name, state in self._states.items()
            if state.failed
        }

    @property
    def works(self) -> bool:
        """Tell whether the work that the process needs goes well."""
        return not any(state.failed and state.needed for state in self._states.values())

    async def close(self) -> None:
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _state(self, name: str, *, needed: bool) -> _State:
        if name not in self._states:
            self._count.background_failed(name, 0)
        return self._states.setdefault(name, _State(needed))

    async def _repeat(
        self, name: str, turn: Turn, state: _State, first: float, least: float, most: float
    ) -> None:
        pause = first
        while not self._closing:
            await asyncio.sleep(pause)
            again_in = min(most, least * 2.0 ** min(state.failed, 30))
            pause = await self._tried(
                name, turn(), state, {"again_in": again_in}, otherwise=again_in
            )

    async def _do(
        self, name: str, work: Coroutine[Any, Any, None], state: _State, about: Mapping[str, object]
    ) -> None:
        await self._tried(name, work, state, about, otherwise=None)

    async def _tried(
        self,
        name: str,
        work: Awaitable[T],
        state: _State,
        about: Mapping[str, object],
        *,
        otherwise: T,
    ) -> T:
        try:
            done = await work
        except Exception as error:
            self._count.background_failed(name)
            state.failed += 1
            if isinstance(error, _AWAY):
                state.error, state.unexpected = str(error) or type(error).__name__, 0
                log.warning(
                    "background_failed", work=name, times=state.failed, error=state.error, **about
                )
            else:
                state.error, state.unexpected = (
                    type(error).__name__,
                    state.unexpected + 1,
                )  # its text may hold anybody's data
                log.exception("background_failed", work=name, times=state.failed, **about)
            if state.needed and state.unexpected >= BROKEN_AFTER:
                self._break(name)
            return otherwise
        if state.failed:
            log.info("background_goes_on", work=name, after=state.failed)
        state.failed = state.unexpected = 0
        return done

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        """Only `close` ends it: anything else (a cancel from somewhere, an error that is no
        `Exception`) would be work that is gone."""
        if not self._closing:
            log.critical(
                "background_ended",
                work=name,
                exc_info=None if task.cancelled() else task.exception(),
            )
            self._break(name)

    def _break(self, name: str) -> None:
        log.critical(
            "background_broken", work=name, hint="the process ends, so that it is started anew"
        )
        self.broken.set()


async def until_back(write: Callable[[], Awaitable[None]]) -> None:
    """Write what must not be lost, such as what a paid call brought, as soon as the database can be
    written again."""
    pause = AGAIN_FIRST
    while True:
        try:
            await write()
        except DbUnavailable as error:
            log.warning("write_waits", error=str(error), again_in=pause)
        else:
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, AGAIN_MOST)
