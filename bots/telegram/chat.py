"""A Telegram chat as the core sees it: carries out what `render` planned, step by step."""

import base64
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

import structlog
from telegram import Bot
from telegram.constants import ChatAction
from telegram.error import ChatMigrated, InvalidToken

from bots.core.splitting import utf16_units
from bots.core.types import Address, Button, Limits, Reply, SendFailed, Shown
from bots.telegram.calls import Calls, Refusal
from bots.telegram.hidden_links import below
from bots.telegram.markup import Marked, clean, cut
from bots.telegram.messages import Place, Sender, Sent
from bots.telegram.render import (
    GROUP_LIMITS,
    LIMITS,
    Album,
    Draft,
    Plan,
    Setting,
    Step,
    Text,
    number,
    plan,
)

log = structlog.get_logger()

K = TypeVar("K")
T = TypeVar("T")

GROUP_EDIT_SECONDS = 3.0
SLOWER_UNITS = 2_000
"""So many units more, and previews in a group come half as often."""
MEMORY = 2_000
GENERAL_TOPIC = 1
"""Telegram refuses the general topic's own id: without an id a message goes there."""
DRAFT_IDS = 2**31 - 1
NO_TEXT = "no text in the message"
NOT_MODIFIED = "message is not modified"
NO_TOPIC = ("message thread not found", "topic_deleted", "topic_id_invalid")
NO_WORDS_LEFT = "🗑️"
UNDELETABLE = ("can't be deleted", "message_delete_forbidden")
EMPTY_PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAKAAAABaCAAAAAAarQKOAAAAVElEQVR42u3OMQEAAAgDoGn/YMayxg5IwFy6bQQFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQ"
    "UFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQVrPFoGAXz8JysdAAAAAElFTkSuQmCC"
)


