"""Calls to Telegram: their turn within its rate limits, their repetition, and the meaning of their
failures.

The bot keeps the limits itself: for all chats together, for a private chat, for a group. Flood
waits that Telegram asks for count on top.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import aiohttp
import httpx
import structlog
from telegram import error as errors

from bots.core.recent import Recent
from bots.core.types import SendFailed
from client.schemas.deliveries import DeliveryReason

log = structlog.get_logger()

T = TypeVar("T")

REMEMBERED = 2_000
"""A forgotten chat may speak at once: by then it has been silent for long."""
PATIENCE = 15.0
"""Seconds that a call waits for its turn. A call that would wait longer fails with the time of its
next try."""
UNSENT_PAUSES = (0.5, 2.0)
"""Seconds before each further try of a call that did not leave: it can't show anything twice."""
BACKOFF_LEAST, BACKOFF_MOST = 0.5, 30.0
ENTITIES_REFUSED = ("can't parse", "entities", "entity_", "entity beginning", "wrong http url")
ENTITIES = ("entities", "caption_entities")
FILE_UNKNOWN = (
    "file identifier",
    "type of file mismatch",
    "file_reference",
    "file reference",
    "wrong type of the web page",
    "file_id",
)
PHOTO_REFUSED = (
    "image_process_failed",
    "photo_invalid_dimensions",
    "photo_save_file_invalid",
    "too big for a photo",
)
VOICE_REFUSED = ("voice_messages_forbidden",)
"""The person takes no voice messages; the same file as music is taken."""
NO_TOPIC = ("message thread not found", "topic_deleted", "topic_id_invalid")
REFUSALS: dict[DeliveryReason, tuple[str, ...]] = {
    "blocked_by_user": ("bot was blocked by the user", "user_is_blocked"),
    "chat_not_started": ("can't initiate conversation",),
    "account_gone": ("user is deactivated", "input_user_deactivated"),
    "bot_removed": ("bot was kicked",),
    "chat_gone": (
        "bot is not a member",
        "chat was deleted",
        "chat not found",
        "group chat was deactivated",
        "peer_id_invalid",
    ),
    "no_permission": (
        "not enough rights",
        "have no rights to send",
        "_forbidden",
        "chat_restricted",
        "need administrator rights",
    ),
    "topic_closed": ("topic_closed",),
    "topic_gone": NO_TOPIC,
    "message_gone": (
        "message to be replied not found",
        "replied message not found",
        "message to edit not found",
        "message_id_invalid",
    ),
    "too_large": ("entity too large", "file is too big"),
    "file_refused": (*PHOTO_REFUSED, *FILE_UNKNOWN),
}
"""By what is in Telegram's description. Everything else is `request_refused`."""

_UNSENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_NEVER_MADE = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


@dataclass(frozen=True, slots=True)
class CallRate:
    """`burst` calls at once, then one every `seconds`."""

    seconds: float
    burst: int


EVERYWHERE = CallRate(1 / 30, 30)
PRIVATE = CallRate(1.0, 10)
GROUP = CallRate(3.0, 20)
SPARE = 12
"""Calls in a row that an idle edit leaves to a chat: an album, its card and some words."""


class LeakyBucket:
    """Calls that leak out at a rate; `_empty_at` is the time at which none would be left."""

    __slots__ = ("_empty_at", "_rate")

    def __init__(self, rate: CallRate) -> None:
        self._rate = rate
        self._empty_at = 0.0

    def wait(self, now: float, cost: int) -> float:
        """Seconds until `cost` more calls fit in. More than a burst fits into an empty bucket."""
        room = (min(cost, self._rate.burst) - self._rate.burst) * self._rate.seconds
        return max(0.0, max(self._empty_at, now) + room - now)

    def take(self, now: float, cost: int) -> None:
        self._empty_at = max(self._empty_at, now) + cost * self._rate.seconds


class RateLimits:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._everywhere = LeakyBucket(EVERYWHERE)
        self._chats: Recent[int, LeakyBucket] = Recent(REMEMBERED)
        self._quiet_until: dict[int, float] = {}

    def turn(
        self, chat_id: int, cost: int = 1, patience: float = PATIENCE, *, idle: bool = False
    ) -> float:
        """Take the next turn in this chat and return the seconds to wait for it. Raises
        `SendFailed`, and takes no turn, when it is too far away. `idle`: only a turn that is free
        now and leaves enough for results."""
        now, quiet = self._clock(), self.quiet(chat_id)
        if idle:
            patience, cost = 0.0, cost + SPARE
        chat = self._chats.get(chat_id) or LeakyBucket(PRIVATE if chat_id > 0 else GROUP)
        self._chats[chat_id] = chat
        wait = max(quiet, self._everywhere.wait(now, cost), chat.wait(now, cost))
        if quiet or wait > patience:
            raise SendFailed("flood", retry_after=wait)
        cost -= SPARE if idle else 0
        # the common bucket counts the call now, not when its turn comes: a chat that waits long
        # must not take the turns of the others
        self._everywhere.take(now, cost)
        chat.take(now, cost)
        return wait

    def quiet(self, chat_id: int) -> float:
        """Seconds left of the silence that Telegram asked for in this chat."""
        return max(0.0, self._quiet_until.get(chat_id, 0.0) - self._clock())

    def slow_down(self, chat_id: int, seconds: float) -> None:
        now = self._clock()
        held = {chat: until for chat, until in self._quiet_until.items() if until > now}
        self._quiet_until = held | {chat_id: now + seconds}


