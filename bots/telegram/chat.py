"""A Telegram chat as the core sees it: carries out what `render` planned, call by call."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

import httpx
import structlog
from telegram import Bot, InlineKeyboardMarkup, InputMediaPhoto, LinkPreviewOptions, Message, ReplyParameters
from telegram.constants import ChatAction
from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, RetryAfter, TelegramError

from bots.core.splitting import utf16_units
from bots.core.types import Address, Limits, Reply, SendFailed, Shown
from bots.telegram.render import LIMITS, Album, Plan, Single, Step, Text, as_document, keyboard, number, plan

log = structlog.get_logger()

T = TypeVar("T")
K = TypeVar("K")

UNSENT_PAUSES = (0.5, 2.0)
"""Nothing went out, so trying again can't show anything twice. The first try is followed by one after each pause."""
GROUP_EDIT_SECONDS = 3.0
"""A group takes about twenty messages and edits a minute."""
MEMORY = 2_000
GENERAL_TOPIC = 1
"""Telegram refuses the general topic's own id: without an id a message goes there."""
NOT_MODIFIED = "message is not modified"
PHOTO_REFUSED = ("image_process_failed", "photo_invalid_dimensions", "photo_save_file_invalid", "too big for a photo")

_NO_LINK_PREVIEW = LinkPreviewOptions(is_disabled=True)
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message goes, in Telegram's types."""

    chat_id: int
    thread_id: int | None
    reply_to: int | None
    quiet: bool

    @property
    def answering(self) -> ReplyParameters | None:
        return None if self.reply_to is None else ReplyParameters(self.reply_to, allow_sending_without_reply=True)


