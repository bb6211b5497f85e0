"""Replies in a Discord channel, with the bot's own token: nothing here ends after 15 minutes."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import structlog

from bots.core.recent import Recent
from bots.core.texts.introduction import is_there
from bots.core.types import Address, Ask, Doing, Limits, Reply, SendFailed, ShownMessages
from bots.discord.render import (
    TEXT,
    VOICE,
    MessagePart,
    as_file,
    edited,
    limits,
    nonce,
    parts,
)
from bots.discord.rest import DiscordRefusal, DiscordRest, ErrorCode, TokenDead

log = structlog.get_logger()

REMEMBERED = 500

FileBytes = Callable[[str], int | None]
"""The largest file that a channel takes, where the bot knows its server."""


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of a process of its messages. Losing it costs a needless edit, a card that stays
    open, or a form left empty.

    `texts`: JSON of the payload of each message. `tokens`: of messages that only their interaction
    can reach. `elsewhere`: links to results that could not be shown beside their card. `sent`:
    message ids by channel and nonce, because Discord forgets a nonce after minutes. `asks`: by the
    id of their form.
    """

    texts: Recent[str, str] = field(default_factory=lambda: Recent(REMEMBERED))
    tokens: Recent[str, str] = field(default_factory=lambda: Recent(REMEMBERED))
    elsewhere: Recent[str, str] = field(default_factory=lambda: Recent(REMEMBERED))
    sent: Recent[str, str] = field(default_factory=lambda: Recent(REMEMBERED))
    asks: Recent[str, Ask] = field(default_factory=lambda: Recent(REMEMBERED))


class MessageChat(ABC):
    """A reply as one or more messages. A growing reply gets more of them, a shrinking one loses its
    last ones."""

    def __init__(self, rest: DiscordRest, memory: Memory) -> None:
        self.rest = rest
        self.memory = memory
        self._paused: Recent[str, float] = Recent(REMEMBERED)

    async def show(
        self, to: Address, reply: Reply, replacing: ShownMessages | None = None
    ) -> ShownMessages:
        """Raises `SendFailed`. A reply without text and files changes nothing. Previews stop for as
        long as Discord asks to wait."""
        left = self._paused.get(to.chat_id, 0.0) - time.monotonic()
        if (reply.preview or reply.idle) and left > 0:
            raise SendFailed("flood", retry_after=left)
        known = () if replacing is None else replacing.message_ids
        if reply.idle and any(one in self.memory.tokens for one in known):
            return ShownMessages(known)  # its interaction has few calls, and it says where to look
        try:
            return await self._show(to, self._adapted(to, reply), known)
        except SendFailed as failure:
            if failure.retry_after is not None:
                self._paused[to.chat_id] = time.monotonic() + failure.retry_after
            raise

    async def _show(self, to: Address, reply: Reply, known: tuple[str, ...]) -> ShownMessages:
        if reply.gone:
            for message_id in known:
                await self._remove(to, message_id)
            return ShownMessages(())
        if reply.ask is not None:
            self.memory.asks[f"{reply.ask.action}:{reply.ask.value}"] = reply.ask
            if await self._open_form(reply.ask):
                return ShownMessages(known)
            known = ()
        made = parts(reply)
        if not made:
            return ShownMessages(known)
        ids = []
        for index, part in enumerate(made):
            payload = json.dumps(part.payload)
            if index >= len(known):
                message_id = await self._sent(to, reply, index, part)
            else:
                message_id = known[index]
                if part.files or self.memory.texts.get(message_id) != payload:
                    await self.edit(to, message_id, part)
            self.memory.texts[message_id] = payload
            ids.append(message_id)
        for message_id in known[len(made) :]:
            with suppress(SendFailed):
                await self._remove(to, message_id)
        return ShownMessages(tuple(ids))

    async def _sent(self, to: Address, reply: Reply, index: int, part: MessagePart) -> str:
        """Send a part; a voice message goes as a file where none may be sent."""
        try:
            return await self.send(to, reply, index, part)
        except DiscordRefusal as refused:
            if not part.payload["flags"] & VOICE:
                raise
            log.info("no_voice_message_here", reason=str(refused))
            return await self.send(to, reply, index, as_file(part))

    def _adapted(self, to: Address, reply: Reply) -> Reply:
        """The reply as it is said in this chat."""
        return reply

    async def _remove(self, to: Address, message_id: str) -> None:
        self.memory.texts.pop(message_id, None)
        try:
            await self.delete(to, message_id)
        except DiscordRefusal as refused:
            if refused.code != ErrorCode.UNKNOWN_MESSAGE:
                raise

    async def _open_form(self, ask: Ask) -> bool:
        """Whether a form was opened. Otherwise the question is a message, and a button under it
        opens the form."""
        return False

    @abstractmethod
    async def send(self, to: Address, reply: Reply, index: int, part: MessagePart) -> str: ...

    @abstractmethod
    async def edit(self, to: Address, message_id: str, part: MessagePart) -> None: ...

    @abstractmethod
    async def delete(self, to: Address, message_id: str) -> None: ...


