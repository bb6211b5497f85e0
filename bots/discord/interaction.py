"""Replies to one Discord interaction: a first answer within three seconds, further ones with its
token for 15 minutes, and the channel at any time."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from bots.core.texts.introduction import comes_here_or_there
from bots.core.types import Address, Ask, Doing, Limits, Reply, SendFailed
from bots.discord.chat import ChannelChat, MessageChat, link_to
from bots.discord.render import MessagePart, edited, form, limits
from bots.discord.rest import EPHEMERAL, DiscordRefusal, ErrorCode, TokenDead, refused_with

log = structlog.get_logger()

FORM_SECONDS = 1.8
"""Time that a command gets to ask with a form. Discord gives three seconds, the way there and back
included."""


@dataclass(frozen=True, slots=True)
class InteractionFacts:
    """The facts of one interaction.

    `pressed`: the message whose button it was. `hidden`: answers are ephemeral. `reachable`: the
    bot's own token may use the channel. `file_bytes`: the largest file in an answer.
    """

    id: int
    token: str
    user_id: str
    pressed: str | None
    hidden: bool
    reachable: bool
    file_bytes: int


class Taken(SendFailed):
    """Another process was first."""

    def __init__(self) -> None:
        super().__init__("answered_elsewhere", final=True)


class InteractionChat(MessageChat):
    """Call `acknowledge` first, or `acknowledge_soon` where a form may be wanted. Then `show`, and
    at the end `close`."""

    def __init__(self, channel: ChannelChat, facts: InteractionFacts) -> None:
        super().__init__(channel.rest, channel.memory)
        self._channel = channel
        self._facts = facts
        self._token = facts.token
        self._first = asyncio.Lock()
        self._answered = False
        self._taken = False
        self._soon: asyncio.Task[None] | None = None
        self._waiting = False
        self._hidden = facts.hidden
        self._mine: set[str] = set() if facts.pressed is None else {facts.pressed}
        self.original = facts.pressed

    async def limits_for(self, to: Address) -> Limits:
        elsewhere = await self._channel.limits_for(to)
        here = limits(self._facts.file_bytes)
        return replace(max(here, elsewhere, key=lambda one: one.upload_bytes), discreet=True)

    async def busy(self, to: Address, doing: Doing = "writing") -> None:
        """Discord shows "is thinking" by itself."""

    def _adapted(self, to: Address, reply: Reply) -> Reply:
        """A card says where its result comes, if that may be another place."""
        if reply.card is None or self._facts.reachable:
            return reply
        return replace(reply, text=f"{reply.text}\n{comes_here_or_there(link_to(to.chat_id))}")

    async def acknowledge(self, *, hidden: bool | None = None) -> None:
        """Tell Discord that an answer will come, once; `hidden` None: as the interaction is. Raises
        `Taken`. An interaction that is over already is answered in its channel."""
        async with self._first:
            if self._taken:
                raise Taken
            if self._answered:
                return
            self._answered = True
            update = self._facts.pressed is not None
            hidden = self._hidden if hidden is None else hidden
            if not update:
                self._waiting, self._hidden = True, hidden
            try:
                original = await self.rest.defer(
                    self._facts.id, self._token, update=update, ephemeral=hidden and not update
                )
            except SendFailed as failure:
                log.warning("not_acknowledged", interaction=self._facts.id, reason=str(failure))
                if refused_with(failure, ErrorCode.ACKNOWLEDGED):
                    self._waiting, self._taken = False, True
                    raise Taken from failure
                return
            if not update and original is not None:
                self.original = original
                self._mine.add(original)

    def acknowledge_soon(self) -> None:
        """Acknowledge after a moment for a form, which can only be the very first answer."""

        async def later() -> None:
            await asyncio.sleep(FORM_SECONDS)
            with suppress(Taken):
                await self.acknowledge()

        self._soon = asyncio.create_task(later())

    async def close(self) -> None:
        """Take "is thinking" away when nothing was shown: it would stay for 15 minutes."""
        if not self._answered:
            with suppress(Taken):
                await self.acknowledge()
        if self._soon is not None:
            self._soon.cancel()
        if self._waiting:
            with suppress(SendFailed, TokenDead):
                await self.rest.delete_by_token(self._token, "@original")

    async def _open_form(self, ask: Ask) -> bool:
        async with self._first:
            if self._taken:
                raise Taken
            if self._answered:
                return False
            try:
                await self.rest.open_form(self._facts.id, self._token, form(ask))
            except SendFailed as failure:
                log.warning("form_not_opened", interaction=self._facts.id, reason=str(failure))
                if refused_with(failure, ErrorCode.ACKNOWLEDGED):
                    self._answered = self._taken = True
                    raise Taken from failure
                return False
            self._answered = True
            return True

    async def send(self, to: Address, reply: Reply, index: int, part: MessagePart) -> str:
        hidden = self._hidden or (reply.secret and not to.private)
        await self.acknowledge(hidden=hidden)
        most = (await self._channel.limits_for(to)).upload_bytes
        if self._by_channel(part, hidden=hidden, limit=most):
            try:
                return await self._channel.send(to, reply, index, part)
            except DiscordRefusal as refused:
                log.info("not_by_channel", reason=str(refused))
        try:
            message_id = await self._by_token(part, hidden=hidden)
        except TokenDead:
            return await self._late(to, reply, index, part, hidden=hidden)
        except DiscordRefusal as refused:
            if refused.code != ErrorCode.TOO_MANY_FOLLOW_UPS:
                raise
            return await self._late(to, reply, index, part, hidden=hidden)
        self._mine.add(message_id)
        if not hidden and not self._facts.reachable:
            self.memory.tokens[message_id] = self._token
        return message_id

    def _by_channel(self, part: MessagePart, *, hidden: bool, limit: int) -> bool:
        """Whether the message goes with the bot's own token. All except the first do where they
        can: those have a nonce, and people may answer to them."""
        fits = all(len(file.data) <= limit for file in part.files)
        return self._facts.reachable and not hidden and not self._waiting and fits

    async def _by_token(self, part: MessagePart, *, hidden: bool) -> str:
        if self._waiting and hidden == self._hidden:
            message_id = await self.rest.edit_by_token(
                self._token, "@original", edited(part), part.files
            )
            self._waiting = False
            return message_id
        if self._waiting:
            # the deferred answer is as visible as it was deferred: a secret needs its own message
            with suppress(SendFailed):
                await self.rest.delete_by_token(self._token, "@original")
            self._waiting = False
        flags = part.payload["flags"] | (EPHEMERAL if hidden else 0)
        return await self.rest.follow_up(self._token, {**part.payload, "flags": flags}, part.files)

    async def _late(
        self, to: Address, reply: Reply, index: int, part: MessagePart, *, hidden: bool
    ) -> str:
        """Send when the interaction is over: the answer goes to the channel, a secret to the
        person's direct messages."""
        if hidden and not to.private:
            direct = await self.rest.open_dm(self._facts.user_id)
            return await self._channel.send(Address(to.platform, direct), reply, index, part)
        if self._waiting and self.original is not None and self._facts.reachable and not hidden:
            await self._channel.edit(to, self.original, part)
            self._waiting = False
            return self.original
        return await self._channel.send(to, reply, index, part)

    async def edit(self, to: Address, message_id: str, part: MessagePart) -> None:
        await self.acknowledge()
        if message_id in self._mine:
            try:
                await self.rest.edit_by_token(self._token, message_id, edited(part), part.files)
                return
            except TokenDead:
                log.info("interaction_over", interaction=self._facts.id)
        await self._channel.edit(to, message_id, part)

    async def delete(self, to: Address, message_id: str) -> None:
        await self.acknowledge()
        try:
            await self.rest.delete_by_token(self._token, message_id)
        except (TokenDead, DiscordRefusal):
            await self.rest.delete(to.chat_id, message_id)
