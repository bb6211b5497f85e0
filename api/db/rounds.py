"""Rounds: what many callers want of the database, done together in one transaction.

While a round runs, those who come wait for the next one. There is no timer, so one who comes alone
waits for nobody.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from structlog import get_logger

from api.db import DbUnavailable, OutOfMemory, repeated

Item = TypeVar("Item")
Result = TypeVar("Result")

log = get_logger("db")

MOST = 128
"""Items of one round."""


class Rounds(Generic[Item, Result]):
    """`work` does all items in one transaction, and returns a result each. When it raises, the
    items are done in halves, so that none fails for another one's values, nor for their number.
    `undo` takes back an item whose caller was cancelled while it was done; a read has none."""

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        undo: Callable[[Item, Result], Awaitable[None]] | None = None,
    ) -> None:
        self._work = work
        self._undo = undo
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._runner: asyncio.Task[None] | None = None

    async def do(self, item: Item) -> Result:
        """Return the result of the item, after the commit that keeps it. Raises what its work alone
        raises, and `DbUnavailable`."""
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._runner is None or self._runner.done():
            # a round belongs to all its callers, so it runs in the context of none of them
            self._runner = asyncio.create_task(
                self._run(), name="rounds", context=contextvars.Context()
            )
        return await done

    async def _run(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            taken = [(item, done) for item, done in taken if not done.cancelled()]
            results = await self._results([item for item, _ in taken])
            left: list[tuple[Item, Result]] = []
            for (item, done), result in zip(taken, results, strict=True):
                if isinstance(result, BaseException):
                    if not done.done():
                        done.set_exception(result)
                elif done.done():
                    left.append((item, result))
                else:
                    done.set_result(result)
            for item, result in left:
                await self._take_back(item, result)

    async def _results(self, items: Sequence[Item]) -> Sequence[Result | BaseException]:
        if not items:
            return []
        (found,) = await asyncio.gather(repeated(lambda: self._work(items)), return_exceptions=True)
        if not isinstance(found, BaseException):
            return found
        is_away = isinstance(found, DbUnavailable) and not isinstance(found, OutOfMemory)
        if len(items) == 1 or is_away:
            return [found] * len(items)
        half = len(items) // 2
        return [*await self._results(items[:half]), *await self._results(items[half:])]

    async def _take_back(self, item: Item, result: Result) -> None:
        if self._undo is None:
            return
        (failed,) = await asyncio.gather(self._undo(item, result), return_exceptions=True)
        if failed is not None:
            log.warning("round_not_taken_back", error=str(failed))
