"""1,000 waiting deliveries to 1,000 chats: `python -m tests.bench.deliveries [telegram|discord]
[--deliveries 1000] [--latency 0.1]`.

The api on DuckDB, the bot and the fake platform are processes and threads of their own; the fake
refuses what is above the limits that the platform documents. The rate is that of the middle eight
tenths: bursts that a platform allows are over by then.
"""

import argparse
import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.db.open import open_db
from api.deliveries.outbox import DeliveryOutbox
from api.wake import Wake
from tests.bench.measured import Measured
from tests.bench.programs import family, processor
from tests.fakes.discord import running_discord
from tests.fakes.telegram import running_telegram
from tests.stack import Stack, running_stack

NUMBER, QUICK_NUMBER = 1000, 300
TWICE = 10
"""Every tenth chat gets two, whose order is checked."""
ALLOWED = {"telegram": 30.0, "discord": 50.0}
"""Messages a second over all chats."""
OF_ALLOWED = 0.9
LATENCY = 0.1
"""Seconds until the platform answers."""
FIRST_CHAT = 900_000_000_000_000_001
LONGEST = 240.0


@dataclass
class Place:
    """A platform's fake: its settings for `running_stack`, its texts in the order of their coming
    by chat, and the number of calls that it refused."""

    env: dict[str, Any]
    open: Callable[[str], None]
    texts: Callable[[], list[tuple[str, str]]]
    connected: Callable[[], Any]
    refused: Callable[[], int]
    chats: list[str] = field(default_factory=list)


def telegram(opened: ExitStack) -> Place:
    fake = opened.enter_context(running_telegram())
    fake.fault("sendMessage", "slow_after", times=10**6, seconds=LATENCY)
    return Place(
        {"telegram": fake},
        lambda chat: fake.open(int(chat)),
        lambda: [(str(one.chat_id), one.text) for one in fake.scene().messages if one.from_bot],
        lambda: fake.polling(60),
        lambda: fake.scene().ignored_floods,
    )


def discord(opened: ExitStack) -> Place:
    fake = opened.enter_context(running_discord())
    fake.limit("*", "/api/", 50, 1.0, is_global=True)
    fake.fault("POST", "/messages$", "slow_after", times=10**6, seconds=LATENCY)
    fake.limit("POST", "/channels/[0-9]+/messages$", 5, 5.0)
    return Place(
        {"discord": fake},
        fake.open,
        lambda: [(one.channel_id, one.text) for one in fake.scene().messages],
        lambda: fake.connected(60),
        lambda: 0,
    )


PLACES: dict[str, Callable[[ExitStack], Place]] = {"telegram": telegram, "discord": discord}


async def fill(database: Path, platform: str, chats: Sequence[str]) -> None:
    """Write the deliveries: those of a chat in the order of their numbers."""
    db = await open_db(str(database))
    outbox = DeliveryOutbox(db, Wake())
    async with db.transaction() as sql:
        for number, chat in enumerate(chats):
            facts = {"text": f"number {number:06d}"}
            await outbox.notify(sql, platform=platform, chat_id=chat, code="broadcast", facts=facts)
    await db.close()


def addresses(number: int) -> list[str]:
    """Return a chat for each delivery; some chats come twice, the second time at the end."""
    again = number // (TWICE + 1)
    chats = [str(FIRST_CHAT + each) for each in range(number - again)]
    return chats + chats[:again]


async def arrived(place: Place, number: int) -> tuple[list[tuple[float, int]], bool]:
    """Return the numbers of messages over time, and whether each chat's came in order."""
    seen: list[tuple[float, int]] = []
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        texts = [(chat, text) for chat, text in place.texts() if "number " in text]
        seen.append((time.monotonic(), len(texts)))
        if len(texts) >= number:
            by_chat: dict[str, list[str]] = {}
            for chat, text in texts:
                by_chat.setdefault(chat, []).append(text)
            return seen, all(each == sorted(each) for each in by_chat.values())
        await asyncio.sleep(0.25)
    raise TimeoutError(f"{seen[-1][1]} of {number} came within {LONGEST:.0f} s")


def rate(seen: Sequence[tuple[float, int]], number: int) -> float:
    first = next(each for each in seen if each[1] >= number * 0.1)
    last = next(each for each in seen if each[1] >= number * 0.9)
    return (last[1] - first[1]) / max(0.001, last[0] - first[0])


async def measure(platform: str = "telegram", number: int = NUMBER) -> dict[str, float]:
    """Return messages a second, the part of what is allowed, and the seconds until all have come.
    Raises `AssertionError` when a chat got its own in another order."""
    with ExitStack() as opened:
        place = PLACES[platform](opened)
        stack = opened.enter_context(running_stack(**place.env, without=frozenset({"web"})))
        await place.connected()
        stack.stop(platform)
        stack.stop("api")
        chats = addresses(number)
        for chat in sorted(set(chats)):
            place.open(chat)
        await fill(stack.data_dir / "app.duckdb", platform, chats)
        return await _measured(stack, place, platform, number)


async def _measured(stack: Stack, place: Place, platform: str, number: int) -> dict[str, float]:
    stack.start("api")
    began = time.monotonic()
    stack.start(platform)
    before = _processor(stack, platform)
    seen, in_order = await arrived(place, number)
    assert in_order, "a chat got its messages in another order"
    found = rate(seen, number)
    return {
        "rate": found,
        "part": found / ALLOWED[platform],
        "seconds": seen[-1][0] - began,
        "refused": place.refused(),
        "processor": (_processor(stack, platform) - before) * 1000 / number,
    }


def _processor(stack: Stack, platform: str) -> float:
    return sum(processor(family(stack.pids[name])) for name in ("api", platform))


async def bench(into: Measured) -> None:
    number = QUICK_NUMBER if into.quick else NUMBER
    into.parameter("deliveries", number)
    for platform, allowed in ALLOWED.items():
        found = await measure(platform, number)
        into.add(platform, "messages", found["rate"], "req/s", at_least=allowed * OF_ALLOWED)
        into.add(platform, "until all have come", found["seconds"], "s")
        into.add(platform, "api and bot, a message", found["processor"], "ms of CPU")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("platform", choices=list(PLACES), nargs="?", default="telegram")
    parser.add_argument("--deliveries", type=int, default=NUMBER)
    given = parser.parse_args()
    figures = asyncio.run(measure(given.platform, given.deliveries))
    print(", ".join(f"{name} {value:.3g}" for name, value in figures.items()))
