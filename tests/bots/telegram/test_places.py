"""A Telegram group with settings of its own, by the real library."""

import pytest

from tests.bots.core.recording_chat import Place
from tests.bots.telegram.conftest import GROUP
from tests.bots.telegram.test_whole import bot
from tests.fakes.telegram import FakeTelegram, SeenMessage

pytestmark = pytest.mark.asyncio(loop_scope="module")
ADMIN, MEMBER, SUPERGROUP = 9302, 9301, -100777888


async def page(fake: FakeTelegram, part: str, chat: int = GROUP) -> SeenMessage:
    return await fake.message(chat, part)


async def test_an_admin_sets_a_group_up_which_keeps_it_as_a_supergroup(
    fake: FakeTelegram, place: Place
) -> None:
    await place.join(str(ADMIN), str(ADMIN))
    async with bot(fake, place):
        fake.user_says(GROUP, MEMBER, "/studio", private=False)
        await page(fake, "Only admins of this chat")
        fake.admin(GROUP, ADMIN)
        fake.user_says(GROUP, ADMIN, "/studio", private=False)
        shown = await page(fake, f"How I work in Chat {GROUP}")
        fake.press(GROUP, shown.message_id, "Hide results", ADMIN)
        await page(fake, "Results: hidden until they are touched")
        fake.press(GROUP, shown.message_id, "Budget …", ADMIN)
        asked = await page(fake, "Dollars a month, and a person a day")
        fake.user_says(GROUP, ADMIN, "20 1.50", private=False, reply_to=asked.message_id)
        await page(fake, "Each person a day: $1.50")
        # whoever is no admin any more presses for nothing
        told = fake.press(GROUP, shown.message_id, "Everybody", MEMBER)
        await fake.until(lambda scene: "Only admins" in str(scene.presses[told].answered))
        fake.move(GROUP, SUPERGROUP)
        fake.admin(SUPERGROUP, ADMIN)
        fake.user_says(SUPERGROUP, ADMIN, "/studio", private=False)
        shown = await page(fake, "How I work in", SUPERGROUP)
        assert "Results: hidden until they are touched" in shown.text
        assert "of $20.00" in shown.text
        fake.user_says(SUPERGROUP, ADMIN, "/image a fox", private=False)
        made = await fake.message(SUPERGROUP, kind="photo", seconds=30)
        assert made.spoiler


async def test_it_answers_in_its_topics_only(fake: FakeTelegram, place: Place) -> None:
    group = GROUP - 1
    await place.join(str(ADMIN), str(ADMIN))
    async with bot(fake, place):
        fake.user_says(group, ADMIN, "hello", private=False, forum=True, thread_id=5)
        fake.admin(group, ADMIN)
        fake.user_says(group, ADMIN, "/studio", private=False, thread_id=5)
        shown = await page(fake, "How I work in", group)
        fake.press(group, shown.message_id, "Only here", ADMIN)
        await page(fake, "Only in:", group)
        fake.user_says(group, ADMIN, "/balance", private=False, thread_id=6)
        await page(fake, "Here I only work in:", group)
        fake.user_says(group, ADMIN, "/ask why a fox?", private=False, thread_id=5)
        await page(fake, "why a fox?", group)