class ChannelChat(MessageChat):
    """Ordinary messages: pushes at any time, and answers to messages."""

    def __init__(
        self, rest: DiscordRest, memory: Memory, file_bytes: FileBytes = lambda _channel: None
    ) -> None:
        super().__init__(rest, memory)
        self._file_bytes = file_bytes

    async def limits_for(self, to: Address) -> Limits:
        return limits(self._file_bytes(to.chat_id))

    async def busy(self, to: Address, doing: Doing = "writing") -> None:
        if doing == "writing":  # the only sign that there is, and it would go on for minutes
            await self.rest.typing(to.chat_id)

    async def send(self, to: Address, reply: Reply, index: int, part: MessagePart) -> str:
        payload = {**part.payload, "nonce": nonce(reply, index)}
        key = f"{to.chat_id}/{payload['nonce']}"
        known = self.memory.sent.get(key)
        if known is None and reply.again:
            known = await self._there_already(to.chat_id, part)
        if known is not None:
            return known
        token = None if to.message_id is None else self.memory.tokens.get(to.message_id)
        if token is not None and (shown := await self._in_place(token, part)) is not None:
            self.memory.sent[key] = shown
            return shown
        if to.message_id is not None and index == 0 and token is None:
            payload["message_reference"] = {
                "message_id": to.message_id,
                "channel_id": to.chat_id,
                "fail_if_not_exists": False,
            }
        try:
            message_id = await self.rest.send(to.chat_id, payload, part.files)
        except DiscordRefusal as refused:
            # a system message, and one from before the bot may read, can't be answered to
            unanswerable = refused.code in (ErrorCode.FORM_INVALID, ErrorCode.NO_HISTORY)
            if "message_reference" not in payload or not unanswerable:
                raise
            del payload["message_reference"]
            message_id = await self.rest.send(to.chat_id, payload, part.files)
        self.memory.sent[key] = message_id
        if token is not None and to.message_id is not None:
            self.memory.elsewhere[to.message_id] = link_to(to.chat_id, message_id)
        return message_id

    async def _in_place(self, token: str, part: MessagePart) -> str | None:
        """Send beside its card, where the bot is no member: an interaction has five more messages,
        for 15 minutes. None: that is over."""
        try:
            shown = await self.rest.follow_up(token, part.payload, part.files)
        except (TokenDead, DiscordRefusal) as refused:
            log.info("not_in_place", reason=str(refused))
            return None
        self.memory.tokens[shown] = token
        return shown

    async def _there_already(self, channel_id: str, part: MessagePart) -> str | None:
        """The message of an earlier try, perhaps by a process that has ended: Discord forgets a
        nonce after minutes. None also for a bot that may not read the channel."""
        try:
            newest = await self.rest.newest(channel_id)
        except DiscordRefusal:
            return None
        wanted = (part.payload.get("content", ""), len(part.files))
        same = (
            one
            for one in newest
            if one["author"].get("bot") and (one["content"], len(one["attachments"])) == wanted
        )
        return next((str(one["id"]) for one in same), None)

    async def edit(self, to: Address, message_id: str, part: MessagePart) -> None:
        try:
            await self.rest.edit(to.chat_id, message_id, edited(part), part.files)
        except DiscordRefusal:
            token = self.memory.tokens.get(message_id)
            if token is None:
                raise
            # a card where the bot is no member: only its interaction reaches it, for 15 minutes
            payload, link = edited(part), self.memory.elsewhere.get(message_id)
            if link is not None:
                payload["content"] = f"{payload['content']}\n{is_there(link)}"[:TEXT]
            with _out_of_reach():
                await self.rest.edit_by_token(token, message_id, payload, part.files)

    async def delete(self, to: Address, message_id: str) -> None:
        token = self.memory.tokens.get(message_id)
        if token is None:
            await self.rest.delete(to.chat_id, message_id)
            return
        with _out_of_reach():
            await self.rest.delete_by_token(token, message_id)


@contextmanager
def _out_of_reach() -> Iterator[None]:
    """An interaction that is over is a final failure, as nothing else reaches its channel."""
    try:
        yield
    except TokenDead as dead:
        raise SendFailed("interaction_over", final=True) from dead


def link_to(channel_id: str, message_id: str = "") -> str:
    """A link to a direct message, or to the chat of all of them."""
    return f"https://discord.com/channels/@me/{channel_id}/{message_id}".rstrip("/")
