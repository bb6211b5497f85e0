"""Patience with an api that is slow, hangs, or is away. No answer is no refusal: what was asked is
asked again, with the same key, until the outcome is known; what was not asked yet waits until the
api is back."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import structlog

from client.errors import API_UNAVAILABLE, NOT_KNOWN, ApiError

log = structlog.get_logger()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. `known`: how long a request is repeated that the api may have taken. `held`: how
    long one waits that the api has certainly not taken. `least` and `most` are the pauses between
    two tries. `waiting`: answers that may wait at a time; more people are told to come again."""

    known: float = 300.0
    held: float = 86_400.0
    least: float = 0.5
    most: float = 5.0
    waiting: int = 500


NONE = Patience(known=0.0, held=0.0)
"""No patience, for calls whose answer nobody waits for."""


class Waiters:
    """All who wait for the api in this process, and the one look-out for them, so that an api that
    starts is not trampled."""

    def __init__(self, look: Callable[[], Awaitable[None]], patience: Patience) -> None:
        self.patience = patience
        self._look = look
        self._looking: asyncio.Task[None] | None = None
        self._waiting: set[Waiting] = set()

    @property
    def away(self) -> bool:
        """Whether the api did not answer when it was asked last."""
        return self._looking is not None

    async def back(self) -> None:
        """Returns when the api answers, however long that takes."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_out())
        await asyncio.shield(self._looking)

    def missed(self) -> None:
        """The api did not answer."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_out())

    async def _look_out(self) -> None:
        pause = self.patience.least
        try:
            while True:
                try:
                    await self._look()
                    return
                except ApiError as error:
                    if error.code != API_UNAVAILABLE:
                        return  # it refuses, so it is there
                    log.info("api_away", detail=error.detail, again_in=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, self.patience.most)
        finally:
            self._looking = None

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    def joined(self, one: "Waiting") -> bool:
        """False when too many wait already. Sets whether it is the first of its place."""
        if len(self._waiting) >= self.patience.waiting:
            return False
        one.first = not any(other.place == one.place for other in self._waiting)
        self._waiting.add(one)
        return True

    def left(self, one: "Waiting") -> None:
        self._waiting.discard(one)


class Waiting:
    """The patience of one answer. `began` is set while the api is waited for, `first`: nobody else
    in this place was waiting then."""

    def __init__(
        self, waiters: Waiters, place: tuple[str, ...], patience: Patience | None = None
    ) -> None:
        self.place = place
        self._patience = patience or waiters.patience
        self.began = asyncio.Event()
        self.first = False
        self._waiters = waiters
        self._since = 0.0
        self._pause = 0.0
        self._doubt = False

    def known(self) -> None:
        """The api has answered."""
        self.began.clear()
        self._doubt = False
        self._waiters.left(self)

    close = known

    async def turn(self) -> None:
        """Before something is asked: waits for an api that is known to be away."""
        if self._waiters.away:
            await self.after(ApiError(API_UNAVAILABLE, "the api is away", unsent=True))

    async def until_known(self, ask: Callable[[], Awaitable[T]], *, harmless: bool = False) -> T:
        """Return the answer of `ask`, or raise its refusal; `ask` is called until there is one.
        `harmless`: it changes nothing, so it may be repeated for as long as it takes."""
        while True:
            await self.turn()
            try:
                answer = await ask()
            except ApiError as error:
                await self.after(error, harmless=harmless)
            else:
                self.known()
                return answer

    async def after(self, error: ApiError, *, harmless: bool = False) -> None:
        """Returns when it is time to ask again. Raises `error` when that would not help, and
        `not_known` when it took too long."""
        if not (error.silent or error.busy):
            self.known()
            raise error
        now = time.monotonic()
        if not self.began.is_set():
            self._since, self._pause = now, self._patience.least
        self._doubt = self._doubt or not (error.unsent or harmless)
        if now + self._pause > self._until:
            in_doubt = self._doubt
            self.known()
            raise ApiError(NOT_KNOWN, error.detail) if in_doubt else error
        if not self.began.is_set():
            if not self._waiters.joined(self):
                raise error
            self.began.set()
        await asyncio.sleep(error.retry_after or 0 if error.busy else self._pause)
        self._pause = min(self._pause * 2, self._patience.most)
        if not error.busy:
            await self._back_in_time()

    @property
    def _until(self) -> float:
        return self._since + (self._patience.known if self._doubt else self._patience.held)

    async def _back_in_time(self) -> None:
        """Not longer than it may take, so that people are told then."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._waiters.back(), max(0.0, self._until - time.monotonic()))
