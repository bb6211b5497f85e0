"""The whole bot with the parts of Telegram that others do not have: seen in private chats, groups
and topics."""

from typing import Any

import pytest

from tests.bots.core.recording_chat import Place
from tests.bots.telegram.conftest import CHAT, GROUP
from tests.bots.telegram.test_whole import PERSON, bot
from tests.fakes.telegram import FakeTelegram
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")
TOPIC = 5


async def test_a_mistyped_command_in_a_topic_is_guessed_when_the_bot_is_named(
    fake: FakeTelegram, place: Place
) -> None:
    await place.join(str(PERSON), str(CHAT))
    in_topic: dict[str, Any] = {"private": False, "forum": True, "thread_id": TOPIC}
    async with bot(fake, place):
        fake.user_says(GROUP, PERSON, "/imgae a cat", **in_topic)
        asked = fake.user_says(GROUP, PERSON, "/imgae@fake_bot a fox", **in_topic)
        question = await fake.message(GROUP, "Did you mean /image?")
        assert (question.reply_to, question.thread_id) == (asked, TOPIC)
        fake.press(GROUP, question.message_id, "/image", PERSON)
        result = await fake.message(GROUP, kind="photo", seconds=30)
        assert ("a fox" in result.text, result.thread_id) == (True, TOPIC)
        assert not any("a cat" in one.text for one in fake.scene().by_bot(GROUP))


async def test_only_the_result_rings_and_the_chat_shows_what_is_being_done(
    fake: FakeTelegram, place: Place, sandbox: Sandbox
) -> None:
    await place.join(str(PERSON), str(CHAT))
    sandbox.break_with(video=0.5)
    async with bot(fake, place):
        asked = fake.user_says(CHAT, PERSON, "/video waves")
        film = await fake.message(CHAT, kind="video", seconds=30)
        card = next(one for one in fake.scene().by_bot(CHAT) if one.reply_to == asked)
        assert (card.kind, card.silent, film.silent) == ("text", True, False)
        assert (CHAT, None, "upload_video") in fake.scene().actions


async def test_what_is_found_is_for_its_person_alone(fake: FakeTelegram, place: Place) -> None:
    await place.join(str(PERSON), str(CHAT))
    await place.say("/ask what is my secret badger?", person=str(PERSON), chat=str(CHAT))
    async with bot(fake, place):
        fake.user_says(GROUP, PERSON, "/find badger", private=False)
        await fake.message(GROUP, "write to me in a private chat first")
        fake.open(CHAT)
        fake.user_says(GROUP, PERSON, "/find badger", private=False)
        found = await fake.message(CHAT, "Found for")
        assert not any("secret" in one.text for one in fake.scene().by_bot(GROUP))
        fake.press(CHAT, found.message_id, next(iter(found.buttons)), PERSON)
        await fake.until(
            lambda scene: (
                any("goes on with" in (one.answered or "") for one in scene.presses.values())
                or any("goes on with" in one.text for one in scene.by_bot(CHAT))
            )
        )
