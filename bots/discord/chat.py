"""The two ways to show a reply on Discord: in a channel with the bot's own token, and as the answer to an interaction."""

import json
from abc import ABC, abstractmethod
from contextlib import suppress

from bots.core.types import Address, Limits, Reply, SendFailed, Shown
from bots.discord.render import LIMITS, Part, edited, nonce, parts
from bots.discord.rest import EPHEMERAL, Refused, Rest, TokenDead

REMEMBERED = 500


class Memory:
    """What a process remembers of what it has shown. Losing it costs nothing but a needless edit, or a card that stays open."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._tokens: dict[str, str] = {}

    def same(self, message_id: str, part: Part) -> bool:
        return not part.files and self._texts.get(message_id) == json.dumps(part.payload)

    def shown(self, message_id: str, part: Part) -> None:
        _keep(self._texts, message_id, json.dumps(part.payload))

    def token_of(self, message_id: str) -> str | None:
        return self._tokens.get(message_id)

    def made_with(self, token: str, message_id: str) -> None:
        """A message that the bot's own token cannot reach."""
        _keep(self._tokens, message_id, token)


def _keep(known: dict[str, str], key: str, value: str) -> None:
    known.pop(key, None)
    known[key] = value
    if len(known) > REMEMBERED:
        del known[next(iter(known))]


class Messages(ABC):
    """A reply as one or more messages. A reply that grows gets more of them, one that shrinks loses its last ones."""

    def __init__(self, rest: Rest, memory: Memory) -> None:
        self.rest = rest
        self.memory = memory

    @property
    def limits(self) -> Limits:
        return LIMITS

    async def limits_for(self, to: Address) -> Limits:
        return LIMITS

    async def show(self, to: Address, reply: Reply, replacing: Shown | None = None) -> Shown:
        """Raises `SendFailed`. A reply without text and files leaves what is shown."""
        known = () if replacing is None else replacing.message_ids
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
                await self._delete(to, message_id)
        return Shown(tuple(ids))

    @abstractmethod
    async def _send(self, to: Address, reply: Reply, index: int, part: Part) -> str: ...

    @abstractmethod
    async def _edit(self, to: Address, message_id: str, part: Part) -> None: ...

    @abstractmethod
    async def _delete(self, to: Address, message_id: str) -> None: ...


class ChannelChat(Messages):
    """Ordinary messages: pushes at any time, and answers to messages. Nothing here ends after 15 minutes."""

    async def busy(self, to: Address) -> None:
        await self.rest.typing(to.chat_id)

    async def send(self, to: Address, reply: Reply, index: int, part: Part) -> str:
        payload = {**part.payload, "nonce": nonce(reply, index)}
        if to.message_id is not None and index == 0:
            payload["message_reference"] = {"message_id": to.message_id, "channel_id": to.chat_id, "fail_if_not_exists": False}
        return await self.rest.send(to.chat_id, payload, part.files)

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
        try:
            await self.rest.edit_by_token(token, message_id, edited(part), part.files)
        except TokenDead as dead:
            raise SendFailed("the interaction is over and the channel is closed to the bot", final=True) from dead

    async def _send(self, to: Address, reply: Reply, index: int, part: Part) -> str:
        return await self.send(to, reply, index, part)

    async def _edit(self, to: Address, message_id: str, part: Part) -> None:
        await self.edit(to, message_id, part)

    async def _delete(self, to: Address, message_id: str) -> None:
        await self.rest.delete(to.chat_id, message_id)


class InteractionChat(Messages):
    """The answer to one interaction: first the deferred message, then follow-ups, and the channel once the token is dead.

    `original` is the id of the deferred or pressed message; `waiting`: it shows "is thinking" until the first reply.
    `hidden`: the deferred answer is ephemeral. `reachable`: the bot's own token may use the channel.
    """

    def __init__(self, channel: ChannelChat, token: str, original: str | None, *, waiting: bool, hidden: bool, reachable: bool) -> None:
        super().__init__(channel.rest, channel.memory)
        self._channel = channel
        self._token = token
        self._original = original
        self._waiting = waiting
        self._hidden = hidden
        self._reachable = reachable
        self._mine: set[str] = set() if original is None else {original}
        self._secret: set[str] = {original} if original is not None and hidden else set()

    async def busy(self, to: Address) -> None:
        """Discord shows "is thinking" by itself."""

    async def close(self) -> None:
        """When nothing was shown: "is thinking" must not stay for 15 minutes."""
        if self._waiting:
            with suppress(SendFailed, TokenDead):
                await self.rest.delete_by_token(self._token, "@original")

    async def _send(self, to: Address, reply: Reply, index: int, part: Part) -> str:
        hidden = self._hidden or (reply.secret and not to.private)
        try:
            message_id = await self._by_token(part, hidden=hidden)
        except TokenDead:
            return await self._late(to, reply, index, part, hidden=hidden)
        self._mine.add(message_id)
        if hidden:
            self._secret.add(message_id)
        elif not self._reachable:
            self.memory.made_with(self._token, message_id)
        return message_id

    async def _by_token(self, part: Part, *, hidden: bool) -> str:
        if self._waiting and hidden == self._hidden:
            message_id = await self.rest.edit_by_token(self._token, "@original", edited(part), part.files)
            self._waiting = False
            return message_id
        if self._waiting:
            # How visible the deferred answer is was settled when it was deferred: a secret needs a message of its own.
            with suppress(SendFailed):
                await self.rest.delete_by_token(self._token, "@original")
            self._waiting = False
        flags = part.payload["flags"] | (EPHEMERAL if hidden else 0)
        return await self.rest.follow_up(self._token, {**part.payload, "flags": flags}, part.files)

    async def _late(self, to: Address, reply: Reply, index: int, part: Part, *, hidden: bool) -> str:
        if hidden:
            raise SendFailed("the interaction is over, and only it can show a secret", final=True)
        if self._waiting and self._original is not None and self._reachable:
            await self._channel.edit(to, self._original, part)
            self._waiting = False
            return self._original
        return await self._channel.send(to, reply, index, part)

    async def _edit(self, to: Address, message_id: str, part: Part) -> None:
        if message_id in self._mine:
            try:
                await self.rest.edit_by_token(self._token, message_id, edited(part), part.files)
                return
            except TokenDead as dead:
                if message_id in self._secret:
                    raise SendFailed("the interaction is over, and only it can change a secret", final=True) from dead
        await self._channel.edit(to, message_id, part)

    async def _delete(self, to: Address, message_id: str) -> None:
        try:
            await self.rest.delete_by_token(self._token, message_id)
        except (TokenDead, Refused):
            await self.rest.delete(to.chat_id, message_id)
