"""The circuit breaker: while the provider is down, calls fail at once with nothing sent, except one
that may try after each pause, in one of all processes."""

from collections.abc import Callable
from datetime import datetime, timedelta

from api import ids
from api.db import DbUnavailable
from api.provider.shared_pauses import LonePauses, Paused, Pauses
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
    """Call `enter` (or `admit`, which asks the other processes, too) before a request and then
    exactly one of `succeeded`, `failed` and `unsure`. One for each client.

    While it is open the pause doubles with each try that fails. An answer of any other call closes
    it, too.
    """

    def __init__(
        self,
        failures: int | None = None,
        refusal: Callable[[float], ProviderError] = _away,
        *,
        scope: str = "calls",
        pauses: Pauses | None = None,
    ) -> None:
        """`failures`: number that opens it. `refusal` makes the error that `enter` raises, from the
        seconds until another try is of use. `scope`: its name among the shared `pauses`."""
        self._most = failures
        self._refusal = refusal
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._open_until: datetime | None = None
        self._trying = False
        self._scope = scope
        self._pauses = pauses or LonePauses()
        self._pauses.join(scope, self._follow)

    async def admit(self) -> None:
        """Raise `ProviderError` as `enter`, and while another process makes the call that tries."""
        self.enter()
        if not self._trying:
            return
        try:
            mine = await self._pauses.may_try(self._scope)
        except DbUnavailable:
            mine = True
        except BaseException:
            self._trying = False
            raise
        if not mine:
            self._trying = False
            raise self._refusal(1.0)

    def _follow(self, _: str, paused: Paused | None) -> None:
        if paused is None:
            self._close()
        elif self._open_until is None or paused[0] > self._open_until:
            self._open_until, self._pause = paused

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
        if self._open_until is not None:
            self._pauses.end(self._scope)
        self._close()

    def _close(self) -> None:
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
                self._open()
        elif self._failures >= (self._most or FAILURES):
            self._open()
        self._trying = False

    def _open(self) -> None:
        self._open_until = ids.now() + self._pause
        self._pauses.begin(self._scope, self._open_until, self._pause)

    def unsure(self) -> None:
        """Note a call that tells nothing of the provider, such as one that we ended ourselves: the
        next one may try."""
        self._trying = False
