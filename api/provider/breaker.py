"""Stops asking a provider that is down: calls then fail at once, with nothing sent, until one of
them may try again."""

from collections.abc import Callable
from datetime import datetime, timedelta

from api import ids
from api.provider.types import ProviderError

FAILURES = 5
"""So many in a row are an outage."""
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(seconds=60)


def _away(left: float) -> ProviderError:
    return ProviderError(
        "provider_unavailable", "unreachable", outcome="not_sent", retry_after=left
    )


class Breaker:
    """Call `enter` before a request and then exactly one of `succeeded`, `failed` and `unsure`. One
    for each client.

    While it is open the pause doubles with each try that fails. An answer of any other call closes
    it, too.
    """

    def __init__(
        self, failures: int | None = None, refusal: Callable[[float], ProviderError] = _away
    ) -> None:
        """`failures`: how many open it. `refusal`: what `enter` raises, by the seconds after which
        another try is of use."""
        self._most = failures
        self._refusal = refusal
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._open_until: datetime | None = None
        self._trying = False

    def enter(self) -> None:
        """Raises `ProviderError` while the provider is taken to be down. After the pause one call
        gets through at a time."""
        if self._open_until is None:
            return
        left = (self._open_until - ids.now()).total_seconds()
        if left > 0 or self._trying:
            raise self._refusal(max(left, 1.0))
        self._trying = True

    def succeeded(self) -> None:
        """It answered, be it with a refusal."""
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._open_until = None
        self._trying = False

    def failed(self) -> None:
        """It could not be reached, or answered that it is broken."""
        self._failures += 1
        if self._open_until is not None:
            if self._trying:
                self._pause = min(self._pause * 2, LONGEST_PAUSE)
                self._open_until = ids.now() + self._pause
        elif self._failures >= (self._most or FAILURES):
            self._open_until = ids.now() + self._pause
        self._trying = False

    def unsure(self) -> None:
        """Says nothing of the provider, such as a call that we ended ourselves: the next one may
        try."""
        self._trying = False
