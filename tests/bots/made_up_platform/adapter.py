"""A whole adapter for a made-up platform: a room over a TCP socket, one JSON object a line.

People send `{"id", "user", "name", "text"}` or `{"id", "user", "name", "press": [message, action,
value]}`; the room sends `{"id", "text"}` with `edits`, `buttons` and `files` (their sizes) where
there are any. All the rest is the core's.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any

from bots.core.delivery_pump import pump
from bots.core.dispatch import answer
from bots.core.types import (
    Address,
    Doing,
    Inbound,
    Limits,
    Reply,
    Sender,
    SendFailed,
    ShownMessages,
)
from client.bot import BotApi

PLATFORM = "terminal"
"""A platform of its own would have its name in `api.schemas.Platform`; the next start makes its
key."""
LIMITS = Limits(
    text=2000, caption=2000, photo_bytes=1 << 20, upload_bytes=1 << 24, edit_seconds=0.05
)


class Room:
    """The chat: what the core shows goes to everybody in the room."""

    def __init__(self) -> None:
        self._there: dict[str, asyncio.StreamWriter] = {}
        self._ids = count(1)

    async def limits_for(self, to: Address) -> Limits:
        return LIMITS

    async def show(
        self, to: Address, reply: Reply, replacing: ShownMessages | None = None
    ) -> ShownMessages:
        message_id = replacing.message_ids[-1] if replacing is not None else str(next(self._ids))
        shown: dict[str, Any] = {
            "id": message_id,
            "text": reply.text,
            "edits": replacing is not None,
            "gone": reply.gone,
        }
        shown["buttons"] = [
            [button.label, button.action, button.value] for row in reply.buttons for button in row
        ]
        shown["files"] = [len(file.data) for file in reply.files]
        if reply.ask is not None:
            shown["buttons"] = [[reply.ask.title, reply.ask.action, reply.ask.value]]
        await self._send(to.chat_id, shown)
        return ShownMessages((message_id,))

    async def busy(self, to: Address, doing: Doing = "writing") -> None:
        with suppress(SendFailed):
            await self._send(to.chat_id, {"busy": True})

    async def _send(self, chat_id: str, message: dict[str, Any]) -> None:
        writer = self._there.get(chat_id)
        if writer is None:
            raise SendFailed("chat_gone", "nobody is in this room", retry_after=0.05)
        try:
            writer.write(json.dumps(message).encode() + b"\n")
            await writer.drain()
        except OSError as error:
            raise SendFailed("unclear", str(error), uncertain=True) from error

    async def listen(
        self, api: BotApi, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One person's connection, which is a private chat, until it ends."""
        answering: set[asyncio.Task[None]] = set()
        try:
            while line := await reader.readline():
                said = json.loads(line)
                self._there[said["user"]] = writer
                task = asyncio.create_task(answer(self, api, inbound(said)))
                answering.add(task)
                task.add_done_callback(answering.discard)
        finally:
            for task in answering:
                task.cancel()
            writer.close()


def inbound(said: dict[str, Any]) -> Inbound:
    address = Address(PLATFORM, said["user"], message_id=said["id"], private=True)
    sender = Sender(said["user"], said["name"])
    if "press" in said:
        message, action, value = said["press"]
        return Inbound(
            address,
            sender,
            said["id"],
            action,
            f"{value} {said.get('text', '')}".strip(),
            pressed=message,
        )
    command, _, text = said["text"].removeprefix("/").partition(" ")
    if not said["text"].startswith("/"):
        command, text = "ask", said["text"]
    return Inbound(
        address, sender, said["id"], command, text, plain=not said["text"].startswith("/")
    )


@asynccontextmanager
async def running_room(api: BotApi) -> AsyncIterator[int]:
    """The port it listens on. Results are pumped meanwhile."""
    room, stop = Room(), asyncio.Event()
    listening: set[asyncio.Task[None]] = set()

    async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(room.listen(api, reader, writer))
        listening.add(task)
        with suppress(asyncio.CancelledError):
            await task

    server = await asyncio.start_server(enter, "127.0.0.1", 0)
    pumping = asyncio.create_task(pump(room, api, stop))
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        stop.set()
        server.close()
        for task in listening:
            task.cancel()
        await pumping
