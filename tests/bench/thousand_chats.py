"""Commands of 1,000 chats, each with a job under way: `python -m tests.bench.thousand_chats
[--chats 1000] [--seconds 60] [--pause 60]`.

The real api, with its worker, and the real Telegram bot answer people of a fake Telegram, each of
whom has a video under way and says something every `--pause` seconds. The time ends with the first
thing that the chat shows. The fake runs in the bench's own process and costs processor time, too.
"""

import argparse
import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.bench.measured import Measured
from tests.bench.programs import family, processor
from tests.fakes.telegram import TOKEN, FakeTelegram, Server
from tests.fakes.threads import loop_in_thread
from tests.stack import Stack, running_stack

CHATS, SECONDS, PAUSE = 1_000, 60.0, 60.0
QUICK_CHATS, QUICK_SECONDS, QUICK_PAUSE = 200, 15.0, 12.0
FIRST_CHAT = 10_001
P99_WITHIN = 1.0
ANSWER_WITHIN, JOB_WITHIN = 30.0, 120.0
SILENCE = "(silence)"
JOBS_PER_SECOND, JOBS_AT_ONCE = 12.0, 20
"""The rate at which the jobs are asked for beforehand, no more than the bot may send, and the most
that are waited for at a time."""
STUDIO = {
    "CHAT_SIGNUP": "open",
    "GUEST_MONTHLY_USD": "1000",
    "SANDBOX_VIDEO_SECONDS": "3600",
    "SANDBOX_IMAGE_SECONDS": "1.0",
}
COMMANDS = {
    "/ask why is the sky blue?": (30, ""),
    "/image a fox in snow": (25, "Making your image"),
    "/jobs": (15, "waves"),
    "/balance": (10, "You have"),
    "/settings": (10, "anguage"),
    "/help": (10, "/image"),
}
"""Lines of people: how often they come, and a part of the first thing that is shown."""
NEW, GROWING = "sendmessage", "sendmessagedraft"
"""Calls that show something new. Edits belong to what was asked before, pictures to a job."""


@dataclass
class Figures:
    """Seconds from a command to the first thing shown, by line; first words that were not the
    expected ones, with their number; processor seconds of each process."""

    waits: dict[str, list[float]] = field(default_factory=dict)
    other: Counter[str] = field(default_factory=Counter)
    cpu: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def all(self) -> list[float]:
        return sorted(wait for waits in self.waits.values() for wait in waits)


class Chats:
    """The fake Telegram, and who waits for something to be shown in a chat."""

    def __init__(self, fake: FakeTelegram) -> None:
        self.fake = fake
        self._waiting: dict[int, tuple[str, asyncio.Future[tuple[float, str]]]] = {}
        self._loop = asyncio.get_running_loop()

    def shown(self, method: str, values: dict[str, Any]) -> None:
        """Called in the fake's thread when a call of the bot was answered."""
        if method.lower() in (NEW, GROWING):
            told = int(values["chat_id"]), time.monotonic(), str(values.get("text", ""))
            self._loop.call_soon_threadsafe(self._tell, *told)

    def _tell(self, chat_id: int, at: float, text: str) -> None:
        part, waiting = self._waiting.get(chat_id, ("", None))
        if waiting is not None and not waiting.done() and part in text:
            waiting.set_result((at, text))

    async def say(
        self, chat_id: int, line: str, part: str = "", within: float = ANSWER_WITHIN
    ) -> tuple[float, str]:
        """Return the seconds to the first thing shown, with this part in it, and its text."""
        waiting: asyncio.Future[tuple[float, str]] = self._loop.create_future()
        self._waiting[chat_id] = part, waiting
        began = time.monotonic()
        await asyncio.to_thread(self.fake.user_says, chat_id, chat_id, line)
        try:
            at, text = await asyncio.wait_for(waiting, within)
        except TimeoutError:
            return within, SILENCE
        return at - began, text


@contextmanager
def watched_telegram(chats: list[Chats]) -> Iterator[FakeTelegram]:
    """A fake whose answered calls are told to the first of `chats`, once it is there."""
    with loop_in_thread("fake-telegram") as call:
        server = Server(TOKEN)
        run = server.api._run

        async def told(method: str, params: Any) -> Any:
            answer = await run(method, params)
            if chats:
                chats[0].shown(method, params.values)
            return answer

        server.api._run = told  # type: ignore[method-assign]
        api_url, control_url = call(server.start(0))
        fake = FakeTelegram(api_url, TOKEN, control_url)
        try:
            yield fake
        finally:
            fake.close()
            call(server.stop())


