"""Stands before the chat and changes how one answer is shown."""

from bots.core.types import Address, Limits
from bots.telegram.chat import TelegramChat


class Before:
    """All of a `Chat` but `show`."""

    def __init__(self, chat: TelegramChat) -> None:
        self._chat = chat

    @property
    def limits(self) -> Limits:
        return self._chat.limits

    async def limits_for(self, to: Address) -> Limits:
        return await self._chat.limits_for(to)

    async def busy(self, to: Address) -> None:
        await self._chat.busy(to)
