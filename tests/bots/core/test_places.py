"""A group with settings of its own: /studio for its admins, and its rules for everybody."""

from typing import Any

import pytest

from bots.core import texts
from bots.core.types import Place, Reply
from tests.bots.core.recording_chat import Place as Chat
from tests.bots.core.recording_chat import pumping

pytestmark = pytest.mark.asyncio(loop_scope="module")
GROUP = "-500"
ROLES = (("1", "everyone"), ("2", "Artists"))


def group(admin: bool = False, channel: str = "general", roles: Any = ROLES[:1]) -> Place:
    async def administers() -> bool:
        return admin

    name = "art" if channel == "5" else "general"
    return Place(GROUP, "Foxes", (channel,), administers, name, roles, lambda: ROLES)


async def say(chat: Chat, line: str, place: Place, **more: Any) -> list[Reply]:
    settings = {"chat": GROUP, "private": False, "place": place, **more}
    return await chat.say(line, **settings)


async def press(chat: Chat, page: Reply, label: str, place: Place) -> list[Reply]:
    button = next(one for row in page.buttons for one in row if one.label.endswith(label))
    return await say(chat, f"/{button.action} {button.value}", place, pressed="m1")


async def write(chat: Chat, page: Reply, label: str, words: str, place: Place) -> Reply:
    (asked,) = await press(chat, page, label, place)
    assert asked.ask is not None
    return (await say(chat, f"/{asked.ask.action} {asked.ask.value} {words}", place))[-1]


@pytest.fixture
async def studio(joined: Chat) -> Chat:
    await joined.api.services.db.execute("DELETE FROM places")
    await joined.api.services.db.execute("DELETE FROM place_chats")
    return joined


async def test_only_those_whom_the_platform_calls_admins_set_it_up(studio: Chat) -> None:
    (refused,) = await say(studio, "/studio", group())
    assert refused.text == texts.studio_admins_only()
    (alone,) = await studio.say("/studio")
    assert alone.text == texts.studio_in_group()
    (page,) = await say(studio, "/studio", group(admin=True))
    assert page.secret
    assert page.text.startswith("How I work in Foxes")
    (refused,) = await press(studio, page, "Hide results", group())
    assert refused.text == texts.studio_admins_only()
    (refused,) = await press(studio, page, "Budget …", group())
    assert refused.text == texts.studio_admins_only()
    (refused,) = await say(studio, "/studio_write budget 100", group())
    assert refused.text == texts.studio_admins_only()
    (same,) = await say(studio, "/studio", group(admin=True))
    assert same.text == page.text


async def test_all_settings_are_made_by_buttons_and_forms(studio: Chat) -> None:
    admin = group(admin=True, channel="5")
    (page,) = await say(studio, "/studio", admin)
    for label, says in (
        ("Hide results", "Results: hidden until they are touched"),
        ("Only here", "Only in: art"),
        ("Videos", "Switched off: Videos"),
        ("People with an account", "For: People with an account"),
        ("Deutsch", "Sprache: Deutsch"),
        ("Jedem die eigene", "Language: Each their own"),
    ):
        (page,) = await press(studio, page, label, admin)
        assert says in page.text, label
    for label, words, says in (
        ("Budget …", "20 1,50", "Spent this month: $0.00 of $20.00"),
        ("Blocked words …", "gore, blood", "Safe mode: 2 blocked words"),
        ("Quiet hours …", "22:00-07:00 Europe/Berlin", "Quiet: 22:00-07:00 Europe/Berlin"),
        ("Roles …", "artists", "Roles: Artists"),
        ("Budget …", "- -", "Spent this month: $0.00, no limit"),
    ):
        page = await write(studio, page, label, words, admin)
        assert says in page.text, page.text
    assert "gore" not in page.text
    for label, words in (("Budget …", "much"), ("Quiet hours …", "late"), ("Quiet hours …", "1 2")):
        refused = await write(studio, page, label, words, admin)
        assert refused.text.startswith("I did not understand that. What I need:")
    refused = await write(studio, page, "Roles …", "Kings", admin)
    assert refused.text == texts.studio_no_role("Kings")
    (refused,) = await press(studio, page, "Everybody", admin)
    assert "Only an admin of the server can let guests in here" in refused.text
    (refused,) = await say(studio, "/studio_set nothing:1", admin)
    assert refused.text == texts.setting_gone()


async def test_it_works_in_its_channels_and_for_its_roles_only(studio: Chat) -> None:
    admin = group(admin=True, channel="5")
    (page,) = await say(studio, "/studio", admin)
    (page,) = await press(studio, page, "Only here", admin)
    await write(studio, page, "Roles …", "Artists", admin)
    said = [await say(studio, "/ask why?", group(roles=ROLES)) for _ in range(2)]
    assert [[one.text for one in each] for each in said] == [[texts.other_channels(["art"])], []]
    (refused,) = await say(studio, "/ask why?", group(channel="5"), person="78")
    assert refused.text == texts.other_roles(["Artists"])
    assert (await say(studio, "/help", group()))[-1].text != refused.text
    *_, answered = await say(studio, "/ask why?", group(channel="5", roles=ROLES))
    assert "why?" in answered.text
    (page,) = await say(studio, "/studio", group(admin=True))
    assert "Only in: art" in page.text


async def test_results_of_a_place_are_hidden_quiet_and_in_its_language(studio: Chat) -> None:
    admin = group(admin=True)
    (page,) = await say(studio, "/studio", admin)
    (page,) = await press(studio, page, "Hide results", admin)
    (page,) = await press(studio, page, "Deutsch", admin)
    await write(studio, page, "Ruhezeiten …", "00:00-23:59 UTC", admin)
    async with pumping(studio.stage, studio.bot):
        (card,) = await say(studio, "/image a fox", group(roles=ROLES))
        assert card.card is not None
        await studio.stage.until(lambda: any(act.reply.files for act in studio.stage.acts))
    shown = next(act.reply for act in studio.stage.acts if act.reply.files)
    assert (shown.quiet, shown.files[0].spoiler) == (True, True)
    assert "Noch einmal" in str(shown.buttons)


async def test_a_limit_says_in_one_sentence_whose_it_is(studio: Chat) -> None:
    admin = group(admin=True)
    (page,) = await say(studio, "/studio", admin)
    await write(studio, page, "Budget …", "- 0", admin)
    *_, refused = await say(studio, "/ask why?", group())
    assert "what each person may spend in this chat today has $0.00 of $0.00 left" in refused.text
