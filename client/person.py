"""The API for one person in one chat."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, TypeVar

import httpx

from client.asynchronous import AsyncApi
from client.bot import BotApi, Who
from client.call import Call
from client.errors import ApiError
from client.exchange import TextEvent, read
from client.patience import Patience, Waiting
from client.schemas.links import ActOut
from client.schemas.text import StartEvent

T = TypeVar("T")


class UserApi(AsyncApi):
    """Sends calls for one person in one chat, with a token of the bot; a call without one
    introduces the person, and brings the token for the next. No call takes silence for an answer,
    see `client.patience`."""

    def __init__(self, bot: BotApi, who: Who, patience: Patience | None = None) -> None:
        """Without a patience of its own it has that of `bot`."""
        super().__init__(bot.http, self)
        self.who = who
        self._bot = bot
        self._uploads = 0
        self.waiting = Waiting(
            bot.waiters, (who.update_id.partition(":")[0], who.chat_id), patience
        )

    @property
    def key(self) -> str:
        """The idempotency key of what is paid: an update handled twice is paid once."""
        return self.who.update_id

    def upload_key(self) -> str:
        """Of the next file of this update."""
        self._uploads += 1
        return f"{self.who.update_id}:{self._uploads}"

    async def send(self, call: Call[T]) -> T:
        return await self.waiting.until_known(lambda: self._send(call), harmless=call.harmless)

    async def events(self, call: Call[TextEvent]) -> AsyncGenerator[TextEvent, None]:
        """After a stream that was cut it is asked for once more with the same key: another `start`
        begins it anew."""
        while True:
            await self.waiting.turn()
            try:
                async with aclosing(super().events(call)) as events:
                    async for event in events:
                        if not isinstance(event, StartEvent):
                            self.waiting.known()
                        yield event
                return
            except ApiError as error:
                await self.waiting.after(error)

    async def token(self) -> str:
        return self._bot.token(self.who) or self._bot.key

    async def renewed(self, stale: str) -> str | None:
        return self._bot.key if stale != self._bot.key else None

    async def _send(self, call: Call[T]) -> T:
        return await super().send(call)

    async def _attempt(self, call: Call[Any], token: str | None) -> httpx.Response:
        if token != self._bot.key:
            return await super()._attempt(call, token)
        asked_at = time.monotonic()
        response = await super()._attempt(call.introducing(self.who.header), token)
        if (act := response.headers.get("x-act")) is not None:
            self._bot.learn(self.who, read(ActOut, act, "header X-Act"), asked_at)
        return response
