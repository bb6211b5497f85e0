"""The whole bot in this process: Discord's fake on one side, the real api with the sandbox on the
other."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from PIL import Image
from pydantic import SecretStr

from api.secrets import ensure_secrets
from bots.discord.__main__ import run
from bots.settings import BotSettings
from client.bot import BotApi
from tests.api.media.samples import case
from tests.bots.core.call_log import CallLog
from tests.bots.core.recording_chat import Place
from tests.fakes.discord import (
    APPLICATION_ID,
    GUILD_CHANNEL_ID,
    GUILD_ID,
    FakeDiscord,
    Scene,
    SeenMessage,
)
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")
PERSON, OTHER, DM = "500000000000000007", "500000000000000008", "600000000000000007"
DAY = 24 * 3600
RESULT = "🎲 Vary"
"""Only results have this button."""


@asynccontextmanager
async def bot(fake: FakeDiscord, place: Place) -> AsyncIterator[BotApi]:
    settings = BotSettings(
        _env_file=None,
        discord_bot_token=SecretStr(fake.token),
        discord_api_url=fake.api_url,
        data_dir=place.api.data_dir,
    )
    stop = asyncio.Event()
    async with BotApi(place.url, ensure_secrets(place.api.data_dir).bot_keys["discord"]) as api:
        running = asyncio.create_task(run(settings, api, stop))
        try:
            await fake.connected()
            yield api
        finally:
            stop.set()
            await asyncio.wait_for(running, 15)


async def link(fake: FakeDiscord, place: Place) -> None:
    code = (await place.web.post("/links/codes", json={"platform": "discord"})).json()
    question = await fake.answer(fake.slash(PERSON, DM, "link", {"code": code["code"]}))
    fake.press(PERSON, question.channel_id, question.id, "Yes")
    await fake.message(question.channel_id, "confirm it on the web")
    (await place.web.post(f"/links/codes/{code['id']}/confirm")).raise_for_status()
    await fake.message(question.channel_id, "now linked")


def slash(fake: FakeDiscord, command: str, **options: object) -> str:
    return fake.slash(PERSON, GUILD_CHANNEL_ID, command, dict(options), guild=GUILD_ID)


def press(fake: FakeDiscord, message: SeenMessage, button: str, person: str = PERSON) -> str:
    return fake.press(person, GUILD_CHANNEL_ID, message.id, button)


async def results(fake: FakeDiscord, count: int) -> list[SeenMessage]:
    """All results, once there are so many; a request never gets a second one."""

    def find(scene: Scene) -> list[SeenMessage]:
        found = [one for one in scene.by_bot() if RESULT in one.buttons]
        return found if len(found) >= count else []

    return await fake.until(find, 30)


async def test_files_and_then_what_is_in_them(fake: FakeDiscord, place: Place) -> None:
    report = ("report.pdf", "application/pdf", case("documents/report.pdf"))
    async with bot(fake, place):
        await link(fake, place)
        asked = fake.slash(
            PERSON,
            GUILD_CHANNEL_ID,
            "ask",
            {"question": "how many ships?"},
            guild=GUILD_ID,
            attachment=report,
        )
        await fake.answer(asked, "“report.pdf” of 3 pages")
        theirs = fake.says(OTHER, GUILD_CHANNEL_ID, "", guild=GUILD_ID, attachment=report)
        await fake.answer(fake.menu(PERSON, theirs, "Describe"), "which begins with “Harbour")
        fake.says(PERSON, DM, "what is this?", attachment=report)
        await fake.message(DM, "“report.pdf” of 3 pages")
        asked = slash(fake, "ask", question="what is new?", web=True, effort="low")
        await fake.answer(asked, "https://news.example.com/1")


async def test_a_members_day(fake: FakeDiscord, place: Place) -> None:
    async with bot(fake, place):
        await link(fake, place)
        asked = slash(fake, "image")
        await fake.until(lambda scene: scene.interactions[asked].form)
        card = await fake.answer(fake.submit(asked, "a fox_in_snow, *now*"), "fox_in_snow")
        (fox,) = await results(fake, 1)
        assert fox.reference == card.id
        assert "a fox_in_snow, *now*" in fox.text
        Image.open(io.BytesIO(fake.content(fox.attachments[0]))).verify()

        fake.says(PERSON, GUILD_CHANNEL_ID, "make it night", guild=GUILD_ID, reply_to=fox.id)
        night = (await results(fake, 2))[-1]
        assert "make it night" in night.text

        photo = ("IMG_1.HEIC", "application/octet-stream", case("other-formats/ok.heic"))
        theirs = fake.says(OTHER, GUILD_CHANNEL_ID, "my cat", guild=GUILD_ID, attachment=photo)
        changed = fake.menu(PERSON, theirs, "Edit")
        await fake.until(lambda scene: scene.interactions[changed].form)
        fake.submit(changed, "a hat on it")
        assert "a hat on it" in (await results(fake, 3))[-1].text

        fake.says(PERSON, GUILD_CHANNEL_ID, f"<@{APPLICATION_ID}> what is a fox?", guild=GUILD_ID)
        await fake.until(
            lambda scene: [
                one
                for one in scene.by_bot()
                if "fox?" in one.text and one.buttons == ["🔊 Read aloud"] and not one.attachments
            ]
        )
        typing = fake.types(PERSON, GUILD_CHANNEL_ID, "image", "model", "flux", guild=GUILD_ID)
        assert await fake.until(lambda scene: scene.interactions[typing].choices)
        assert (
            await fake.answer(
                press(fake, fox, "🔁 Again", OTHER), "Only the person who asked can use this"
            )
        ).ephemeral

    fake.advance(30 * DAY)
    async with bot(fake, place):
        press(fake, fox, "🔁 Again")
        assert len(await results(fake, 4)) == 4
        press(fake, fox, "🗑️ Delete")
        await fake.until(
            lambda scene: [
                one for one in scene.by_bot() if one.id == fox.id and RESULT not in one.buttons
            ]
        )
        yes = next(one for one in fake.scene().by_bot() if one.id == fox.id).buttons[0]
        press(fake, fox, yes)
        await fake.until(
            lambda scene: [fox] if fox.id not in [one.id for one in scene.messages] else []
        )


async def test_a_command_asks_the_api_as_seldom_as_it_can(
    fake: FakeDiscord, place: Place, sandbox: Sandbox
) -> None:
    """From a person who was heard before, and whose token is over."""
    sandbox.break_with(video=60.0, image=60.0)
    async with bot(fake, place) as api:
        await link(fake, place)
        log = CallLog(api.http)

        async def calls(command: str, part: str, last: str, **options: object) -> list[str]:
            log.clear()
            api._acts.clear()
            await fake.answer(slash(fake, command, **options), part)
            await log.until(last)
            return sorted(log.asking)

        told = "GET /users/me"
        assert await calls("balance", "You have", told) == [told, "POST /bot/act"]
        card = "PUT /generations/{id}/card"
        made = await calls("image", "a fox", card, prompt="a fox")
        assert made == ["POST /generate/image", card]
        made = await calls("video", "waves", card, prompt="waves")
        assert made == ["POST /generate/video", card]
        asked = "POST /generate/text"
        assert await calls("ask", "why?", asked, question="why?") == [asked]
        log.clear()
        api._acts.clear()
        waves = await fake.message(GUILD_CHANNEL_ID, "waves")
        fake.press(PERSON, GUILD_CHANNEL_ID, waves.id, "Cancel")
        await log.until("POST /generations/{id}/cancel")
        await fake.message(GUILD_CHANNEL_ID, "ancelled")
        assert len(log.asking) == 1
        assert log.keeping == []
