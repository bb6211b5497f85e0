"""A pressed button: its waiting sign ends at once, and what is meant only for whoever pressed it is shown to nobody else."""

import asyncio

import structlog
from telegram import CallbackQuery
from telegram.error import TelegramError

from bots.core.splitting import utf16_units
from bots.core.types import Address, Limits, Reply, Shown
from bots.telegram.chat import TelegramChat
from bots.telegram.markup import clean

log = structlog.get_logger()

NOTE_UNITS = 200
"""A longer text does not fit into the window above the chat."""
NOTE_SECONDS = 0.8
"""The waiting sign of the button ends after this at the latest."""


class Pressing:
    """The chat, to whoever answers a press. In a group, a secret answer that comes soon is shown in a window to one person.

    `album`: messages above the one with the button, which has the button for them all.
    """

    def __init__(self, chat: TelegramChat, query: CallbackQuery, album: tuple[int, ...], *, public: bool) -> None:
        self._chat = chat
        self._query = query
        self._album = album
        self._pressed = "" if query.message is None else str(query.message.message_id)
        self._note: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._public = public

    @property
    def limits(self) -> Limits:
        return self._chat.limits

    async def limits_for(self, to: Address) -> Limits:
        return await self._chat.limits_for(to)

    async def busy(self, to: Address) -> None:
        await self._chat.busy(to)

    async def show(self, to: Address, reply: Reply, replacing: Shown | None = None) -> Shown:
        if self._public and not self._note.done():
            note = clean(reply.text).strip()
            if reply.secret and not reply.files and not reply.buttons and reply.ask is None and 0 < utf16_units(note) <= NOTE_UNITS:
                self._note.set_result(note)
                return Shown(())
            self._note.set_result("")
        if replacing is None or replacing.message_ids != (self._pressed,):
            return await self._chat.show(to, reply, replacing)
        if reply.gone:
            replacing = Shown((*map(str, self._album), self._pressed))
        return await self._chat.show(to, reply, replacing, self._album)

    async def acknowledge(self) -> None:
        """Telegram refuses late answers, and nothing depends on this one."""
        note = ""
        if self._public:
            await asyncio.wait({self._note}, timeout=NOTE_SECONDS)
            note = self._note.result() if self._note.done() else ""
            if not self._note.done():
                self._note.set_result("")
        try:
            await self._query.answer(note or None, show_alert=bool(note) or None)
        except TelegramError as error:
            log.info("press_not_acknowledged", reason=type(error).__name__)
