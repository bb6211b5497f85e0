"""Albums come one message at a time: they are put together again."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from telegram import Message

from bots.telegram.update_files import Kept

QUIET_SECONDS = 0.6
"""An album is whole when so long nothing more of it came. Its messages come in one answer, or right
behind each other."""

Whole = Callable[[list[Message], Kept], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class _Album:
    kept: Kept
    messages: list[Message] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Albums:
    """`whole` gets an album's messages and its first update."""

    def __init__(self, whole: Whole) -> None:
        self._whole = whole
        self._open: dict[tuple[int, str], _Album] = {}
        self._closing = False

    async def add(self, message: Message, kept: Kept) -> None:
        """Returns when the album of this message was handled."""
        key = (message.chat.id, str(message.media_group_id))
        album = self._open.get(key)
        if album is not None:
            album.messages.append(message)
            album.more.set()
            await asyncio.shield(album.over)
            return
        album = self._open[key] = _Album(kept, [message])
        try:
            try:
                await self._gather(album)
            finally:
                del self._open[key]
            await self._whole(sorted(album.messages, key=lambda one: one.message_id), album.kept)
        except BaseException:
            album.over.cancel()  # what is not handled is not handled for any of its messages
            raise
        album.over.set_result(None)

    async def _gather(self, album: _Album) -> None:
        while not self._closing:
            album.more.clear()
            try:
                async with asyncio.timeout(QUIET_SECONDS):
                    await album.more.wait()
            except TimeoutError:
                return

    def close(self) -> None:
        """No more messages will come: what there is counts as whole."""
        self._closing = True
        for album in self._open.values():
            album.more.set()
