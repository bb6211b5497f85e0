"""A Telegram chat as the answer to one update shows itself in it: after a kill it goes on in the
messages that it had, and a private answer in a group reaches its person only."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import structlog
from telegram import CallbackQuery, Message
from telegram.constants import ChatType
from telegram.error import TelegramError

from bots.core.splitting import utf16_units
from bots.core.texts.find import only_to_you
from bots.core.texts.introduction import answered_in_private
from bots.core.types import Address, Doing, Limits, Reply, SendFailed, ShownMessages
from bots.telegram.chat import TelegramChat
from bots.telegram.hidden_links import above
from bots.telegram.kept_updates import KeptUpdate
from bots.telegram.markup import clean

log = structlog.get_logger()

NOTE_UNITS = 200
"""A longer text does not fit into the window over the chat."""
NOTE_SECONDS = 0.8
"""The waiting sign of the button ends after this at the latest."""
GROUP_NOTE_SECONDS = 2.0
"""In a group the window is worth more: a later answer may have to be said before everybody."""


class AnswerChat:
    """The chat for the answer to a message. The ids of each text are kept with the update; after a
    kill the same text takes their place."""

    def __init__(self, chat: TelegramChat, kept: KeptUpdate) -> None:
        self._chat = chat
        self._kept = kept
        self._before = list(kept.shown)
        self._now: list[list[str]] = []

    async def limits_for(self, to: Address) -> Limits:
        return await self._chat.limits_for(to)

    async def busy(self, to: Address, doing: Doing = "writing") -> None:
        await self._chat.busy(to, doing)

    async def show(
        self, to: Address, reply: Reply, replacing: ShownMessages | None = None
    ) -> ShownMessages:
        if reply.files or reply.ask is not None or reply.gone:
            return await self._show(to, reply, replacing)
        shown = await self._shown_before(to, reply) if replacing is None and self._before else None
        if shown is None:
            shown = await self._show(to, reply, replacing)
        await self._note(replacing, shown)
        return shown

    async def _show(
        self, to: Address, reply: Reply, replacing: ShownMessages | None
    ) -> ShownMessages:
        return await self._chat.show(to, reply, replacing)

    async def _shown_before(self, to: Address, reply: Reply) -> ShownMessages | None:
        """Show the reply in the next messages from before the kill; None when they are gone."""
        before = ShownMessages(tuple(self._before.pop(0)))
        try:
            return await self._show(to, replace(reply, nonce=None), before)
        except SendFailed as failed:
            if not failed.final:
                self._before.insert(0, list(before.message_ids))
                raise
        return None

    async def _note(self, replacing: ShownMessages | None, shown: ShownMessages) -> None:
        ids = list(shown.message_ids)
        if not ids or ids in self._now:
            return
        old = None if replacing is None else list(replacing.message_ids)
        self._now = [one for one in self._now if one != old] + [ids]
        await self._kept.note(self._now + self._before)


class PrivateAnswerChat(AnswerChat):
    """The chat for a command in a group whose answers are secret: they go to the person's own chat
    with the bot. A bot may not write first, so a person who never wrote to it is answered in the
    group; `personal`: only told to write."""

    def __init__(
        self, chat: TelegramChat, kept: KeptUpdate, person: Address, *, personal: bool
    ) -> None:
        super().__init__(chat, kept)
        self._personal = personal
        self._person = person
        self._pointed = False
        self._in_group = False

    async def _show(
        self, to: Address, reply: Reply, replacing: ShownMessages | None
    ) -> ShownMessages:
        if self._in_group and self._personal:
            return ShownMessages(())
        if self._in_group:
            return await self._chat.show(to, reply, replacing)
        try:
            shown = await self._chat.show(self._person, reply, replacing)
        except SendFailed as failed:
            if not failed.final or self._pointed:
                raise
            if replacing is not None:
                # the message to edit is gone, which says nothing about the person's chat
                return await self._show(to, reply, None)
            self._in_group = True
            if self._personal:
                reply = Reply(only_to_you())
            return await self._chat.show(to, replace(reply, quiet=True), replacing)
        if not self._pointed:
            self._pointed = True
            try:
                await self._chat.show(to, Reply(answered_in_private(), quiet=True))
            except SendFailed as failed:
                log.info("not_pointed_at", reason=str(failed))
        return shown


class PressChat(AnswerChat):
    """The chat for the answer to a pressed button, whose waiting sign ends soon. A secret answer
    that comes soon is shown in a window over the chat, in which links can't be touched."""

    def __init__(
        self, chat: TelegramChat, kept: KeptUpdate, query: CallbackQuery, own_name: str
    ) -> None:
        super().__init__(chat, kept)
        self._query = query
        message = query.message
        self._album = above(message, own_name) if isinstance(message, Message) else ()
        self._pressed = "" if message is None else str(message.message_id)
        self._private = message is not None and message.chat.type == ChatType.PRIVATE
        self._acknowledged = False
        self._answered = asyncio.Event()
        if isinstance(message, Message) and message.effective_attachment is not None:
            chat.messages.has_file(message.chat.id, message.message_id)

    async def _show(
        self, to: Address, reply: Reply, replacing: ShownMessages | None
    ) -> ShownMessages:
        # a reply in the place of the button's message is no news, only its result is
        note = _note(reply) if replacing is None else ""
        if note and not self._acknowledged and not self._answered.is_set():
            self._acknowledged = True
            self._answered.set()
            if await self._acknowledge(note):
                return ShownMessages(())
        self._answered.set()
        if reply.secret and not to.private and replacing is None:
            return await self._show_in_private(to, reply)
        if replacing is None or replacing.message_ids != (self._pressed,):
            return await self._chat.show(to, reply, replacing)
        if reply.gone:
            replacing = ShownMessages((*map(str, self._album), self._pressed))
        return await self._chat.show(to, reply, replacing, self._album)

    async def _show_in_private(self, to: Address, reply: Reply) -> ShownMessages:
        """Show a secret without a window in the person's own chat, if there is one: in the group
        everybody would read it."""
        try:
            await self._chat.show(Address(to.platform, str(self._query.from_user.id)), reply)
            return ShownMessages(())  # the ids of another chat name other messages here
        except SendFailed as failed:
            if not failed.final:
                raise
        return await self._chat.show(to, reply)

    async def acknowledge(self) -> None:
        """End the waiting sign without words, unless the first answer is meant for a window.
        Telegram refuses late acknowledgements, and nothing depends on this one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(NOTE_SECONDS if self._private else GROUP_NOTE_SECONDS):
                await self._answered.wait()
        if not self._acknowledged:
            self._acknowledged = True
            await self._acknowledge("")

    async def _acknowledge(self, note: str) -> bool:
        try:
            await self._query.answer(note or None, show_alert=bool(note) or None)
        except TelegramError as error:
            log.info("press_not_acknowledged", reason=type(error).__name__)
            return False
        return True


def _note(reply: Reply) -> str:
    """The reply's text, if it fits into the window; an empty text otherwise."""
    note = clean(reply.text).strip()
    more = reply.files or reply.buttons or reply.ask or reply.gone or reply.preview
    plain = reply.secret and not more
    return note if plain and utf16_units(note) <= NOTE_UNITS and "://" not in note else ""
