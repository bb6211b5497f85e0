"""What has to come to its end, however long Telegram is away."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError

from bots.telegram.calls import seconds_of

log = structlog.get_logger()

BACKOFF_LEAST, BACKOFF_MOST = 0.5, 30.0


class TokenRefused(Exception):
    """Telegram does not know this token. The library's own error quotes it, so that one must not be
    chained."""


class Retrying:
    """Repeats what fails with growing pauses, and logs each kind of trouble once."""

    def __init__(self) -> None:
        self._trouble: str | None = None

    async def until_done(self, work: Callable[[], Awaitable[None]]) -> None:
        """Raises `TokenRefused`, and what `work` raises that is no `TelegramError`."""
        pause = BACKOFF_LEAST
        while True:
            try:
                await work()
            except InvalidToken:
                raise TokenRefused from None
            except TelegramError as error:
                pause = (
                    seconds_of(error)
                    if isinstance(error, RetryAfter)
                    else min(pause * 2, BACKOFF_MOST)
                )
                self._tell(error, pause)
                await asyncio.sleep(pause)
            else:
                if self._trouble is not None:
                    log.info("telegram_well_again")
                self._trouble = None
                return

    def _tell(self, error: TelegramError, pause: float) -> None:
        kind = type(error).__name__
        if kind == self._trouble:
            return
        self._trouble = kind
        if isinstance(error, Conflict):
            log.error(
                "telegram_conflict",
                reason="another process takes this bot's updates: stop it, or give this bot its "
                "own token",
            )
        else:
            log.warning("telegram_unreachable", reason=error.message[:200], again_in=pause)
