"""A pressed button: its waiting sign ends soon, and what is meant only for whoever pressed it is
shown to nobody else."""

import asyncio

import structlog
from telegram import CallbackQuery, Message
from telegram.constants import ChatType
from telegram.error import TelegramError

from bots.core.splitting import utf16_units
from bots.core.types import Address, Reply, SendFailed, Shown
from bots.telegram.chat import TelegramChat
from bots.telegram.chat_layer import Before
from bots.telegram.hidden_links import above
from bots.telegram.markup import clean

log = structlog.get_logger()

NOTE_UNITS = 200
"""A longer text does not fit into the window over the chat."""
NOTE_SECONDS = 0.8
"""The waiting sign of the button ends after this at the latest."""
GROUP_NOTE_SECONDS = 2.0
"""In a group the window is worth more: what comes later may have to be said before everybody."""


class Pressing(Before):
    """The chat, to whoever answers a press. A secret answer that comes soon is shown in a window,
    where links can't be touched."""

    def __init__(self, chat: TelegramChat, query: CallbackQuery, own_name: str) -> None:
        super().__init__(chat)
        self._query = query
        self._album = above(query.message, own_name) if isinstance(query.message, Message) else ()
        self._pressed = "" if query.message is None else str(query.message.message_id)
        self._acknowledged = False
        self._private = query.message is not None and query.message.chat.type == ChatType.PRIVATE
        self._shown = asyncio.Event()
        if isinstance(query.message, Message) and query.message.effective_attachment is not None:
            chat.has_file(query.message.chat.id, query.message.message_id)

    async def show(self, to: Address, reply: Reply, replacing: Shown | None = None) -> Shown:
        # what takes the place of the button's message is no news, but what became of it
        note = _note(reply) if replacing is None else ""
        if note and not self._acknowledged and not self._shown.is_set():
            self._acknowledged = True
            self._shown.set()
            if await self._acknowledge(note):
                return Shown(())
        self._shown.set()
        if reply.secret and not to.private and replacing is None:
            return await self._aside(to, reply)
        if replacing is None or replacing.message_ids != (self._pressed,):
            return await self._chat.show(to, reply, replacing)
        if reply.gone:
            replacing = Shown((*map(str, self._album), self._pressed))
        return await self._chat.show(to, reply, replacing, self._album)

    async def _aside(self, to: Address, reply: Reply) -> Shown:
        """No window for it, but the person's own chat, if there is one: in the group everybody
        would read it."""
        try:
            await self._chat.show(Address(to.platform, str(self._query.from_user.id)), reply)
            return Shown(())  # the ids of another chat name other messages here
        except SendFailed as failed:
            if not failed.final:
                raise
        return await self._chat.show(to, reply)

    async def acknowledge(self) -> None:
        """Without words, unless the first answer is meant for a window. Telegram refuses late
        answers, and nothing depends on this one."""
        showing = asyncio.create_task(self._shown.wait())
        await asyncio.wait({showing}, timeout=NOTE_SECONDS if self._private else GROUP_NOTE_SECONDS)
        showing.cancel()
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
    """What fits into the window, nothing for what does not."""
    note = clean(reply.text).strip()
    plain = reply.secret and not (
        reply.files or reply.buttons or reply.ask or reply.gone or reply.preview
    )
    return note if plain and utf16_units(note) <= NOTE_UNITS and "://" not in note else ""
