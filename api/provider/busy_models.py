"""Models that are too busy: while the provider's `Retry-After` runs, no paid call is sent to
them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from api import ids
from api.provider.types import ProviderError

LONGEST = timedelta(seconds=60)
"""A longer word is not taken for all requests: it may have been meant for the one that got it."""


class Pauses:
    """Call `check` before a paid call, which is made inside `learning`. One for each client."""

    def __init__(self) -> None:
        self._until: dict[str, datetime] = {}

    def check(self, model: str) -> None:
        """Raises `ProviderError` with the time that is left; nothing was sent."""
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
        """Around the call: remembers how long it was told to wait."""
        try:
            yield
        except ProviderError as error:
            if model and error.code == "rate_limited" and error.retry_after:
                self._until[model] = ids.now() + min(timedelta(seconds=error.retry_after), LONGEST)
            raise
