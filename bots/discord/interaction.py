"""Replies to one interaction: its first answer within three seconds, then its token for 15 minutes,
and the channel at any time."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from bots.core.texts.introduction import comes_here_or_there
from bots.core.types import Address, Ask, Limits, Reply, SendFailed, Shown
from bots.discord.chat import ChannelChat, Messages, link_to
from bots.discord.render import Part, edited, form, limits
from bots.discord.rest import (
    ACKNOWLEDGED,
    DEFER_MESSAGE,
    DEFER_UPDATE,
    EPHEMERAL,
    TOO_MANY_FOLLOW_UPS,
    Refused,
    TokenDead,
)

log = structlog.get_logger()

FORM_SECONDS = 1.8
"""How long a command that may ask gets to do so. Discord gives three seconds, the way there and
back included."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an adapter knows of an interaction.

    `pressed`: the message whose button it was. `hidden`: answers are ephemeral. `reachable`: the
    bot's own token may use the channel. `file_bytes`: how large a file in an answer may be.
    """

    id: int
    token: str
    user_id: str
    pressed: str | None
    hidden: bool
    reachable: bool
    file_bytes: int


class Taken(Exception):
    """Another process was first."""


class InteractionChat(Messages):
    """`acknowledge` first, at once or, where a form may be wanted, `acknowledge_soon`. Then `show`;
    at the end `close`."""

    def __init__(self, channel: ChannelChat, asked: Asked) -> None:
        super().__init__(channel.rest, channel.memory)
        self._channel = channel
        self._asked = asked
        self._token = asked.token
        self._first = asyncio.Lock()
        self._answered = False
        self._soon: asyncio.Task[None] | None = None
        self._waiting = False
        self._hidden = asked.hidden
        self._mine: set[str] = set() if asked.pressed is None else {asked.pressed}
        self.original = asked.pressed

    async def limits_for(self, to: Address) -> Limits:
        elsewhere = await self._channel.limits_for(to)
        return replace(
            max(limits(self._asked.file_bytes), elsewhere, key=lambda one: one.upload_bytes),
            discreet=True,
        )

    async def busy(self, to: Address) -> None:
        """Discord shows "is thinking" by itself."""

    async def _show(self, to: Address, reply: Reply, replacing: Shown | None) -> Shown:
        if reply.card is not None and not self._asked.reachable:
            reply = replace(reply, text=f"{reply.text}\n{comes_here_or_there(link_to(to.chat_id))}")
        return await super()._show(to, reply, replacing)

    async def acknowledge(self) -> None:
        """Tell Discord that an answer will come. Raises `Taken`; an interaction that is over
        already is answered in its channel."""
        await self._acknowledge(hidden=self._hidden)

    def acknowledge_soon(self) -> None:
        """Leave a moment for a form, which can only be the very first answer."""

        async def later() -> None:
            await asyncio.sleep(FORM_SECONDS)
            with suppress(Taken):
                await self.acknowledge()

        self._soon = asyncio.create_task(later())

    async def close(self) -> None:
        """When nothing was shown: "is thinking" must not stay for 15 minutes."""
        if not self._answered:
            with suppress(Taken):
                await self.acknowledge()
        if self._soon is not None:
            self._soon.cancel()
        if self._waiting:
            with suppress(SendFailed, TokenDead):
                await self.rest.delete_by_token(self._token, "@original")

    async def _acknowledge(self, *, hidden: bool) -> None:
        async with self._first:
            if self._answered:
                return
            self._answered = True
            update = self._asked.pressed is not None
            if not update:
                self._waiting, self._hidden = True, hidden
            kind = DEFER_UPDATE if update else DEFER_MESSAGE
            try:
                original = await self.rest.defer(
                    self._asked.id, self._token, kind, ephemeral=hidden and not update
                )
            except SendFailed as failure:
                log.warning("not_acknowledged", interaction=self._asked.id, reason=failure.reason)
                if isinstance(failure, Refused) and failure.code == ACKNOWLEDGED:
                    self._waiting = False
                    raise Taken from failure
                return
            if not update and original is not None:
                self.original = original
                self._mine.add(original)

    async def _be_acknowledged(self, *, hidden: bool) -> None:
        try:
            await self._acknowledge(hidden=hidden)
        except Taken as taken:
            raise SendFailed("another process answers this interaction", final=True) from taken

    async def _open_form(self, ask: Ask) -> bool:
        async with self._first:
            if self._answered:
                return False
            try:
                await self.rest.open_form(self._asked.id, self._token, form(ask))
            except SendFailed as failure:
                log.warning("form_not_opened", interaction=self._asked.id, reason=failure.reason)
                return False
            self._answered = True
            return True

    async def _send(self, to: Address, reply: Reply, index: int, part: Part) -> str:
        hidden = self._hidden or (reply.secret and not to.private)
        await self._be_acknowledged(hidden=hidden)
        if self._by_channel(
            part, hidden=hidden, limit=(await self._channel.limits_for(to)).upload_bytes
        ):
            try:
                return await self._channel.send(to, reply, index, part)
            except Refused as refused:
                log.info("not_by_channel", reason=refused.reason)
        try:
            message_id = await self._by_token(part, hidden=hidden)
        except TokenDead:
            return await self._late(to, reply, index, part, hidden=hidden)
        except Refused as refused:
            if refused.code != TOO_MANY_FOLLOW_UPS:
                raise
            return await self._late(to, reply, index, part, hidden=hidden)
        self._mine.add(message_id)
        if not hidden and not self._asked.reachable:
            self.memory.made_with(self._token, message_id)
        return message_id

    def _by_channel(self, part: Part, *, hidden: bool, limit: int) -> bool:
        """All but the first message go with the bot's own token where they can: those have a nonce,
        and people may answer to them."""
        fits = all(len(file.data) <= limit for file in part.files)
        return self._asked.reachable and not hidden and not self._waiting and fits

    async def _by_token(self, part: Part, *, hidden: bool) -> str:
        if self._waiting and hidden == self._hidden:
            message_id = await self.rest.edit_by_token(
                self._token, "@original", edited(part), part.files
            )
            self._waiting = False
            return message_id
        if self._waiting:
            # How visible the deferred answer is was settled when it was deferred: a secret needs a
            # message of its own.
            with suppress(SendFailed):
                await self.rest.delete_by_token(self._token, "@original")
            self._waiting = False
        flags = part.payload["flags"] | (EPHEMERAL if hidden else 0)
        return await self.rest.follow_up(self._token, {**part.payload, "flags": flags}, part.files)

    async def _late(
        self, to: Address, reply: Reply, index: int, part: Part, *, hidden: bool
    ) -> str:
        """The interaction is over: the channel gets the answer, a secret goes to the person's
        direct messages."""
        if hidden and not to.private:
            direct = await self.rest.open_dm(self._asked.user_id)
            return await self._channel.send(Address(to.platform, direct), reply, index, part)
        if self._waiting and self.original is not None and self._asked.reachable and not hidden:
            await self._channel.edit(to, self.original, part)
            self._waiting = False
            return self.original
        return await self._channel.send(to, reply, index, part)

    async def _edit(self, to: Address, message_id: str, part: Part) -> None:
        await self._be_acknowledged(hidden=self._hidden)
        if message_id in self._mine:
            try:
                await self.rest.edit_by_token(self._token, message_id, edited(part), part.files)
                return
            except TokenDead:
                log.info("interaction_over", interaction=self._asked.id)
        await self._channel.edit(to, message_id, part)

    async def _delete(self, to: Address, message_id: str) -> None:
        await self._be_acknowledged(hidden=self._hidden)
        try:
            await self.rest.delete_by_token(self._token, message_id)
        except (TokenDead, Refused):
            await self.rest.delete(to.chat_id, message_id)
