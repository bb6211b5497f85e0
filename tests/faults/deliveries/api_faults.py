"""An ASGI app around the api that breaks the next call of a kind, before or after it has had its
effect."""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Kind = Literal["status", "no_database", "reset_before", "reset_after", "half", "hang"]


@dataclass
class Fault:
    path: str
    kind: Kind
    skip: int = 0
    """Calls that pass before it strikes, once."""


@dataclass
class ApiFaults:
    """The api with faults. `always` are paths that never answer. `struck` counts the faults that
    were met: an unmet one proves nothing. `news` is set, and replaced, when a call is met or
    over."""

    app: ASGIApp
    fault: Fault | None = None
    always: str | None = None
    struck: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def set(self, path: str, kind: Kind, skip: int = 0) -> None:
        self.fault, self.struck = Fault(path, kind, skip), 0

    def _tell(self) -> None:
        self.news.set()
        self.news = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._answer(scope, receive, send)
        finally:
            self._tell()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.always is not None and re.search(self.always, scope["path"]):
            await asyncio.Event().wait()
        fault = self._met(scope)
        if fault is None:
            await self.app(scope, receive, send)
            return
        if fault.kind == "status":
            await send(
                {
                    "type": "http.response.start",
                    "status": 503,
                    "headers": [(b"content-length", b"0")],
                }
            )
            await send({"type": "http.response.body", "body": b""})
            return
        if fault.kind == "no_database":
            problem = (
                b'{"title": "Database unavailable", "status": 503, "detail": "Away.", '
                b'"code": "database_unavailable", "reason": "database_away", "retry_after": 5}'
            )
            await send(
                {
                    "type": "http.response.start",
                    "status": 503,
                    "headers": [(b"content-length", b"%d" % len(problem))],
                }
            )
            await send({"type": "http.response.body", "body": problem})
            return
        if fault.kind == "hang":
            await asyncio.Event().wait()
        if fault.kind == "reset_after":
            await self.app(scope, receive, _lost)
        if fault.kind == "half":
            await self.app(scope, receive, _half(send))
        await _cut(send, begun=fault.kind == "half")

    def _met(self, scope: Scope) -> Fault | None:
        fault = self.fault
        if scope["type"] != "http" or fault is None or not re.search(fault.path, scope["path"]):
            return None
        if fault.skip:
            fault.skip -= 1
            return None
        self.fault = None
        self.struck += 1
        self._tell()
        return fault


async def _lost(_message: Message) -> None:
    """Drop the answer."""


def _half(send: Send) -> Send:
    """Send half of the first part of the answer, and drop the rest."""
    cut = False

    async def some(message: Message) -> None:
        nonlocal cut
        if message["type"] == "http.response.start":
            await send(message)
        elif not cut and (body := message.get("body")):
            cut = True
            await send(
                {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
            )

    return some


class Cut(ConnectionError):
    """The end of the connection in the middle of an answer."""


async def _cut(send: Send, *, begun: bool) -> None:
    if not begun:
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-length", b"1000")],
            }
        )
    raise Cut
