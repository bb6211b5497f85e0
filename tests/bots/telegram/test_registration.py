"""The bot's entry on Telegram, seen before anybody talks to it."""

from bots.core.commands import COMMANDS
from bots.core.language import translated
from bots.core.texts.introduction import ABOUT, ABOUT_SHORT
from client.words.language import LANGUAGES
from tests.bots.telegram.conftest import CHAT, USER, Heard, polling
from tests.fakes.telegram import FakeTelegram, Scene


def registered(scene: Scene) -> Scene | None:
    """Everything in its place: two scopes and two texts for each language."""
    return scene if len(scene.commands) == len(scene.about) == 2 * len(LANGUAGES) else None


async def test_commands_by_place_and_language(fake: FakeTelegram) -> None:
    async with polling(fake, Heard()):
        scene = await fake.until(registered)
    listed = [one for one in COMMANDS if one.listed]
    for code, language in (("", "en"), ("de", "de")):
        private, anywhere = (
            scene.commands[f"all_private_chats:{code}"],
            scene.commands[f"default:{code}"],
        )
        assert [(one["command"], one["description"]) for one in private] == [
            (one.name, one.described(language)) for one in listed
        ]
        assert [one["command"] for one in anywhere] == [
            one.name for one in listed if not one.private_only
        ]
        assert scene.about[f"description:{code}"] == translated(ABOUT, language)
        assert scene.about[f"short_description:{code}"] == translated(ABOUT_SHORT, language)
    assert {"link", "start"} & {one.name for one in listed if one.private_only}


async def test_texts_fit_into_what_telegram_shows() -> None:
    for language in LANGUAGES:
        assert len(translated(ABOUT, language)) <= 512
        assert len(translated(ABOUT_SHORT, language)) <= 120
        assert all(1 <= len(one.described(language)) <= 256 for one in COMMANDS if one.listed)


async def test_only_what_changed_is_registered_again(fake: FakeTelegram) -> None:
    async with polling(fake, Heard()):
        await fake.until(registered)
    first = len([one for one in fake.scene().calls if one.method.startswith("setMy")])
    async with polling(fake, Heard()):
        await fake.until(
            lambda scene: len(scene.calls_of("getMyShortDescription")) == 2 * len(LANGUAGES) or None
        )
    assert (
        len([one for one in fake.scene().calls if one.method.startswith("setMy")])
        == first
        == 4 * len(LANGUAGES)
    )


async def test_a_bot_that_may_not_register_works(fake: FakeTelegram) -> None:
    fake.fault("setMyCommands", "flood", retry_after=3600)
    heard = Heard()
    async with polling(fake, heard):
        fake.user_says(CHAT, USER, "hello")
        assert (await heard.next()).text == "hello"
