"""Bad days of the fake Telegram, set per method: refusals, floods, broken connections, answers that
never come.

And its flood control: about one message a second in a chat, twenty a minute in a group, thirty a
second everywhere.
"""

import math
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.fakes.telegram_world import Refused

Kind = Literal[
    "status", "flood", "reset_before", "reset_after", "hang_before", "hang_after", "slow_after",
    "garbage_after", "cut_after", "gone_after",
]  # fmt: skip


@dataclass
class Fault:
    """Meets `times` calls of `method` ("*": any except getUpdates and getMe), of `chat` only where
    it is given, after it has let `skip` of them pass. `before` and `after` are meant of the call's
    effect."""

    method: str
    kind: Kind
    times: int = 1
    status: int = 500
    description: str = "Internal Server Error"
    retry_after: int = 1
    seconds: float = 60.0
    skip: int = 0
    chat: int | None = None

    def meets(self, method: str, chat: int | None) -> bool:
        wide = self.method == "*" and method not in ("getUpdates", "getMe")
        if not (self.times > 0 and (wide or self.method == method)):
            return False
        if self.chat not in (None, chat):
            return False
        self.skip -= 1
        return self.skip < 0


@dataclass
class Rate:
    """`burst` calls at once, then one every `seconds`."""

    seconds: float
    burst: int
    empty_at: dict[int, float] = field(default_factory=dict)

    def take(self, key: int, cost: int) -> float:
        """Seconds for which it is too much; 0 when it was taken."""
        now = time.monotonic()
        empty_at = max(self.empty_at.get(key, 0.0), now) + cost * self.seconds
        over = empty_at - now - self.burst * self.seconds
        if over <= 1e-6:
            self.empty_at[key] = empty_at
        return max(0.0, over)


@dataclass
class Faults:
    """`ignored` counts calls to a chat that came before the time that a flood answer had asked for
    was over.

    `paced`: whether the flood control works. It is a little more lenient than what is written, as
    on Telegram.
    """

    paced: bool = True
    private: Rate = field(default_factory=lambda: Rate(1.0, 20))
    group: Rate = field(default_factory=lambda: Rate(3.0, 22))
    everywhere: Rate = field(default_factory=lambda: Rate(1 / 30, 40))
    faults: list[Fault] = field(default_factory=list)
    quiet_until: dict[int, float] = field(default_factory=dict)
    ignored: int = 0

    def add(self, method: str, kind: Kind, *, times: int = 1, **rest: object) -> None:
        self.faults.append(Fault(method, kind, times, **rest))  # type: ignore[arg-type]

    def clear(self) -> None:
        self.faults.clear()
        self.quiet_until.clear()

    def left(self) -> list[int | None]:
        """Return the chats of faults that have not met all their calls."""
        return [one.chat for one in self.faults if one.times > 0]

    def take(self, method: str, chat: int | None = None) -> Fault | None:
        fault = next((one for one in self.faults if one.meets(method, chat)), None)
        if fault is not None:
            fault.times -= 1
        return fault

    def count(self, method: str, chat_id: int | None, values: dict[str, Any]) -> None:
        """Messages and edits count, in groups each file of an album; more than a chat takes is
        refused."""
        if (
            not self.paced
            or chat_id is None
            or not method.startswith(("sendM", "sendP", "sendV", "sendD", "editM"))
        ):
            return
        album = len(values.get("media") or []) if method == "sendMediaGroup" and chat_id < 0 else 1
        over = max(
            self.everywhere.take(0, 1),
            (self.private if chat_id > 0 else self.group).take(chat_id, album),
        )
        if over:
            seconds = math.ceil(over)
            self.quiet_until[chat_id] = time.monotonic() + seconds
            raise too_many(seconds)

    def flooded(self, chat_id: int | None) -> None:
        """Refuse while a flood answer holds for this chat."""
        left = self.quiet_until.get(chat_id or 0, 0.0) - time.monotonic()
        if left > 0:
            self.ignored += 1
            raise too_many(max(1, round(left)))

    def refuse(self, fault: Fault, chat_id: int | None) -> None:
        """Raise the refusal that the fault means, if it means one."""
        if fault.kind == "status":
            raise Refused(fault.status, fault.description)
        if fault.kind == "flood":
            if chat_id is not None:
                self.quiet_until[chat_id] = time.monotonic() + fault.retry_after
            raise too_many(fault.retry_after)


def too_many(seconds: int) -> Refused:
    return Refused(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