class TelegramChat:
    """Every message of one reply that went out is remembered: a reply shown again, after a failure in its middle, goes on behind it."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._done: OrderedDict[str, list[list[int]]] = OrderedDict()
        self._last: OrderedDict[tuple[int, int], tuple[str, InlineKeyboardMarkup | None]] = OrderedDict()
        self._edited_at: OrderedDict[int, float] = OrderedDict()
        self._quiet_until: dict[int, float] = {}

    @property
    def limits(self) -> Limits:
        return LIMITS

    async def limits_for(self, to: Address) -> Limits:
        return LIMITS

    async def show(self, to: Address, reply: Reply, replacing: Shown | None = None) -> Shown:
        place = _place(to, reply)
        if replacing is not None and reply.preview and not to.private and self._too_soon(place.chat_id):
            return replacing
        keep = replacing is None and reply.nonce is not None
        try:
            return await self._carry_out(place, plan(reply, replacing), _key(place, reply, replacing), keep)
        except ChatMigrated as moved:
            # the old chat took nothing, and its messages can't be edited in the new one
            there = replace(place, chat_id=moved.new_chat_id, reply_to=None)
            return await self._carry_out(there, plan(reply, None), _key(there, reply, None), keep)

    async def busy(self, to: Address) -> None:
        place = _place(to, Reply(""))
        if self._quiet_until.get(place.chat_id, 0.0) > time.monotonic():
            return
        with suppress(ChatMigrated):
            await self._call(
                place.chat_id, lambda: self._bot.send_chat_action(place.chat_id, ChatAction.TYPING, message_thread_id=place.thread_id)
            )

    async def _carry_out(self, place: Place, planned: Plan, key: str | None, keep: bool) -> Shown:
        """`keep`: remember the messages even when all went well, because the reply may be shown a second time."""
        done = [] if key is None else self._done.pop(key, [])
        try:
            for position, step in enumerate(planned.steps):
                known = done[position] if position < len(done) else []
                where = place if position == 0 else replace(place, reply_to=None)
                done[position : position + 1] = [await self._take(where, step, known)]
        except SendFailed as failed:
            if key is not None and not failed.final:
                _remember(self._done, key, done)
            raise
        if key is not None and keep:
            _remember(self._done, key, done)
        for message_id in planned.obsolete:
            await self._delete(place.chat_id, message_id)
        return Shown(tuple(str(message_id) for ids in done[: len(planned.steps)] for message_id in ids))

    async def _take(self, place: Place, step: Step, known: list[int]) -> list[int]:
        """One step; `known` are the messages that it became when it was taken before."""
        if isinstance(step, Text):
            target = known[0] if known else step.target
            return [await self._send_text(place, step) if target is None else await self._edit(place.chat_id, target, step)]
        if known:
            return known
        if isinstance(step, Album):
            return await self._send_album(place, step)
        return [await self._send_file(place, step)]

    async def _send_text(self, place: Place, step: Text) -> int:
        markup = keyboard(step.buttons)
        message = await self._call(
            place.chat_id,
            lambda: self._bot.send_message(
                place.chat_id,
                step.text,
                message_thread_id=place.thread_id,
                reply_parameters=place.answering,
                reply_markup=markup,
                disable_notification=place.quiet,
                link_preview_options=_NO_LINK_PREVIEW,
            ),
        )
        self._showed(place.chat_id, message.message_id, step.text, markup)
        return message.message_id

    async def _edit(self, chat_id: int, message_id: int, step: Text) -> int:
        """Telegram refuses an edit that changes nothing, and counts it: what is known to stand there is not sent again."""
        markup = keyboard(step.buttons)
        if self._last.get((chat_id, message_id)) == (step.text, markup):
            return message_id
        try:
            await self._call(
                chat_id,
                lambda: self._bot.edit_message_text(
                    step.text, chat_id, message_id, reply_markup=markup, link_preview_options=_NO_LINK_PREVIEW
                ),
            )
        except Refusal as refused:
            if not refused.says(NOT_MODIFIED):
                if not refused.says("no text in the message") or utf16_units(step.text) > LIMITS.caption:
                    raise
                await self._edit_caption(chat_id, message_id, step.text, markup)
        self._showed(chat_id, message_id, step.text, markup)
        return message_id

    async def _edit_caption(self, chat_id: int, message_id: int, text: str, markup: InlineKeyboardMarkup | None) -> None:
        try:
            await self._call(chat_id, lambda: self._bot.edit_message_caption(chat_id, message_id, caption=text, reply_markup=markup))
        except Refusal as refused:
            if not refused.says(NOT_MODIFIED):
                raise

    async def _send_album(self, place: Place, step: Album) -> list[int]:
        def media() -> list[InputMediaPhoto]:
            return [
                InputMediaPhoto(file.data, filename=file.name, caption=(step.caption or None) if position == 0 else None)
                for position, file in enumerate(step.files)
            ]

        messages = await self._call(
            place.chat_id,
            lambda: self._bot.send_media_group(
                place.chat_id,
                media(),
                message_thread_id=place.thread_id,
                reply_parameters=place.answering,
                disable_notification=place.quiet,
            ),
        )
        return [message.message_id for message in messages]

    async def _send_file(self, place: Place, step: Single) -> int:
        try:
            return (await self._call(place.chat_id, lambda: self._file_call(place, step))).message_id
        except Refusal as refused:
            if step.file.kind != "photo" or not refused.says(*PHOTO_REFUSED):
                raise
        plain = Single(as_document(step.file), step.caption, step.buttons)
        return (await self._call(place.chat_id, lambda: self._file_call(place, plain))).message_id

    async def _file_call(self, place: Place, step: Single) -> Message:
        file, caption, markup = step.file, step.caption or None, keyboard(step.buttons)
        if file.kind == "photo":
            return await self._bot.send_photo(
                place.chat_id,
                file.data,
                filename=file.name,
                caption=caption,
                reply_markup=markup,
                message_thread_id=place.thread_id,
                reply_parameters=place.answering,
                disable_notification=place.quiet,
            )
        if file.kind == "video":
            return await self._bot.send_video(
                place.chat_id,
                file.data,
                filename=file.name,
                caption=caption,
                reply_markup=markup,
                message_thread_id=place.thread_id,
                reply_parameters=place.answering,
                disable_notification=place.quiet,
                width=file.width,
                height=file.height,
                duration=None if file.duration is None else max(1, round(file.duration)),
                thumbnail=file.thumbnail,
                supports_streaming=True,
            )
        return await self._bot.send_document(
            place.chat_id,
            file.data,
            filename=file.name,
            caption=caption,
            reply_markup=markup,
            message_thread_id=place.thread_id,
            reply_parameters=place.answering,
            disable_notification=place.quiet,
            thumbnail=file.thumbnail,
            disable_content_type_detection=True,
        )

    async def _delete(self, chat_id: int, message_id: int) -> None:
        """What replaces it is shown already: a message that stays behind is no failure."""
        try:
            await self._call(chat_id, lambda: self._bot.delete_message(chat_id, message_id))
        except SendFailed as failure:
            log.info("message_left", reason=failure.reason)

    async def _call(self, chat_id: int, call: Callable[[], Awaitable[T]]) -> T:
        """One call, and again only if it surely did not reach Telegram. Raises `SendFailed` or `ChatMigrated`."""
        left = self._quiet_until.get(chat_id, 0.0) - time.monotonic()
        if left > 0:
            raise SendFailed("Telegram asked to slow down in this chat", retry_after=left)
        for pause in (*UNSENT_PAUSES, None):
            try:
                return await call()
            except ChatMigrated:
                raise
            except RetryAfter as error:
                raise self._slow_down(chat_id, error) from None
            except TelegramError as error:
                if pause is None or not unsent(error):
                    raise failure(error) from error
            await asyncio.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _slow_down(self, chat_id: int, error: RetryAfter) -> SendFailed:
        asked = error.retry_after
        seconds = asked.total_seconds() if isinstance(asked, timedelta) else float(asked)
        now = time.monotonic()
        self._quiet_until = {chat: until for chat, until in self._quiet_until.items() if until > now} | {chat_id: now + seconds}
        return SendFailed("Telegram asked to slow down", retry_after=seconds)

    def _showed(self, chat_id: int, message_id: int, text: str, markup: InlineKeyboardMarkup | None) -> None:
        _remember(self._last, (chat_id, message_id), (text, markup))
        _remember(self._edited_at, chat_id, time.monotonic())

    def _too_soon(self, chat_id: int) -> bool:
        return time.monotonic() < self._edited_at.get(chat_id, float("-inf")) + GROUP_EDIT_SECONDS


class Refusal(SendFailed):
    """Telegram's answer was no, in its words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, final=True)

    def says(self, *signs: str) -> bool:
        """Whether one of them, in small letters, is in the words: the library changes their case."""
        return any(sign in self.reason.lower() for sign in signs)