class TelegramChat:
    """Every message of one reply that went out is remembered: a reply shown again, after a failure
    in its middle, goes on behind it."""

    def __init__(self, bot: Bot, calls: Calls | None = None) -> None:
        self._bot = bot
        self._calls = Calls() if calls is None else calls
        self._sender = Sender(bot, self._calls)
        self._done: OrderedDict[str, list[Sent]] = OrderedDict()
        self._last: OrderedDict[tuple[int, int], object] = OrderedDict()
        self._edited: OrderedDict[int, tuple[float, int]] = OrderedDict()
        self._stops: OrderedDict[tuple[int, int], Button] = OrderedDict()
        self._with_file: OrderedDict[tuple[int, int], None] = OrderedDict()
        self._notices: OrderedDict[tuple[int, int], None] = OrderedDict()
        self._moved: dict[int, int] = {}
        self._no_drafts: OrderedDict[int, None] = OrderedDict()

    @property
    def limits(self) -> Limits:
        return LIMITS

    async def limits_for(self, to: Address) -> Limits:
        return LIMITS if to.private else GROUP_LIMITS

    async def show(
        self, to: Address, reply: Reply, replacing: Shown | None = None, album: tuple[int, ...] = ()
    ) -> Shown:
        """`album`: messages that the replaced one stands below, and goes on pointing at."""
        place = self._place(to, reply, album)
        if replacing is not None and (not replacing.message_ids or reply.ask is not None):
            replacing = None
        if (
            replacing is not None
            and reply.preview
            and place.public
            and self._too_soon(place.chat_id)
        ):
            return replacing
        try:
            return await self._show(place, reply, replacing)
        except ChatMigrated as moved:
            # the old chat took nothing, and its messages can't be edited in the new one
            self._moved[place.chat_id] = moved.new_chat_id
            return await self._show(
                replace(place, chat_id=moved.new_chat_id, reply_to=None), reply, None
            )
        except Refusal as refused:
            if place.thread_id is None or not refused.says(*NO_TOPIC):
                raise
        return await self._show(replace(place, thread_id=None, reply_to=None), reply, replacing)

    async def busy(self, to: Address) -> None:
        place = self._place(to, Reply(""))
        if self._calls.pace.quiet(place.chat_id):
            return
        with suppress(ChatMigrated):
            await self._calls.make(
                place.chat_id,
                lambda: self._bot.send_chat_action(
                    place.chat_id, ChatAction.TYPING, message_thread_id=place.thread_id
                ),
                cost=0,
            )

    def stopped(self, chat_id: int, draft_id: int) -> Button | None:
        """What the stop sign of a draft stands for."""
        return self._stops.get((chat_id, draft_id))

    def has_file(self, chat_id: int, message_id: int) -> None:
        """Spares asking for an edit that Telegram refuses: a message with a file has a caption, no
        text."""
        _remember(self._with_file, (chat_id, message_id), None)

    async def _show(self, place: Place, reply: Reply, replacing: Shown | None) -> Shown:
        if reply.gone:
            return await self._take_away(place, reply, replacing)
        if replacing is not None and self._is_notice(place, replacing):
            shown = await self._show(place, reply, None)
            await self._delete(place.chat_id, number(replacing.message_ids[0]))
            return shown
        drafts = not place.public and place.chat_id not in self._no_drafts
        planned = plan(reply, replacing, Setting(self._bot.username, place.public, drafts))
        key = None if reply.preview and replacing is None else _key(place, reply, replacing)
        shown = await self._carry_out(
            place, planned, key, keep=replacing is None and reply.nonce is not None
        )
        if reply.notice:
            _remember(self._notices, (place.chat_id, number(shown.message_ids[0])), None)
        return shown

    async def _carry_out(
        self, place: Place, planned: Plan, key: str | None, *, keep: bool
    ) -> Shown:
        """`keep`: remember the messages even when all went well, because the reply may be shown a
        second time."""
        done = [] if key is None else self._done.pop(key, [])
        try:
            for position, step in enumerate(planned.steps):
                known = done[position] if position < len(done) else None
                # what belongs together rings once
                where = place if position == 0 else replace(place, reply_to=None, quiet=True)
                last = position == len(planned.steps) - 1
                done[position : position + 1] = [
                    await self._take(
                        where, self._pointing(step, place, planned, done) if last else step, known
                    )
                ]
        except SendFailed as failed:
            if key is not None and not failed.final:
                _remember(self._done, key, done)
            raise
        if key is not None and keep:
            _remember(self._done, key, done)
        for message_id in planned.obsolete:
            await self._delete(place.chat_id, message_id)
        done = done[: len(planned.steps)]
        return Shown(
            tuple(str(one) for sent in done for one in sent.message_ids),
            tuple(one for sent in done for one in sent.refs),
        )

    def _pointing(self, step: Step, place: Place, planned: Plan, done: Sequence[Sent]) -> Step:
        """A text below an album points at it."""
        album = place.album or _album(planned, done)
        return (
            replace(step, words=below(step.words, album, self._bot.username))
            if album and isinstance(step, Text)
            else step
        )

    async def _take(self, place: Place, step: Step, known: Sent | None) -> Sent:
        """One step; `known` is what it became when it was taken before."""
        if isinstance(step, Draft):
            return await self._draft(place, step)
        if isinstance(step, Text):
            target = known.message_ids[0] if known is not None else step.target
            return (
                await self._send_text(place, step)
                if target is None
                else await self._edit(place.chat_id, target, step)
            )
        if known is not None:
            return known
        if isinstance(step, Album):
            return await self._sender.album(place, step)
        return await self._sender.file(place, step)

    async def _send_text(self, place: Place, step: Text) -> Sent:
        sent = await self._sender.text(place, step)
        self._showed(place.chat_id, sent.message_ids[0], step)
        return sent

    async def _draft(self, place: Place, step: Draft) -> Sent:
        """A preview may be left out; a chat that takes no drafts gets a message, which then is
        edited."""
        # one answer, one draft: what is being answered names it
        draft_id = (place.reply_to or 0) % DRAFT_IDS + 1
        if self._last.get((place.chat_id, -draft_id)) == step:
            return Sent(())
        try:
            await self._sender.draft(place, draft_id, step)
        except SendFailed as failed:
            if not isinstance(failed, Refusal) and not isinstance(failed.__cause__, InvalidToken):
                return Sent(())
            _remember(self._no_drafts, place.chat_id, None)
            log.info("no_drafts_here", reason=failed.reason)
            return (
                await self._send_text(place, Text(step.words, step.buttons))
                if step.words.text
                else Sent(())
            )
        _remember(self._last, (place.chat_id, -draft_id), step)
        if step.buttons:
            _remember(self._stops, (place.chat_id, draft_id), step.buttons[0][0])
        return Sent(())

    async def _edit(self, chat_id: int, message_id: int, step: Text) -> Sent:
        """Telegram refuses an edit that changes nothing, and counts it: what is known to stand
        there is not sent again."""
        if self._last.get((chat_id, message_id)) == (step.words, step.buttons):
            return Sent((message_id,))
        captioned = (chat_id, message_id) in self._with_file
        try:
            await self._edit_as(chat_id, message_id, step, captioned=captioned)
        except Refusal as refused:
            if captioned or not refused.says(NO_TEXT):
                raise
            self.has_file(chat_id, message_id)
            await self._edit_as(chat_id, message_id, step, captioned=True)
        self._showed(chat_id, message_id, step)
        return Sent((message_id,))

    async def _edit_as(self, chat_id: int, message_id: int, step: Text, *, captioned: bool) -> None:
        if captioned and utf16_units(step.words.text) > LIMITS.caption:
            raise Refusal("the text is too long for a caption")
        edit = self._sender.edit_caption if captioned else self._sender.edit
        try:
            await edit(chat_id, message_id, step)
        except Refusal as refused:
            if not refused.says(NOT_MODIFIED):
                raise

    async def _take_away(self, place: Place, reply: Reply, replacing: Shown | None) -> Shown:
        """Telegram deletes nothing that is older than two days: that becomes the reply's text, and
        a picture an empty one."""
        for message_id in (
            () if replacing is None else (number(one) for one in replacing.message_ids)
        ):
            try:
                await self._sender.delete(place.chat_id, message_id)
            except Refusal as refused:
                if refused.says(*UNDELETABLE):
                    await self._blank(
                        place.chat_id,
                        message_id,
                        next(cut(Marked(clean(reply.text)), LIMITS.caption)),
                    )
                elif not refused.says("not found"):
                    raise
        return Shown(())

    async def _blank(self, chat_id: int, message_id: int, words: Marked) -> None:
        step = Text(words if words.text.strip() else Marked(NO_WORDS_LEFT))
        try:
            await self._sender.edit(chat_id, message_id, step)
        except Refusal as refused:
            if not refused.says(NO_TEXT):
                log.info("message_left", reason=refused.reason)
                return
            await self._sender.edit_picture(chat_id, message_id, EMPTY_PICTURE, step.words)
        self._last.pop((chat_id, message_id), None)

    async def _delete(self, chat_id: int, message_id: int) -> None:
        """What replaces it is shown already: a message that stays behind is no failure."""
        try:
            await self._sender.delete(chat_id, message_id)
        except SendFailed as failure:
            log.info("message_left", reason=failure.reason)

    def _place(self, to: Address, reply: Reply, album: tuple[int, ...] = ()) -> Place:
        thread = None if to.thread_id is None else number(to.thread_id)
        chat_id = number(to.chat_id)
        return Place(
            chat_id=self._moved.get(chat_id, chat_id),
            thread_id=None if thread == GENERAL_TOPIC else thread,
            reply_to=None if to.message_id is None else number(to.message_id),
            quiet=reply.quiet or (reply.secret and not to.private),
            public=not to.private,
            album=album if not reply.fresh else (),
        )

    def _is_notice(self, place: Place, shown: Shown) -> bool:
        """Edits make no sound, and what people have waited for should."""
        return (place.chat_id, number(shown.message_ids[0])) in self._notices

    def _showed(self, chat_id: int, message_id: int, step: Text) -> None:
        _remember(self._last, (chat_id, message_id), (step.words, step.buttons))
        _remember(self._edited, chat_id, (time.monotonic(), utf16_units(step.words.text)))

    def _too_soon(self, chat_id: int) -> bool:
        at, units = self._edited.get(chat_id, (float("-inf"), 0))
        return time.monotonic() < at + GROUP_EDIT_SECONDS * (1 + units / SLOWER_UNITS)


def _album(planned: Plan, done: Sequence[Sent]) -> list[int]:
    """The messages of the albums among the steps that were taken."""
    return [
        one
        for step, sent in zip(planned.steps, done, strict=False)
        if isinstance(step, Album)
        for one in sent.message_ids
    ]


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
