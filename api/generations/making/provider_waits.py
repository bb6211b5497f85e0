"""Waits for a provider that did not take a generation and certainly did nothing: with longer and
longer breaks, for a quarter of an hour."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from structlog import get_logger

from api.generations.store import Generation
from api.provider.breaker import Breaker
from api.provider.shared_pauses import Pauses
from api.provider.types import ProviderError

log = get_logger("worker")

PATIENCE = 15 * 60.0
"""In seconds, as those below. From the first try on, which counts, too."""
FIRST = 1.0
LONGEST = 30.0


def may_wait(error: ProviderError) -> bool:
    """Tell whether nothing was done and the provider or the way to it is at fault, not this
    generation."""
    if error.outcome == "unknown" or error.cost_micro or error.made:
        return False
    if error.code == "provider_out_of_credit":
        return True
    away = error.outcome == "not_sent" or error.code == "rate_limited" or (error.status or 0) >= 500
    return error.passing and away


def next_wait(row: Generation, error: ProviderError) -> float | None:
    """Return the seconds until it is tried again; None once there is no use in waiting."""
    left = PATIENCE - (row.followed_ms or 0) / 1000
    if left <= 0 or (error.outcome == "refused" and (error.retry_after or 0.0) > left):
        return None
    return min(pause(row, error), left)


def pause(row: Generation, error: ProviderError) -> float:
    """Return the seconds of a pause: longer with each try, and never shorter than the provider has
    asked for."""
    longer = min(LONGEST, FIRST * 2.0 ** min(row.tries, 10)) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
    return max(longer, error.retry_after or 0.0)


class Credit:
    """The gate while the provider's account is empty: the queue stands still, except for one
    generation at a time that tries."""

    def __init__(self, pauses: Pauses) -> None:
        self._breaker = Breaker(failures=1, refusal=_no_credit, scope="credit", pauses=pauses)

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Let one paid call through. Raises `ProviderError` while there is no credit: then nothing
        is sent."""
        await self._breaker.admit()
        ended = self._breaker.unsure
        try:
            yield
            ended = self._breaker.succeeded
        except ProviderError as error:
            if error.code == "provider_out_of_credit" and error.retry_after is None:
                log.critical(
                    "provider_out_of_credit",
                    hint="jobs wait until the account is topped up at the provider",
                )
                ended = self._breaker.failed
            raise
        finally:
            ended()


def _no_credit(left: float) -> ProviderError:
    return ProviderError(
        "provider_out_of_credit",
        "out_of_credit",
        outcome="not_sent",
        retry_after=left,
    )
