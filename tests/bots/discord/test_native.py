"""The whole bot with the parts of Discord that others do not have: seen in a server, a thread, a
direct message, and user-installed."""

import pytest

from bots.discord.render import SUPPRESS_NOTIFICATIONS
from tests.bots.core.recording_chat import Place
from tests.bots.discord.test_whole import bot, link, press, results, slash
from tests.fakes.discord import APPLICATION_ID, GUILD_CHANNEL_ID, GUILD_ID, FakeDiscord
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")
PERSON = "500000000000000007"


async def test_other_names_and_mistyped_ones_lead_to_the_command(
    fake: FakeDiscord, place: Place, sandbox: Sandbox
) -> None:
    async with bot(fake, place):
        await link(fake, place)
        slash(fake, "imagine", prompt="a fox", n=1)
        (fox,) = await results(fake, 1)
        assert ("a fox" in fox.text, fox.flags & SUPPRESS_NOTIFICATIONS) == (True, 0)

        typed = f"<@{APPLICATION_ID}> /imgae a hare"
        fake.says(PERSON, GUILD_CHANNEL_ID, typed, guild=GUILD_ID)
        question = await fake.message(GUILD_CHANNEL_ID, "Did you mean /image?")
        press(fake, question, "/image")
        hare = (await results(fake, 2))[-1]
        assert "a hare" in hare.text

        sandbox.break_with(image=1.0)
        # a card in a message of its own does not ring, its result does
        fake.says(PERSON, GUILD_CHANNEL_ID, f"<@{APPLICATION_ID}> /image an owl", guild=GUILD_ID)
        card = await fake.message(GUILD_CHANNEL_ID, "an owl")
        assert card.flags & SUPPRESS_NOTIFICATIONS
        owl = (await results(fake, 3))[-1]
        assert not owl.flags & SUPPRESS_NOTIFICATIONS


async def test_what_is_found_in_a_server_is_seen_by_its_person_only(
    fake: FakeDiscord, place: Place
) -> None:
    async with bot(fake, place):
        await link(fake, place)
        fake.slash(PERSON, GUILD_CHANNEL_ID, "image", {"prompt": "a set", "n": 2}, guild=GUILD_ID)
        (shown,) = await results(fake, 1)
        assert {"V1", "V2"} <= set(shown.buttons)
        found = await fake.answer(slash(fake, "find", words="a set"), "Found for")
        assert found.ephemeral
        asked = press(fake, found, found.buttons[0])
        again = await fake.until(
            lambda scene: next(
                (one for one in scene.by_bot() if one.interaction_id == asked and one.attachments),
                None,
            )
        )
        assert again.ephemeral
