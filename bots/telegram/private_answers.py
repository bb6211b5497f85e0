"""Answers in a group that are for one person only: they go to that person's own chat with the bot,
if there is one."""

from dataclasses import replace

import structlog

from bots.core.texts.introduction import answered_in_private
from bots.core.types import Address, Reply, SendFailed, Shown
from bots.telegram.chat import TelegramChat
from bots.telegram.chat_layer import Before

log = structlog.get_logger()


class Aside(Before):
    """The chat, to a command whose answers are secret. A bot may write first to nobody: who never
    wrote to it is answered in the group."""

    def __init__(self, chat: TelegramChat, group: Address, person_id: str) -> None:
        super().__init__(chat)
        self._person = Address(group.platform, person_id)
        self._told = False
        self._in_group = False

    async def show(self, to: Address, reply: Reply, replacing: Shown | None = None) -> Shown:
        if self._in_group:
            return await self._chat.show(to, reply, replacing)
        try:
            shown = await self._chat.show(self._person, reply, replacing)
        except SendFailed as failed:
            if not failed.final or self._told:
                raise
            if (
                replacing is not None
            ):  # what was to be edited is gone, which says nothing of the person's chat
                return await self.show(to, reply)
            self._in_group = True
            return await self._chat.show(to, replace(reply, quiet=True), replacing)
        if not self._told:
            self._told = True
            await self._point(to)
        return shown

    async def _point(self, to: Address) -> None:
        try:
            await self._chat.show(to, Reply(answered_in_private(), quiet=True))
        except SendFailed as failed:
            log.info("not_pointed_at", reason=failed.reason)
