"""One call to Telegram: when it may be made, when it is made again, and what its failure means."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import httpx
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    RetryAfter,
    TelegramError,
)

from bots.core.types import SendFailed
from bots.telegram.rate_limits import PATIENCE, Pace

T = TypeVar("T")

UNSENT_PAUSES = (0.5, 2.0)
"""Nothing went out, so trying again can't show anything twice. The first try is followed by one
after each pause."""

_UNSENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


class Refusal(SendFailed):
    """Telegram's answer was no, in its words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, final=True)

    def says(self, *signs: str) -> bool:
        """Whether one of them, in small letters, is in the words: the library changes their
        case."""
        return any(sign in self.reason.lower() for sign in signs)


class Calls:
    def __init__(self, pace: Pace | None = None) -> None:
        self.pace = Pace() if pace is None else pace

    async def make(
        self,
        chat_id: int,
        call: Callable[[], Awaitable[T]],
        *,
        cost: int = 1,
        patience: float = PATIENCE,
        repeatable: bool = False,
    ) -> T:
        """`cost` in messages. `repeatable`: a second time does no harm, so that a lost answer
        leaves nothing uncertain.

        Raises `SendFailed`, and `ChatMigrated`, after which the old chat has taken nothing.
        """
        wait = self.pace.turn(chat_id, cost, patience)
        if wait:
            await asyncio.sleep(wait)
        for pause in (*UNSENT_PAUSES, None):
            try:
                return await call()
            except ChatMigrated:
                raise
            except RetryAfter as error:
                seconds = seconds_of(error)
                self.pace.slow_down(chat_id, seconds)
                raise SendFailed("Telegram asked to slow down", retry_after=seconds) from None
            except TelegramError as error:
                if pause is None or not unsent(error):
                    raise failure(error, repeatable) from error
            await asyncio.sleep(pause)
        raise AssertionError("the last try returns or raises")


def seconds_of(error: RetryAfter) -> float:
    asked = error.retry_after
    return asked.total_seconds() if isinstance(asked, timedelta) else float(asked)


def unsent(error: TelegramError) -> bool:
    """The request did not leave: no connection was made, or none was free."""
    return isinstance(error.__cause__, _UNSENT)


def failure(error: TelegramError, repeatable: bool) -> SendFailed:
    """What a failed call means for what was to be sent."""
    if isinstance(error, BadRequest | Forbidden):
        return Refusal(error.message)
    if isinstance(error, InvalidToken):
        return SendFailed("Telegram refuses the bot's token")
    if unsent(error):
        return SendFailed(f"Telegram can't be reached: {type(error.__cause__).__name__}")
    if "Entity Too Large" in error.message:
        return Refusal("Request Entity Too Large")
    return SendFailed(
        f"no clear answer from Telegram: {error.message[:200]}", uncertain=not repeatable
    )
