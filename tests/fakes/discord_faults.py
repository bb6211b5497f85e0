"""Bad days of the fake Discord: refusals, broken connections, slow answers and rate limits, set per
route."""

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from tests.fakes.control_base import (
    AFTER_THE_EFFECT,
    ConnectionReset,
    cut,
    json_answer,
    spoilt,
    struck,
)
from tests.fakes.discord_world import World

Kind = Literal[
    "status", "status_after", "limited", "reset_before", "reset_after", "hang_before", "hang_after",
    "slow_after", "garbage_after", "cut_after", "gone_after",
]  # fmt: skip
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Fault:
    """`path` is searched in the request's path; the fault is used up after `times` requests, of
    `channel` only where it is given, and lets `skip` of them pass first."""

    method: str
    path: str
    kind: Kind
    times: int = 1
    status: int = 500
    code: int = 0
    message: str = "Internal Server Error"
    retry_after: float = 0.1
    is_global: bool = False
    seconds: float = 60.0
    skip: int = 0
    channel: str | None = None

    def meets(self, request: web.Request, channel: str | None) -> bool:
        if not (
            self.times > 0
            and self.method in ("*", request.method)
            and self.channel in (None, channel)
            and re.search(self.path, request.path) is not None
        ):
            return False
        self.skip -= 1
        return self.skip < 0


@dataclass
class Bucket:
    """At most `limit` requests in `per` seconds to what `path` finds, counted for each full path,
    or together for all when `is_global`."""

    method: str
    path: str
    limit: int
    per: float
    is_global: bool = False
    used: dict[str, list[float]] = field(default_factory=dict)

    def take(self, request: web.Request, now: float) -> tuple[int, float]:
        """Requests left (-1: refused) and seconds until the oldest one is forgotten."""
        path = "" if self.is_global else request.path
        taken = [one for one in self.used.get(path, []) if now - one < self.per]
        left = self.limit - len(taken) - 1
        if left >= 0:
            taken.append(now)
        self.used[path] = taken
        return left, max(0.0, self.per - (now - taken[0]))


@dataclass
class Faults:
    world: World
    faults: list[Fault] = field(default_factory=list)
    buckets: list[Bucket] = field(default_factory=list)
    go_away: Callable[[float], None] = lambda _seconds: None
    """Take no connections for so long, a moment after this."""

    def fault(self, **given: Any) -> None:
        self.faults.append(Fault(**given))

    def left(self) -> list[str | None]:
        """Return the channels of faults that have not met all their requests."""
        return [one.channel for one in self.faults if one.times > 0]

    def limit(self, **given: Any) -> None:
        self.buckets.append(Bucket(**given))

    def clear(self) -> None:
        self.faults.clear()
        self.buckets.clear()

    async def meet(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        """Answer a request under the faults and limits that are set."""
        refused, headers = self._limited(request)
        if refused is not None:
            return refused
        channel = self.world.channel_of(request.match_info)
        fault = next((one for one in self.faults if one.meets(request, channel)), None)
        if fault is None:
            response = await answer(request)
            response.headers.update(headers)
            return response
        fault.times -= 1
        return await self._strike(fault, request, answer)

    def _limited(self, request: web.Request) -> tuple[web.Response | None, dict[str, str]]:
        found = [
            one
            for one in self.buckets
            if one.method in ("*", request.method) and re.search(one.path, request.path)
        ]
        for of_all in (one for one in found if one.is_global):
            left, reset_after = of_all.take(request, time.monotonic())
            if left < 0:
                return too_many(reset_after, {}, is_global=True), {}
        bucket = next((one for one in found if not one.is_global), None)
        if bucket is None:
            return None, {}
        left, reset_after = bucket.take(request, time.monotonic())
        headers = {
            "X-RateLimit-Bucket": f"{bucket.method}{bucket.path}".encode().hex()[:32],
            "X-RateLimit-Limit": str(bucket.limit),
            "X-RateLimit-Remaining": str(max(0, left)),
            "X-RateLimit-Reset": f"{time.time() + reset_after:.3f}",
            "X-RateLimit-Reset-After": f"{reset_after:.3f}",
        }
        if left >= 0:
            return None, headers
        return too_many(reset_after, headers), headers

    async def _strike(
        self, fault: Fault, request: web.Request, answer: Answer
    ) -> web.StreamResponse:
        if fault.kind in AFTER_THE_EFFECT:
            if fault.kind == "gone_after":
                self.go_away(fault.seconds)
            return await spoilt(fault.kind, request, await answer(request))
        if fault.kind == "status_after":
            await answer(request)
        if fault.kind in ("status", "status_after"):
            return json_answer({"message": fault.message, "code": fault.code}, fault.status)
        if fault.kind == "limited":
            return too_many(fault.retry_after, {}, is_global=fault.is_global)
        try:
            return await struck(fault.kind, fault.seconds, lambda: answer(request))
        except ConnectionReset:
            return cut(request)


def too_many(
    retry_after: float, headers: dict[str, str], *, is_global: bool = False
) -> web.Response:
    body = {
        "message": "You are being rate limited.",
        "retry_after": retry_after,
        "global": is_global,
    }
    return json_answer(
        body, 429, {**headers, "Via": "1.1 google", "Retry-After": str(max(1, round(retry_after)))}
    )
