"""/model, /settings, and the language that is spoken."""

from typing import Any

import pytest
import pytest_asyncio

from bots.core import texts
from bots.core.language import speaking
from bots.core.types import Reply
from tests.bots.core.recording_chat import Place, pumping

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def place(joined: Place) -> Place:
    return joined


async def press(place: Place, reply: Reply, label: str, **more: Any) -> Reply:
    found = next(one for row in reply.buttons for one in row if label in one.label)
    return (await place.say(f"/{found.action} {found.value}", pressed="m1", **more))[-1]


async def preferences(place: Place) -> dict[str, object]:
    found: dict[str, object] = (await place.web.get("/users/me/preferences")).json()
    return found


async def test_a_model_is_chosen_by_buttons_or_by_name_and_used_from_then_on(place: Place) -> None:
    (overview,) = await place.say("/model")
    assert overview.text.startswith("These models work for you:\nAnswers: ")
    listed = await press(place, overview, "Images")
    other = next(one for row in listed.buttons for one in row if not one.label.startswith("✓"))
    chosen = await press(place, listed, other.label)
    assert f"Images: {other.label}" in chosen.text
    wanted = (await preferences(place))["image_model"]
    await place.say("/image a fox")
    assert (await place.web.get("/generations")).json()["items"][0]["model"] == wanted

    back = await press(place, await press(place, chosen, "Images"), texts.default_model())
    assert back.text == overview.text
    assert (await preferences(place))["image_model"] is None

    models = (await place.web.get("/models?kind=video")).json()["items"]
    (named,) = await place.say(f"/model {models[-1]['id']}")
    assert named.text == f"From now on I use {models[-1]['name']} for this (Videos)."
    assert (await preferences(place))["video_model"] == models[-1]["id"]
    (unknown,) = await place.say("/model nothing-like-it")
    assert unknown.text.startswith("I don't know the model “nothing-like-it”. There are: ")


async def test_long_lists_of_models_have_pages(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.core.commands.preferences.PAGE", 1)
    (overview,) = await place.say("/model")
    first = await press(place, overview, "Images")
    second = await press(place, first, "More")
    assert first.text != second.text
    assert (await press(place, second, "Back")).text == first.text


async def test_settings_hold_in_all_chats(place: Place) -> None:
    (page,) = await place.say("/settings")
    assert page.secret
    assert "Language: Automatic" in page.text
    asked = await press(place, page, "Ask above $0.50")
    assert "Before I spend more than $0.50: I ask" in asked.text
    assert (await place.web.get("/users/me")).json()["confirm_above_usd"] == "0.500000"
    never = await press(place, asked, "Never ask")
    assert never.text == page.text
    hidden = await press(place, never, "Hide in groups")
    assert "hidden until they are touched" in hidden.text
    assert (await preferences(place))["spoiler"] is True
    foreign = await press(place, hidden, "Show in groups", person="88")
    assert foreign.text == texts.not_yours()
    assert (await preferences(place))["spoiler"] is True


async def test_the_platforms_language_is_spoken_until_another_is_chosen(place: Place) -> None:
    with speaking("de"):
        german = texts.no_jobs()
    assert (await place.say("/jobs", language="de-AT"))[-1].text == german
    assert (await place.say("/jobs", language="fr"))[-1].text == texts.no_jobs()
    (page,) = await place.say("/settings", language="de")
    english = await press(place, page, "English", language="de")
    assert english.text.startswith("Your settings")
    assert (await place.say("/jobs", language="de"))[-1].text == texts.no_jobs()
    assert (await press(place, english, "Deutsch")).text.startswith("Deine Einstellungen")
    assert (await place.say("/jobs", language="en"))[-1].text == german
    assert (await place.say("/fly", language="en"))[-1].text.startswith("/fly kenne ich nicht.")


async def test_results_speak_the_language_that_the_chat_was_heard_in(place: Place) -> None:
    await place.say("/image a fox", language="de")
    async with pumping(place.stage, place.bot):
        await place.stage.seen("Fertig: Bild #")


async def test_a_stranger_is_answered_in_the_platforms_language(place: Place) -> None:
    (reply,) = await place.say("/balance", person="99", language="de")
    assert reply.text.startswith("Dieser Chat ist noch mit keinem Konto verbunden.")


async def of_two_kinds(place: Place) -> tuple[str, str]:
    """Id and name of a model that answers and draws."""
    listed = [
        {
            one["id"]: one["name"]
            for one in (await place.web.get(f"/models?kind={kind}")).json()["items"]
        }
        for kind in ("text", "image")
    ]
    return next((model_id, name) for model_id, name in listed[0].items() if model_id in listed[1])


async def test_a_model_of_two_kinds_is_chosen_for_the_one_that_is_meant(place: Place) -> None:
    model_id, name = await of_two_kinds(place)
    for words in (model_id, name):
        (which,) = await place.say(f"/model {words}")
        assert [one.label for row in which.buttons for one in row] == [
            f"Answers: {name}",
            f"Images: {name}",
        ]
    chosen = await press(place, which, "Images: ")
    assert f"Images: {name}" in chosen.text
    assert [(await preferences(place))[f"{kind}_model"] for kind in ("text", "image")] == [
        None,
        model_id,
    ]
    (said,) = await place.say(f"/model text {model_id}")
    assert said.text.endswith("(Answers).")
    assert (await preferences(place))["text_model"] == model_id


async def test_of_several_models_one_that_only_answers_is_asked(place: Place) -> None:
    model_id, _name = await of_two_kinds(place)
    assert "gpt" in model_id
    *_, reply = await place.say("/ask --model gpt who are you?")
    assert "who are you?" in reply.text
    model = await place.api.services.db.fetch_one(
        "SELECT model FROM messages WHERE role = 'assistant' ORDER BY id DESC LIMIT 1"
    )
    assert model == {"model": "openai/gpt-5-mini"}
