"""A Discord server with settings of its own, by the real library."""

import pytest

from tests.bots.core.recording_chat import Place
from tests.bots.discord.test_whole import DM, OTHER, PERSON, bot, link
from tests.fakes.discord import GUILD_CHANNEL_ID, GUILD_ID, FakeDiscord, SeenMessage

pytestmark = pytest.mark.asyncio(loop_scope="module")


def slash(fake: FakeDiscord, command: str, person: str = PERSON, **options: object) -> str:
    return fake.slash(person, GUILD_CHANNEL_ID, command, dict(options), guild=GUILD_ID)


async def pressed(fake: FakeDiscord, message: SeenMessage, button: str, part: str) -> SeenMessage:
    fake.press(PERSON, GUILD_CHANNEL_ID, message.id, button)
    return await fake.message(GUILD_CHANNEL_ID, part)


async def test_a_manager_sets_a_server_up_by_buttons_and_forms(
    fake: FakeDiscord, place: Place
) -> None:
    fake.portal(managers=[PERSON], moderators=[OTHER])
    async with bot(fake, place):
        await link(fake, place)
        refused = await fake.answer(slash(fake, "studio", OTHER))
        assert ("Only admins of this chat" in refused.text, refused.ephemeral) == (True, True)
        shown = await fake.answer(slash(fake, "studio"))
        assert ("How I work in Studio" in shown.text, shown.ephemeral) == (True, True)
        shown = await pressed(fake, shown, "Hide results", "Results: hidden")
        form = fake.press(PERSON, GUILD_CHANNEL_ID, shown.id, "Roles …")
        await fake.until(lambda scene: scene.interactions[form].form)
        written = await fake.answer(fake.submit(form, "moderators"))
        assert ("Roles: moderators" in written.text, written.ephemeral) == (True, True)
        refused = await fake.answer(slash(fake, "balance"))
        assert "for people with the role moderators" in refused.text
        # a private chat has no rules, and what is made there is not hidden
        asked = await fake.answer(fake.slash(PERSON, DM, "balance"))
        assert "You have $" in asked.text
        places = (await place.api.services.db.fetch("SELECT platform, name FROM places"))[-1]
        assert dict(places) == {"platform": "discord", "name": "Studio"}
