"""The circuit breaker: while the provider is down, calls fail at once with nothing sent, except one
that may try after each pause."""

from collections.abc import Callable
from datetime import datetime, timedelta

from api import ids
from api.provider.types import ProviderError

FAILURES = 5
"""Number of failures in a row that are an outage."""
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
        """`failures`: number that opens it. `refusal` makes the error that `enter` raises, from the
        seconds until another try is of use."""
        self._most = failures
        self._refusal = refusal
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._open_until: datetime | None = None
        self._trying = False

    def enter(self) -> None:
        """Raise `ProviderError` while the provider counts as down. After the pause one call at a
        time gets through."""
        if self._open_until is None:
            return
        left = (self._open_until - ids.now()).total_seconds()
        if left > 0 or self._trying:
            raise self._refusal(max(left, 1.0))
        self._trying = True

    def succeeded(self) -> None:
        """Note an answer, which may be a refusal."""
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._open_until = None
        self._trying = False

    def failed(self) -> None:
        """Note that the provider could not be reached, or answered that it is broken."""
        self._failures += 1
        if self._open_until is not None:
            if self._trying:
                self._pause = min(self._pause * 2, LONGEST_PAUSE)
                self._open_until = ids.now() + self._pause
        elif self._failures >= (self._most or FAILURES):
            self._open_until = ids.now() + self._pause
        self._trying = False

    def unsure(self) -> None:
        """Note a call that tells nothing of the provider, such as one that we ended ourselves: the
        next one may try."""
        self._trying = False
