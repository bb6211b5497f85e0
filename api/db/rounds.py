"""Rounds: what many callers want of the database, done together in one transaction.

While a round runs, those who come wait for the next one. There is no timer, so one who comes alone
waits for nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from structlog import get_logger

from api.db import DbUnavailable, repeated

Item = TypeVar("Item")
Result = TypeVar("Result")

log = get_logger("db")

MOST = 128
"""Items of one round."""


class Rounds(Generic[Item, Result]):
    """`work` does all items in one transaction, and returns a result each. When it raises, each
    item is done alone, so that none fails for another one's values. `undo` takes back an item whose
    caller was cancelled while it was done."""

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        undo: Callable[[Item, Result], Awaitable[None]],
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
            self._runner = asyncio.create_task(self._run(), name="rounds")
        return await done

    async def _run(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            taken = [(item, done) for item, done in taken if not done.cancelled()]
            results = await self._results([item for item, _ in taken])
            for (item, done), result in zip(taken, results, strict=True):
                if isinstance(result, BaseException):
                    if not done.done():
                        done.set_exception(result)
                elif done.done():
                    await self._take_back(item, result)
                else:
                    done.set_result(result)

    async def _results(self, items: Sequence[Item]) -> Sequence[Result | BaseException]:
        if not items:
            return []
        (found,) = await asyncio.gather(repeated(lambda: self._work(items)), return_exceptions=True)
        if not isinstance(found, BaseException):
            return found
        if len(items) == 1 or isinstance(found, DbUnavailable):
            return [found] * len(items)
        return [result for item in items for result in await self._results([item])]

    async def _take_back(self, item: Item, result: Result) -> None:
        (failed,) = await asyncio.gather(self._undo(item, result), return_exceptions=True)
        if failed is not None:
            log.warning("round_not_taken_back", error=str(failed))