async def begin_jobs(chats: Chats, number: int) -> None:
    """Have a video made for each chat."""
    room = asyncio.Semaphore(JOBS_AT_ONCE)

    async def begin(each: int) -> None:
        await asyncio.sleep(each / JOBS_PER_SECOND)
        line, part = f"/video waves at night, {each}", "Making your video"
        async with room:
            _, text = await chats.say(FIRST_CHAT + each, line, part, JOB_WITHIN)
        if text == SILENCE:
            raise AssertionError(f"no job is under way in chat {each}")

    await asyncio.gather(*(begin(each) for each in range(number)))


async def measure(
    stack: Stack, chats: Chats, *, number: int = CHATS, seconds: float, pause: float = PAUSE
) -> Figures:
    """Let people talk for so many seconds, each every `pause` seconds."""
    figures, chance = Figures(), random.Random(1)
    lines = list(COMMANDS)
    weights = [often for often, _ in COMMANDS.values()]

    async def talk(chat_id: int, first: float) -> None:
        until = time.monotonic() + seconds
        await asyncio.sleep(first)
        while time.monotonic() < until:
            began, (line,) = time.monotonic(), chance.choices(lines, weights)
            wait, text = await chats.say(chat_id, line)
            figures.waits.setdefault(line.partition(" ")[0], []).append(wait)
            if COMMANDS[line][1] not in text:
                figures.other[text[:60]] += 1
            await asyncio.sleep(max(0.0, began + pause - time.monotonic()))

    pids = {name: family(pid) for name, pid in stack.pids.items()}
    before = {name: processor(each) for name, each in pids.items()}
    own, began = time.process_time(), time.monotonic()
    await asyncio.gather(
        *(talk(FIRST_CHAT + each, pause * each / number) for each in range(number))
    )
    figures.seconds = time.monotonic() - began
    figures.cpu = {name: processor(each) - before[name] for name, each in pids.items()}
    figures.cpu["the bench with the fake"] = time.process_time() - own
    return figures


@asynccontextmanager
async def run(number: int, seconds: float, pause: float) -> AsyncIterator[Figures]:
    """Yield the figures while all processes still run: one that does not stop spoils none."""
    found: list[Chats] = []
    with watched_telegram(found) as fake:
        stack = running_stack(telegram=fake, extra_env=STUDIO, without=frozenset({"web"}))
        with stack as running:
            chats = Chats(fake)
            found.append(chats)
            await fake.until(lambda scene: scene.calls_of("getUpdates"), 60)
            await begin_jobs(chats, number)
            yield await measure(running, chats, number=number, seconds=seconds, pause=pause)


def place(values: list[float], part: float) -> float:
    return values[min(len(values) - 1, int(len(values) * part))]


async def bench(into: Measured) -> None:
    chats, seconds, pause = CHATS, SECONDS, PAUSE
    if into.quick:
        chats, seconds, pause = QUICK_CHATS, QUICK_SECONDS, QUICK_PAUSE
    into.parameter("chats", chats)
    into.parameter("seconds", seconds)
    into.parameter("pause between the commands of a chat, s", pause)
    async with run(chats, seconds, pause) as figures:
        _tell(into, figures)


def _tell(into: Measured, figures: Figures) -> None:
    everything = {"all commands": figures.all} | {
        line: sorted(waits) for line, waits in sorted(figures.waits.items())
    }
    for of, waits in everything.items():
        into.add(of, "p50", place(waits, 0.5), "s")
        into.add(of, "p99", place(waits, 0.99), "s", at_most=P99_WITHIN)
        into.add(of, "commands", len(waits), "commands")
    into.add("all commands", "other answers", figures.other.total(), "answers", at_most=0)
    for process, used in figures.cpu.items():
        into.add(process, "processor", used * 100 / figures.seconds, "% of a core")


async def main(given: argparse.Namespace) -> None:
    async with run(given.chats, given.seconds, given.pause) as seen:
        for said, waits in [("all", seen.all), *sorted(seen.waits.items())]:
            in_order = sorted(waits)
            print(
                f"{said}: {len(in_order)} commands, p50 {place(in_order, 0.5):.2f} s, "
                f"p99 {place(in_order, 0.99):.2f} s"
            )
        for process, used in seen.cpu.items():
            print(f"{process}: {used * 100 / seen.seconds:.0f} % of a core")
        for text, count in seen.other.most_common(10):
            print(f"{count} x {text!r}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chats", type=int, default=CHATS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--pause", type=float, default=PAUSE)
    asyncio.run(main(parser.parse_args()))
