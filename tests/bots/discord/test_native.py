"""The whole bot with the parts of Discord that others do not have: seen in a server, a thread, a
direct message, and user-installed."""

import pytest

from tests.bots.core.recording_chat import Place
from tests.bots.discord.test_whole import bot, link, press, results, slash
from tests.fakes.discord import APPLICATION_ID, GUILD_CHANNEL_ID, GUILD_ID, FakeDiscord

pytestmark = pytest.mark.asyncio(loop_scope="module")
PERSON = "500000000000000007"


async def test_other_names_and_mistyped_ones_lead_to_the_command(
    fake: FakeDiscord, place: Place
) -> None:
    async with bot(fake, place):
        await link(fake, place)
        slash(fake, "imagine", prompt="a fox", n=1)
        assert "a fox" in (await results(fake, 1))[0].text

        typed = f"<@{APPLICATION_ID}> /imgae a hare"
        fake.says(PERSON, GUILD_CHANNEL_ID, typed, guild=GUILD_ID)
        question = await fake.message(GUILD_CHANNEL_ID, "Did you mean /image?")
        press(fake, question, "/image")
        assert "a hare" in (await results(fake, 2))[-1].text
