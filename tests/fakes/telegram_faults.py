"""Bad days of the fake Telegram, set per method: refusals, floods, broken connections, answers that never come."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Literal

from tests.fakes.telegram_world import Refused

Kind = Literal["status", "flood", "reset_before", "reset_after", "hang_before", "hang_after"]


class ConnectionReset(Exception):
    """The connection is to be cut without an answer."""


@dataclass
class Fault:
    """Meets `times` calls of `method` ("*": any but getUpdates and getMe). `before` and `after` are meant of the call's effect."""

    method: str
    kind: Kind
    times: int = 1
    status: int = 500
    description: str = "Internal Server Error"
    retry_after: int = 1
    seconds: float = 60.0

    def meets(self, method: str) -> bool:
        wide = self.method == "*" and method not in ("getUpdates", "getMe")
        return self.times > 0 and (wide or self.method == method)


@dataclass
class Faults:
    """`ignored` counts calls to a chat that came before the time that a flood answer had asked for was over."""

    faults: list[Fault] = field(default_factory=list)
    quiet_until: dict[int, float] = field(default_factory=dict)
    ignored: int = 0

    def add(self, method: str, kind: Kind, *, times: int = 1, **rest: object) -> None:
        self.faults.append(Fault(method, kind, times, **rest))  # type: ignore[arg-type]

    def clear(self) -> None:
        self.faults.clear()
        self.quiet_until.clear()

    def take(self, method: str) -> Fault | None:
        fault = next((one for one in self.faults if one.meets(method)), None)
        if fault is not None:
            fault.times -= 1
        return fault

    def flooded(self, chat_id: int | None) -> None:
        """Refuse while a flood answer holds for this chat."""
        left = self.quiet_until.get(chat_id or 0, 0.0) - time.monotonic()
        if left > 0:
            self.ignored += 1
            raise too_many(max(1, round(left)))

    async def before(self, fault: Fault, chat_id: int | None) -> None:
        if fault.kind == "status":
            raise Refused(fault.status, fault.description)
        if fault.kind == "flood":
            if chat_id is not None:
                self.quiet_until[chat_id] = time.monotonic() + fault.retry_after
            raise too_many(fault.retry_after)
        if fault.kind == "hang_before":
            await asyncio.sleep(fault.seconds)
        if fault.kind in ("hang_before", "reset_before"):
            raise ConnectionReset

    async def after(self, fault: Fault) -> None:
        if fault.kind == "hang_after":
            await asyncio.sleep(fault.seconds)
        if fault.kind in ("hang_after", "reset_after"):
            raise ConnectionReset


def too_many(seconds: int) -> Refused:
    return Refused(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
