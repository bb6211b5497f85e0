"""The pace of a chat: edits of a streamed answer often enough to feel alive and seldom enough for
the platform, and signs that work goes on."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from bots.core.types import Address, Doing, Messenger, Reply, SendFailed

BUSY_SECONDS = 4.5
"""Chats show a sign of life for five to ten seconds."""


async def paced(replies: AsyncGenerator[Reply, None], gap: float) -> AsyncGenerator[Reply, None]:
    """The replies, with previews at most every `gap` seconds: only the newest, and never the same
    one twice in a row.

    A preview held back is passed on when the gap is over, even if nothing follows it. Any other
    reply passes at once and always.
    """
    held: Reply | None = None
    passed: Reply | None = None
    passed_at = float("-inf")
    async with aclosing(replies):
        coming = asyncio.ensure_future(anext(replies, None))
        try:
            while True:
                wait = None if held is None else max(0.0, passed_at + gap - time.monotonic())
                done, _ = await asyncio.wait({coming}, timeout=wait)
                if done:
                    reply = coming.result()
                    if reply is None:
                        return
                    coming = asyncio.ensure_future(anext(replies, None))
                    held = reply if reply != passed or not reply.preview else None
                    if held is None or (reply.preview and time.monotonic() < passed_at + gap):
                        continue
                if held is not None:
                    passed, held = held, None
                    yield passed
                    passed_at = time.monotonic()
        finally:
            coming.cancel()
            await asyncio.wait({coming})


async def keep_busy(chat: Messenger, to: Address, doing: Doing = "writing") -> None:
    """Show until cancelled that work is going on."""
    while True:
        with suppress(SendFailed):
            await chat.busy(to, doing)
        await asyncio.sleep(BUSY_SECONDS)
