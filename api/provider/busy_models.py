"""Models that are too busy: they get no paid call while the provider's `Retry-After` runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from api import ids
from api.provider.shared_pauses import LonePauses, Paused, Pauses
from api.provider.types import ProviderError

SCOPE = "model:"
NOTABLE = timedelta(seconds=1)
LONGEST = timedelta(seconds=60)
"""Most that one `Retry-After` counts for all requests: a longer one may be meant for one of
them."""


class BusyModels:
    """Call `check` before a paid call, which is made inside `learning`. One for each client."""

    def __init__(self, pauses: Pauses | None = None) -> None:
        self._until: dict[str, datetime] = {}
        self._pauses = pauses or LonePauses()
        self._pauses.join(SCOPE, self._follow)

    def _follow(self, scope: str, paused: Paused | None) -> None:
        if paused is not None:
            self._until[scope.removeprefix(SCOPE)] = paused[0]

    def check(self, model: str) -> None:
        """Raise `ProviderError` with the remaining time while the model is busy."""
        until = self._until.get(model)
        if until is None:
            return
        left = (until - ids.now()).total_seconds()
        if left <= 0:
            del self._until[model]
            return
        raise ProviderError(
            "rate_limited", "busy", outcome="not_sent", status=429, retry_after=left
        )

    @contextmanager
    def learning(self, model: str) -> Iterator[None]:
        """Remember the wait that a call inside the block is told."""
        try:
            yield
        except ProviderError as error:
            if model and error.code == "rate_limited" and error.retry_after:
                self._pause(model, min(timedelta(seconds=error.retry_after), LONGEST))
            raise

    def _pause(self, model: str, length: timedelta) -> None:
        before, until = self._until.get(model), ids.now() + length
        self._until[model] = until
        if before is None or until - before > NOTABLE:  # many calls are told the same
            self._pauses.begin(SCOPE + model, until, length)
