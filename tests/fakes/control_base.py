"""The parts that both fakes share: a world that tells its changes, the calls under /_fake/ that a
driver makes, and faults that are met before or after the effect of a call."""

import asyncio
import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from inspect import isawaitable
from typing import Any, TypeVar

from aiohttp import web

T = TypeVar("T")
Action = Callable[..., Any]


class ChangingWorld:
    """A world whose `version` grows with each change."""

    def __init__(self) -> None:
        self.version = 0
        self.changed = asyncio.Event()

    def touch(self) -> None:
        """Wake everyone who waits for a change."""
        self.version += 1
        self.changed.set()
        self.changed = asyncio.Event()

    async def newer(self, version: int, seconds: float) -> None:
        """Return once the world is newer than that, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.version <= version:
                    await self.changed.wait()


class FakeControl(ABC):
    """The control calls of one fake. `actions` are what people do, and how the platform behaves;
    `snapshot` is everything that a test may look at."""

    def __init__(self, world: ChangingWorld) -> None:
        self._changing = world

    @property
    @abstractmethod
    def actions(self) -> Mapping[str, Action]: ...

    @abstractmethod
    def snapshot(self) -> dict[str, Any]: ...

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/_fake/state", self._state), web.post("/_fake/{action}", self._act)]

    async def _state(self, request: web.Request) -> web.Response:
        """The whole world, as soon as it is newer than `after` or `seconds` are over."""
        await self._changing.newer(
            int(request.query.get("after", -1)), float(request.query.get("seconds", 0))
        )
        return json_answer(self.snapshot())

    async def _act(self, request: web.Request) -> web.Response:
        action = self.actions.get(request.match_info["action"])
        if action is None:
            return json_answer({"error": f"no action {request.match_info['action']}"}, 404)
        try:
            made = action(**await request.json())
            made = await made if isawaitable(made) else made
        except (LookupError, ValueError, TypeError) as error:
            return json_answer({"error": str(error)}, 400)
        self._changing.touch()
        return json_answer({"result": made})


class ConnectionReset(Exception):
    """The connection is to be cut without an answer."""


async def struck(kind: str, seconds: float, effect: Callable[[], Awaitable[T]]) -> T:
    """Raise `ConnectionReset` before or after the effect, at once or when the time is over, as the
    kind of the fault says; `slow_after` only answers late."""
    how, _, when = kind.partition("_")
    if kind == "slow_after":
        result = await effect()
        await asyncio.sleep(seconds)
        return result
    if when == "after":
        await effect()
    if how == "hang":
        await asyncio.sleep(seconds)
    raise ConnectionReset


def json_answer(
    body: object, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """JSON whose content type is exactly `application/json`: discord.py compares the whole
    header."""
    return web.Response(
        body=json.dumps(body).encode(),
        status=status,
        content_type="application/json",
        headers=headers,
    )


AFTER_THE_EFFECT = ("garbage_after", "cut_after", "gone_after")


async def spoilt(kind: str, request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    """Return what is left of a good answer: a page of some proxy, or the half of it."""
    if kind == "garbage_after":
        page = "<html><body>502 Bad Gateway</body>"
        return web.Response(text=page, content_type="text/html")
    if kind == "cut_after":
        assert isinstance(answer, web.Response)
        assert isinstance(answer.body, bytes)
        part = web.StreamResponse(status=answer.status)
        part.content_type = "application/json"
        part.content_length = len(answer.body)
        await part.prepare(request)
        await part.write(answer.body[: len(answer.body) // 2])
        cut(request)
        return part
    return answer


def cut(request: web.Request) -> web.Response:
    """Cut the connection of a request."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def decoded(file: dict[str, str]) -> tuple[str, str, bytes]:
    """A file of a control call: its name, content type and bytes."""
    return file["name"], file["content_type"], base64.b64decode(file["data"])