class TelegramRefusal(SendFailed):
    """Telegram answered no, in its own words: it has no codes."""

    def __init__(self, said: str) -> None:
        reasons = (reason for reason, signs in REFUSALS.items() if _says(said, *signs))
        super().__init__(next(reasons, "request_refused"), said, final=True)

    def says(self, *signs: str) -> bool:
        return _says(self.said, *signs)


class Calls:
    """Calls that show something in a chat, each in its turn."""

    def __init__(self, limits: RateLimits | None = None) -> None:
        self.limits = RateLimits() if limits is None else limits

    async def make(
        self,
        call: Callable[..., Awaitable[T]],
        chat_id: int,
        *,
        cost: int = 1,
        patience: float = PATIENCE,
        repeatable: bool = False,
        idle: bool = False,
        **given: Any,
    ) -> T:
        """Call a method of the library's bot with `chat_id` and what is given.

        `cost` is in messages. `repeatable`: a second time does no harm, so that a lost answer
        leaves nothing uncertain. Entities that Telegram refuses are left out in a second call.
        `idle` as in `RateLimits.turn`. Raises `SendFailed`, and `ChatMigrated`, after which the old
        chat has taken nothing.
        """
        wait = self.limits.turn(chat_id, cost, patience, idle=idle)
        if wait:
            await asyncio.sleep(wait)
        for pause in (*UNSENT_PAUSES, None):
            try:
                return await call(chat_id=chat_id, **given)
            except errors.ChatMigrated:
                raise
            except errors.RetryAfter as error:
                seconds = seconds_of(error)
                self.limits.slow_down(chat_id, seconds)
                raise SendFailed("flood", retry_after=seconds) from None
            except errors.TelegramError as error:
                if pause is None or not unsent(error):
                    failed = failure(error, repeatable)
                    if not _entities_refused(failed, given):
                        raise failed from error
                    break
            await asyncio.sleep(pause)
        plain = {name: value for name, value in given.items() if name not in ENTITIES}
        return await self.make(
            call, chat_id, cost=cost, patience=patience, repeatable=repeatable, **plain
        )


def _entities_refused(failed: SendFailed, given: dict[str, Any]) -> bool:
    return (
        isinstance(failed, TelegramRefusal)
        and any(given.get(name) for name in ENTITIES)
        and failed.says(*ENTITIES_REFUSED)
    )


def seconds_of(error: errors.RetryAfter) -> float:
    asked = error.retry_after
    return asked.total_seconds() if isinstance(asked, timedelta) else float(asked)


def unsent(error: errors.TelegramError) -> bool:
    """Whether the request did not leave: no connection was made, or none was free. httpx's names
    for the errors of aiohttp do not tell a connection that broke from one that was never made."""
    cause = error.__cause__
    below = None if cause is None else cause.__cause__
    if isinstance(below, aiohttp.ClientError):
        return isinstance(below, _NEVER_MADE)
    return isinstance(cause, _UNSENT)


def failure(error: errors.TelegramError, repeatable: bool) -> SendFailed:
    """The meaning of a failed call for the message that was to be sent."""
    if isinstance(error, errors.BadRequest | errors.Forbidden):
        return TelegramRefusal(error.message)
    if isinstance(error, errors.InvalidToken):
        return SendFailed("token_refused")
    if unsent(error):
        return SendFailed("platform_unreachable", type(error.__cause__).__name__)
    if "Entity Too Large" in error.message:
        return TelegramRefusal("Request Entity Too Large")
    answered = not isinstance(error, errors.TimedOut) and (
        error.__cause__ is None or isinstance(error.__cause__, errors.TelegramError)
    )
    reason: DeliveryReason = "platform_failed" if answered else "unclear"
    return SendFailed(reason, error.message[:200], uncertain=not repeatable)


def _says(said: str, *signs: str) -> bool:
    """Whether it contains one of the signs, which are in small letters: the library changes the
    case of Telegram's words."""
    return any(sign in said.lower() for sign in signs)


class TokenRefused(Exception):
    """Telegram does not know this token. The library's own error quotes the token, so that one must
    not be chained."""


class Retrying:
    """Repetition of work with growing pauses for as long as Telegram is away. Each kind of trouble
    is logged once."""

    def __init__(self) -> None:
        self._trouble: str | None = None

    async def until_done(self, work: Callable[[], Awaitable[object]]) -> None:
        """Raises `TokenRefused`, and the errors of `work` that are no `TelegramError`."""
        pause = BACKOFF_LEAST
        while True:
            try:
                await work()
            except errors.InvalidToken:
                raise TokenRefused from None
            except errors.TelegramError as error:
                if isinstance(error, errors.RetryAfter):
                    pause = seconds_of(error)
                else:
                    pause = min(pause * 2, BACKOFF_MOST)
                self._log(error, pause)
                await asyncio.sleep(pause)
            else:
                if self._trouble is not None:
                    log.info("telegram_well_again")
                self._trouble = None
                return

    def _log(self, error: errors.TelegramError, pause: float) -> None:
        kind = type(error).__name__
        if kind == self._trouble:
            return
        self._trouble = kind
        if isinstance(error, errors.Conflict):
            log.error(
                "telegram_conflict",
                reason="another process takes this bot's updates: stop it, or give this bot its "
                "own token",
            )
        else:
            log.warning("telegram_unreachable", reason=error.message[:200], again_in=pause)