def unsent(error: TelegramError) -> bool:
    """The request did not leave: no connection was made, or none was free."""
    return isinstance(error.__cause__, _UNSENT)


def failure(error: TelegramError) -> SendFailed:
    """What a failed call means for what was to be sent."""
    if isinstance(error, BadRequest | Forbidden):
        return Refusal(error.message)
    if isinstance(error, InvalidToken):
        return SendFailed("Telegram refuses the bot's token")
    if unsent(error):
        return SendFailed(f"Telegram can't be reached: {type(error.__cause__).__name__}")
    if "Entity Too Large" in error.message:
        return Refusal("Request Entity Too Large")
    return SendFailed(f"no clear answer from Telegram: {error.message[:200]}", uncertain=True)


def _place(to: Address, reply: Reply) -> Place:
    thread = None if to.thread_id is None else number(to.thread_id)
    return Place(
        chat_id=number(to.chat_id),
        thread_id=None if thread == GENERAL_TOPIC else thread,
        reply_to=None if to.message_id is None else number(to.message_id),
        quiet=reply.quiet,
    )


def _key(place: Place, reply: Reply, replacing: Shown | None) -> str | None:
    """Names what is shown, so that a second try is known as such."""
    if replacing is not None:
        return f"{place.chat_id}/{'+'.join(replacing.message_ids)}"
    return None if reply.nonce is None else f"{place.chat_id}/{place.thread_id}/{reply.nonce}"


def _remember(memory: OrderedDict[K, T], key: K, value: T) -> None:
    """The oldest is forgotten when there is too much."""
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > MEMORY:
        memory.popitem(last=False)
