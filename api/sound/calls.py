"""The calls of one request: a piece of a recording or of a text each."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from api.provider.types import ProviderError, Speech

AT_ONCE = 2
AGAIN_WITHIN = 5.0
"""Seconds that a piece waits for its second try at most: the others are paid already."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The result of one call: `text` that was heard, or `speech`. `cost_micro` None: not said."""

    provider_id: str | None
    cost_micro: int | None
    text: str = ""
    speech: Speech | None = None


async def asked(
    calls: Sequence[Callable[[], Awaitable[Piece]]],
) -> tuple[list[Piece], ProviderError | None]:
    """Make the calls, a few at a time, and return the results in order; when one fails, no further
    one is begun. Raises nothing of the provider's."""
    slots = asyncio.Semaphore(AT_ONCE)
    failures: list[ProviderError] = []

    async def one(call: Callable[[], Awaitable[Piece]]) -> Piece | None:
        async with slots:
            if failures:
                return None
            try:
                return await _twice(call)
            except ProviderError as error:
                failures.append(error)
                return None

    found = await asyncio.gather(*(one(call) for call in calls))
    return [piece for piece in found if piece is not None], failures[0] if failures else None


async def _twice(call: Callable[[], Awaitable[Piece]]) -> Piece:
    """Make a call, and once more when it was certainly not done and may be soon."""
    try:
        return await call()
    except ProviderError as error:
        wait = 1.0 if error.retry_after is None else error.retry_after
        if not error.retryable or error.outcome == "unknown" or wait > AGAIN_WITHIN:
            raise
    await asyncio.sleep(wait)
    return await call()
