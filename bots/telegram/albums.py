"""Albums, put together from the messages in which Telegram brings them."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from telegram import Message

from bots.telegram.kept_updates import KeptUpdate

QUIET_SECONDS = 0.6
"""Silence after which an album is whole. Its messages come in one answer, or right behind each
other."""

Whole = Callable[[list[Message], KeptUpdate], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class _OpenAlbum:
    kept: KeptUpdate
    messages: list[Message]
    more: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Future[None] = field(default_factory=asyncio.Future)


class Albums:
    """`whole` is called with an album's messages and its first update."""

    def __init__(self, whole: Whole) -> None:
        self._whole = whole
        self._open: dict[tuple[int, str], _OpenAlbum] = {}
        self._closing = False

    async def add(self, message: Message, kept: KeptUpdate) -> None:
        """Return when the album of this message was handled. Cancelled when that was cut."""
        key = (message.chat.id, str(message.media_group_id))
        album = self._open.get(key)
        if album is not None:
            album.messages.append(message)
            album.more.set()
            await asyncio.shield(album.over)
            return
        album = self._open[key] = _OpenAlbum(kept, [message])
        try:
            try:
                await self._gather(album)
            finally:
                del self._open[key]
            await self._whole(sorted(album.messages, key=lambda one: one.message_id), album.kept)
        except asyncio.CancelledError:
            album.over.cancel()  # none of its messages is answered: the next start has all of them
            raise
        finally:
            if not album.over.done():
                album.over.set_result(None)  # also after an error, which is the error of all

    async def _gather(self, album: _OpenAlbum) -> None:
        while not self._closing:
            album.more.clear()
            try:
                async with asyncio.timeout(QUIET_SECONDS):
                    await album.more.wait()
            except TimeoutError:
                return

    def close(self) -> None:
        """Take every open album as whole: no more messages will come."""
        self._closing = True
        for album in self._open.values():
            album.more.set()
