"""A shard that another process may take over, and the chat of an answer to one of its messages.

Discord brings a message to all that connect its shard, and brings it again to one whose connection
was broken. An interaction is answered by whoever acknowledges it first; a message has no such turn.
"""

from contextlib import suppress
from contextvars import ContextVar

import structlog
from discord.gateway import ReconnectWebSocket
from discord.shard import Shard

from bots.core.types import Address, Doing, Limits, Messenger, Reply, SendFailed, ShownMessages
from bots.discord.interaction import Taken
from bots.discord.shards import Shards

log = structlog.get_logger()

SHARD: ContextVar[int | None] = ContextVar("shard", default=None)
"""The shard that brought the event which is being handled."""


class LeasedShard(Shard):
    """A connection that is not made again once it was given up."""

    _given_up = False

    async def worker(self) -> None:
        SHARD.set(self.id)
        await super().worker()

    async def close(self) -> None:
        self._given_up = True
        await super().close()

    async def reidentify(self, exc: ReconnectWebSocket) -> None:
        if not self._given_up:
            await super().reidentify(exc)

    async def reconnect(self) -> None:
        if not self._given_up:
            await super().reconnect()


class LeasedChat:
    """Shows the answer to a message while its shard is this process's. An answer that was held
    while the api was away ends without a word when another process has taken over."""

    def __init__(self, chat: Messenger, shards: Shards, shard: int) -> None:
        self._chat = chat
        self._shards = shards
        self._shard = shard
        self._begun = False
        self._notice: ShownMessages | None = None

    async def limits_for(self, to: Address) -> Limits:
        return await self._chat.limits_for(to)

    async def busy(self, to: Address, doing: Doing = "writing") -> None:
        await self._chat.busy(to, doing)

    async def show(
        self, to: Address, reply: Reply, replacing: ShownMessages | None = None
    ) -> ShownMessages:
        """Raises `Taken` as well as `SendFailed`."""
        if not (self._begun or reply.notice):
            if not await self._shards.has(self._shard):
                log.info("answered_elsewhere")
                await self._withdraw(to)
                raise Taken
            self._begun = self._shards.sure  # an answer that has begun goes on
        shown = await self._chat.show(to, reply, replacing)
        if reply.notice and replacing is None:
            self._notice = shown
        return shown

    async def _withdraw(self, to: Address) -> None:
        notice, self._notice = self._notice, None
        if notice is not None:
            with suppress(SendFailed):
                await self._chat.show(to, Reply("", gone=True), notice)
