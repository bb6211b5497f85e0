"""Replies in a channel, with the bot's own token: nothing here ends after 15 minutes."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import structlog

from bots.core.texts.introduction import is_there
from bots.core.types import Address, Ask, Limits, Reply, SendFailed, Shown
from bots.discord.render import LIMITS, TEXT, Part, edited, limits, nonce, parts
from bots.discord.rest import FORM_INVALID, NO_HISTORY, UNKNOWN_MESSAGE, Refused, Rest, TokenDead

log = structlog.get_logger()

REMEMBERED = 500

T = TypeVar("T")

FileBytes = Callable[[str], int | None]
"""How large a file in that channel may be, where the bot knows its server."""


class Memory:
    """What a process remembers of what it has shown. Losing it costs a needless edit, a card that
    stays open, or a form left empty."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._tokens: dict[str, str] = {}
        self._sent: dict[str, str] = {}
        self._asks: dict[str, Ask] = {}
        self._elsewhere: dict[str, str] = {}

    def same(self, message_id: str, part: Part) -> bool:
        return not part.files and self._texts.get(message_id) == json.dumps(part.payload)

    def shown(self, message_id: str, part: Part) -> None:
        _keep(self._texts, message_id, json.dumps(part.payload))

    def gone(self, message_id: str) -> None:
        self._texts.pop(message_id, None)

    def token_of(self, message_id: str) -> str | None:
        return self._tokens.get(message_id)

    def made_with(self, token: str, message_id: str) -> None:
        """A message that the bot's own token cannot reach."""
        _keep(self._tokens, message_id, token)

    def elsewhere(self, message_id: str) -> str | None:
        """Where the result is that this card waited for, if it could not be shown beside it."""
        return self._elsewhere.get(message_id)

    def went_elsewhere(self, message_id: str, link: str) -> None:
        _keep(self._elsewhere, message_id, link)

    def sent_as(self, key: str) -> str | None:
        """The message that this channel got with this nonce: Discord itself forgets after
        minutes."""
        return self._sent.get(key)

    def sent(self, key: str, message_id: str) -> None:
        _keep(self._sent, key, message_id)

    def ask(self, ask: Ask) -> None:
        _keep(self._asks, f"{ask.action}:{ask.value}", ask)

    def asked(self, form_id: str) -> Ask | None:
        return self._asks.get(form_id)


def _keep(known: dict[str, T], key: str, value: T) -> None:
    known.pop(key, None)
    known[key] = value
    if len(known) > REMEMBERED:
        del known[next(iter(known))]


class Messages(ABC):
    """A reply as one or more messages. A reply that grows gets more of them, one that shrinks loses
    its last ones."""

    def __init__(self, rest: Rest, memory: Memory) -> None:
        self.rest = rest
        self.memory = memory
        self._paused: dict[str, float] = {}

    @property
    def limits(self) -> Limits:
        return LIMITS

    async def show(self, to: Address, reply: Reply, replacing: Shown | None = None) -> Shown:
        """Raises `SendFailed`. A reply without text and files leaves what is shown. Previews stop
        for as long as Discord asks to wait."""
        left = self._paused.get(to.chat_id, 0.0) - time.monotonic()
        if reply.preview and left > 0:
            raise SendFailed("Discord has asked to wait", retry_after=left)
        try:
            return await self._show(to, reply, replacing)
        except SendFailed as failure:
            if failure.retry_after is not None:
                _keep(self._paused, to.chat_id, time.monotonic() + failure.retry_after)
            raise

    async def _show(self, to: Address, reply: Reply, replacing: Shown | None) -> Shown:
        known = () if replacing is None else replacing.message_ids
        if reply.gone:
            for message_id in known:
                await self._remove(to, message_id)
            return Shown(())
        if reply.ask is not None:
            self.memory.ask(reply.ask)
            if await self._open_form(reply.ask):
                return replacing or Shown(())
            known = ()
        made = parts(reply)
        if not made:
            return replacing or Shown(())
        ids = []
        for index, part in enumerate(made):
            if index >= len(known):
                message_id = await self._send(to, reply, index, part)
            else:
                message_id = known[index]
                if not self.memory.same(message_id, part):
                    await self._edit(to, message_id, part)
            self.memory.shown(message_id, part)
            ids.append(message_id)
        for message_id in known[len(made) :]:
            with suppress(SendFailed):
                await self._remove(to, message_id)
        return Shown(tuple(ids))

    async def _remove(self, to: Address, message_id: str) -> None:
        self.memory.gone(message_id)
        try:
            await self._delete(to, message_id)
        except Refused as refused:
            if refused.code != UNKNOWN_MESSAGE:
                raise

    async def _open_form(self, ask: Ask) -> bool:
        """Whether a form was opened. Without one the question is a message, and a button under it
        opens the form."""
        return False

    @abstractmethod
    async def _send(self, to: Address, reply: Reply, index: int, part: Part) -> str: ...

    @abstractmethod
    async def _edit(self, to: Address, message_id: str, part: Part) -> None: ...

    @abstractmethod
    async def _delete(self, to: Address, message_id: str) -> None: ...


