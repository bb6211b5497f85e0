"""The way of one `/image` through the Telegram bot to its waiting card: the files and functions on
it, and the calls between the core's `show` and Telegram. The calls to the api that commands cost.
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType

import pytest

import bots
from bots.core.dispatch import answer
from bots.core.types import Inbound, Messenger
from tests.bots.core.call_log import CallLog
from tests.bots.core.recording_chat import Place
from tests.bots.telegram.conftest import CHAT, polling
from tests.bots.telegram.test_whole import bot
from tests.fakes.telegram import FakeTelegram, SeenMessage
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOTS = f"{Path(bots.__file__).parent}/"
COMMANDS = {
    "/image a fox": ("Making your image", 2),
    "/video waves": ("Making your video", 2),
    "/ask why?": ("why?", 1),
    "/balance": ("You have", 1),
    "/jobs": ("waves", 1),
    "/new": ("new conversation", 1),
    "/settings": ("Language", 2),
    "/help": ("/image", 0),
}
"""A part of the answer, and the most calls."""
KEEPING = ["POST /bot/updates/keep", "POST /bot/updates/done"]
FILES_MOST, FUNCTIONS_MOST, DEPTH_MOST = 25, 113, 6
"""Upper bounds, so that no layer comes back that only passes on. Six of the functions keep the
update until it is answered, two count it and its card, and one chooses the connections of a
call."""


@dataclass
class Trace:
    """`functions` that were called. `stack`: those of the adapter that were running when a message
    was sent."""

    functions: set[CodeType] = field(default_factory=set)
    stack: list[str] = field(default_factory=list)

    @property
    def files(self) -> list[str]:
        return sorted({one.co_filename.removeprefix(BOTS) for one in self.functions})

    @property
    def names(self) -> list[str]:
        return sorted(
            f"{one.co_filename.removeprefix(BOTS)} {one.co_qualname}" for one in self.functions
        )

    def profile(self, frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event != "call":
            return
        beside = code.co_name.startswith("<") or code.co_filename.endswith("registration.py")
        if code.co_filename.startswith(BOTS) and not beside:
            self.functions.add(code)
        if code.co_name == "send_message" and code.co_filename.endswith("telegram/_bot.py"):
            self.stack = list(_adapter_calls(frame))


def _adapter_calls(frame: FrameType) -> Iterator[str]:
    above = frame.f_back
    while above is not None and not above.f_code.co_filename.startswith(f"{BOTS}core/"):
        if above.f_code.co_filename.startswith(BOTS):
            yield above.f_code.co_qualname
        above = above.f_back


@contextmanager
def traced() -> Iterator[Trace]:
    """The calls of this thread; the fake runs in another one."""
    trace = Trace()
    sys.setprofile(trace.profile)
    try:
        yield trace
    finally:
        sys.setprofile(None)


async def test_an_image_takes_a_short_way_to_its_card(fake: FakeTelegram, place: Place) -> None:
    await place.join(str(CHAT), str(CHAT))
    over = asyncio.Event()

    async def answered(chat: Messenger, inbound: Inbound) -> None:
        await answer(chat, place.bot, inbound)
        over.set()

    async with polling(fake, answered):
        await fake.until(lambda scene: len(scene.commands) == len(scene.about) == 4)
        with traced() as trace:
            fake.user_says(CHAT, CHAT, "/image a fox in snow")
            await asyncio.wait_for(over.wait(), 20)
    card = await fake.message(CHAT, "Making your image")
    assert "Cancel" in " ".join(card.buttons)
    assert 0 < len(trace.stack) <= DEPTH_MOST, trace.stack
    assert len(trace.functions) <= FUNCTIONS_MOST, "\n".join(trace.names)
    assert len(trace.files) <= FILES_MOST, "\n".join(trace.files)


async def test_a_command_asks_the_api_as_seldom_as_it_can(
    fake: FakeTelegram, place: Place, sandbox: Sandbox
) -> None:
    """From a person who was heard before, and whose token is over."""
    await place.join(str(CHAT), str(CHAT))
    sandbox.break_with(video=60.0, image=60.0)
    log = CallLog(place.bot.http)
    async with bot(fake, place):

        async def answer(asked: int, part: str) -> SeenMessage:
            found = await fake.until(
                lambda scene: next(
                    (
                        one
                        for one in scene.by_bot(CHAT)
                        if part in one.text and one.message_id > asked
                    ),
                    None,
                )
            )
            await log.until(KEEPING[-1])
            return found

        await answer(fake.user_says(CHAT, CHAT, "/help"), "/image")
        assert log.asking == ["POST /bot/act"]
        found, cards = {}, {}
        for line, (part, most) in COMMANDS.items():
            log.clear()
            place.bot._acts.clear()
            cards[line] = await answer(fake.user_says(CHAT, CHAT, line), part)
            found[line] = list(log.asking)
            assert len(log.asking) <= most, found
            assert {*log.keeping} - {"POST /bot/updates/shown"} == {*KEEPING}, log.keeping
        log.clear()
        place.bot._acts.clear()
        fake.press(CHAT, cards["/video waves"].message_id, "Cancel", CHAT)
        await log.until(KEEPING[-1])
        assert log.asking == ["POST /generations/{id}/cancel"]