class ChannelChat(Messages):
    """Ordinary messages: pushes at any time, and answers to messages."""

    def __init__(
        self, rest: Rest, memory: Memory, file_bytes: FileBytes = lambda _channel: None
    ) -> None:
        super().__init__(rest, memory)
        self._file_bytes = file_bytes

    async def limits_for(self, to: Address) -> Limits:
        return limits(self._file_bytes(to.chat_id))

    async def busy(self, to: Address) -> None:
        await self.rest.typing(to.chat_id)

    async def send(self, to: Address, reply: Reply, index: int, part: Part) -> str:
        payload = {**part.payload, "nonce": nonce(reply, index)}
        key = f"{to.chat_id}/{payload['nonce']}"
        known = self.memory.sent_as(key)
        if known is None and reply.again:
            known = await self._there_already(to.chat_id, part)
        if known is not None:
            return known
        token = None if to.message_id is None else self.memory.token_of(to.message_id)
        if token is not None and (shown := await self._in_place(token, part)) is not None:
            self.memory.sent(key, shown)
            return shown
        if to.message_id is not None and index == 0 and token is None:
            payload["message_reference"] = {
                "message_id": to.message_id,
                "channel_id": to.chat_id,
                "fail_if_not_exists": False,
            }
        try:
            message_id = await self.rest.send(to.chat_id, payload, part.files)
        except Refused as refused:
            if "message_reference" not in payload or refused.code not in (FORM_INVALID, NO_HISTORY):
                raise
            # What can't be answered to (a system message, one from before the bot may read) is not
            # answered to.
            del payload["message_reference"]
            message_id = await self.rest.send(to.chat_id, payload, part.files)
        self.memory.sent(key, message_id)
        if token is not None and to.message_id is not None:
            self.memory.went_elsewhere(to.message_id, link_to(to.chat_id, message_id))
        return message_id

    async def _in_place(self, token: str, part: Part) -> str | None:
        """Beside its card, where the bot is no member: an interaction has five more messages, for
        15 minutes. None: that is over."""
        try:
            shown = await self.rest.follow_up(token, part.payload, part.files)
        except (TokenDead, Refused) as refused:
            log.info("not_in_place", reason=str(refused))
            return None
        self.memory.made_with(token, shown)
        return shown

    async def _there_already(self, channel_id: str, part: Part) -> str | None:
        """What an earlier try has shown, perhaps one of a process that has ended: Discord forgets a
        nonce after minutes. A bot that may not read the channel can't tell."""
        try:
            newest = await self.rest.newest(channel_id)
        except Refused:
            return None
        wanted = (part.payload["content"], len(part.files))
        same = (
            one
            for one in newest
            if one["author"].get("bot") and (one["content"], len(one["attachments"])) == wanted
        )
        return next((str(one["id"]) for one in same), None)

    async def edit(self, to: Address, message_id: str, part: Part) -> None:
        try:
            await self.rest.edit(to.chat_id, message_id, edited(part), part.files)
        except Refused:
            token = self.memory.token_of(message_id)
            if token is None:
                raise
            await self._edit_by_token(token, message_id, part)

    async def _edit_by_token(self, token: str, message_id: str, part: Part) -> None:
        """A card where the bot is no member: only its interaction reaches it, for 15 minutes."""
        payload, link = edited(part), self.memory.elsewhere(message_id)
        if link is not None:
            payload["content"] = f"{payload['content']}\n{is_there(link)}"[:TEXT]
        try:
            await self.rest.edit_by_token(token, message_id, payload, part.files)
        except TokenDead as dead:
            raise SendFailed(
                "the interaction is over and the channel is closed to the bot", final=True
            ) from dead

    async def _send(self, to: Address, reply: Reply, index: int, part: Part) -> str:
        return await self.send(to, reply, index, part)

    async def _edit(self, to: Address, message_id: str, part: Part) -> None:
        await self.edit(to, message_id, part)

    async def _delete(self, to: Address, message_id: str) -> None:
        token = self.memory.token_of(message_id)
        if token is None:
            await self.rest.delete(to.chat_id, message_id)
            return
        try:
            await self.rest.delete_by_token(token, message_id)
        except TokenDead as dead:
            raise SendFailed(
                "the interaction is over and the channel is closed to the bot", final=True
            ) from dead


def link_to(channel_id: str, message_id: str = "") -> str:
    """A direct message, or the chat of all of them."""
    return f"https://discord.com/channels/@me/{channel_id}/{message_id}".rstrip("/")
