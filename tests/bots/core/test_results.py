"""The buttons of results and cards: they need nothing but their id, and only their owner."""

from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from bots.core import texts
from bots.core.commands.results import LARGER
from bots.core.types import Button, QuotedMessage, Reply
from tests.bots.core.recording_chat import LIMITS, Place, attachment, pumping
from tests.bots.core.samples import told
from tests.bots.core.test_image_video import hold_videos, png
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def place(joined: Place) -> Place:
    return joined


def button(reply: Reply, action: str) -> Button:
    return next(one for row in reply.buttons for one in row if one.action == action)


async def press(
    place: Place, reply: Reply, action: str, *, message: str = "m1", **more: Any
) -> list[Reply]:
    pressed = button(reply, action)
    return await place.say(f"/{pressed.action} {pressed.value}", pressed=message, **more)


async def result(place: Place, line: str = "/image a fox in snow") -> Reply:
    """The result that is pushed for it."""
    prompt = line.partition(" ")[2].partition(" --")[0]
    await place.say(line)
    before = len(place.stage.acts)
    async with pumping(place.stage, place.bot):
        await place.stage.until(
            lambda: any(
                act.reply.text.startswith(f"{prompt}\n") for act in place.stage.acts[before:]
            )
        )
    return next(
        act.reply for act in place.stage.acts[before:] if act.reply.text.startswith(f"{prompt}\n")
    )


async def gallery(place: Place) -> list[dict[str, object]]:
    items: list[dict[str, object]] = (await place.web.get("/generations")).json()["items"]
    return items


async def test_a_result_can_be_made_again_varied_kept_and_deleted(place: Place) -> None:
    shown = await result(place)
    assert [one.action for row in shown.buttons for one in row] == [
        "again",
        "vary",
        "edit",
        "animate",
        "original",
        "other",
        "larger",
        "favourite",
        "delete",
    ]

    again = (await press(place, shown, "again"))[0]
    assert again.card is not None
    assert again.fresh
    assert (await press(place, shown, "again"))[-1].text == texts.pressed_twice()
    varied = (await press(place, shown, "vary"))[0]
    assert varied.card not in (None, again.card)
    first, second, third = (await gallery(place))[::-1]
    assert (first["prompt"], first["parent_id"]) == ("a fox in snow", None)
    assert second["parent_id"] == third["parent_id"] == first["id"]
    assert second["options"] != third["options"]

    (kept,) = await press(place, shown, "favourite")
    assert kept.text == f"⭐ #{first['short_id']} is one of your favourites now."
    assert kept.secret
    assert (await press(place, shown, "favourite"))[0].text.endswith(
        "is no favourite of yours any more."
    )

    (original,) = await press(place, shown, "original")
    assert [file.kind for file in original.files] == ["document"]
    assert original.files[0].data == shown.files[0].data

    (question,) = await press(place, shown, "delete", message="m7")
    assert question.text.endswith(texts.delete_what())
    assert place.stage.acts[-1].edited == "m7"
    (back,) = await press(place, question, "keep", message="m7")
    assert back.buttons == shown.buttons
    gone, said = await press(place, question, "delete_yes", message="m7")
    assert gone.gone
    assert place.stage.acts[-2].edited == "m7"
    assert said.text == texts.deleted()
    assert len(await gallery(place)) == 2
    for action in ("again", "original", "favourite", "delete"):
        assert (await press(place, shown, action, message="m8"))[-1].text == told(
            "not_found", "generation_unknown"
        )


async def test_a_result_belongs_to_its_owner_and_moderators_can_only_take_it_out_of_the_chat(
    place: Place,
) -> None:
    shown = await result(place)
    async with await place.api.user("eve") as eve:
        place.web, ana = eve, place.web
        await place.link(person="88", chat="88")
        place.web = ana
    there: dict[str, Any] = {"person": "88", "chat": "-5", "private": False}
    for action in ("again", "vary", "edit", "animate", "original", "favourite", "delete"):
        (reply,) = await press(place, shown, action, message=f"m-{action}", **there)
        assert reply.text == texts.not_yours(), action
        assert reply.secret
        assert reply.fresh
    assert len(await gallery(place)) == 1

    async def yes() -> bool:
        return True

    (removed,) = await press(place, shown, "delete", moderates=yes, **there)
    assert removed.gone
    (stays,) = await press(place, shown, "delete", moderates=_no, **there)
    assert stays.text == texts.not_yours()
    assert len(await gallery(place)) == 1


async def _no() -> bool:
    return False


async def test_a_picture_is_edited_by_its_button_by_answering_it_and_by_sending_one(
    place: Place,
) -> None:
    shown = await result(place)
    (asked,) = await press(place, shown, "edit")
    assert asked.ask is not None
    assert (asked.ask.action, asked.text) == ("edit", "What should be different?")
    ways = [
        place.inbound(f"/edit {asked.ask.value} make it night"),
        place.inbound("/edit make it night", quoted=QuotedMessage("m1", shown.text, mine=True)),
        place.inbound(
            "/ask make it night", quoted=QuotedMessage("m1", shown.text, mine=True), plain=True
        ),
        place.inbound("/edit make it night", attachments=(attachment(png()),)),
        place.inbound(
            "/image make it night",
            quoted=QuotedMessage("m2", "look", attachments=(attachment(png()),)),
        ),
    ]
    for inbound in ways:
        (card, *_) = await place.answer(inbound)
        assert card.card is not None, (inbound, card.text)
    made = await gallery(place)
    assert [(one["prompt"], one["mode"]) for one in made[:5]] == [
        ("make it night", "image_to_image")
    ] * 5
    for line in ("/edit make it night", "/animate"):
        (which,) = await place.say(line)
        assert which.text.startswith("Which picture?")


async def test_a_picture_becomes_a_video(place: Place, sandbox: Sandbox) -> None:
    hold_videos(sandbox)
    shown = await result(place)
    (asked,) = await press(place, shown, "animate")
    assert asked.ask is not None
    assert asked.ask.default == "a fox in snow"
    short = shown.text.rpartition("#")[2].split()[0]
    for line in (
        f"/animate {asked.ask.value} it runs away",
        f"/animate {asked.ask.value} -",
        f"/animate #{short} --duration 6",
    ):
        (card,) = await place.say(line)
        assert card.card is not None, card.text
    made = await gallery(place)
    assert [(one["mode"], one["prompt"]) for one in made[:3]] == [
        ("image_to_video", "a fox in snow"),
        ("image_to_video", "a fox in snow"),
        ("image_to_video", "it runs away"),
    ]


async def test_a_price_above_the_limit_is_asked_for_and_paid_once(
    place: Place, sandbox: Sandbox
) -> None:
    hold_videos(sandbox)
    await place.web.put("/users/me", json={"confirm_above_usd": 0.01})
    (question,) = await place.say("/video waves at night", chat="-5", private=False)
    assert question.text.startswith("This can cost up to $")
    yes, no = question.buttons[0]
    assert yes.label.startswith("Yes, for $")
    assert (await place.say(f"/{no.action} {no.value}", pressed="m1", person="88"))[
        -1
    ].text == texts.not_yours()
    assert await gallery(place) == []
    cards = [
        (await place.say(f"/{yes.action} {yes.value}", pressed="m1", chat="-5", private=False))[
            0
        ].card
        for _ in range(2)
    ]
    assert cards == [str((await gallery(place))[0]["id"])] * 2
    assert len(await gallery(place)) == 1
    (other,) = await place.say("/video waves by day")
    (declined,) = await place.say(f"/{no.action} {no.value}", pressed="m2")
    assert declined.text == texts.declined()
    assert other.buttons
    assert len(await gallery(place)) == 1


async def test_a_card_tells_how_things_stand_and_jobs_can_be_stopped_from_the_list(
    place: Place, sandbox: Sandbox
) -> None:
    hold_videos(sandbox)
    (card,) = await place.say("/video waves")
    (refreshed,) = await press(place, card, "refresh")
    assert refreshed.card == card.card
    assert place.stage.acts[-1].edited == "m1"
    (listed,) = await place.say("/jobs")
    (stopped,) = await press(place, listed, "cancel")
    assert stopped.text.startswith("Cancelled: video #")
    (closed,) = await press(place, card, "refresh")
    assert closed.text.startswith("Cancelled: video #")
    assert closed.buttons == ()


async def test_the_gallery_shows_the_last_results_again(place: Place) -> None:
    assert (await place.say("/gallery"))[-1].text == texts.no_gallery()
    shown = await result(place)
    (listed,) = await place.say("/gallery")
    assert "https://studio.example.org/gallery" in listed.text
    (again,) = await press(place, listed, "show")
    assert again.buttons == shown.buttons
    assert again.files[0].data == shown.files[0].data
    assert (await place.say("/again --ar 1:1"))[0].card is not None
    assert (await gallery(place))[0]["options"]["aspect_ratio"] == "1:1"  # type: ignore[index]


async def test_a_button_of_another_time_is_answered_too(place: Place) -> None:
    (reply,) = await place.say("/reticulate 7", pressed="m1", chat="-5", private=False)
    assert reply.text == texts.button_gone()
    assert reply.secret


async def test_what_is_asked_for_exists_on_the_platform(place: Place) -> None:
    said = {}
    for way in ("caption", "option", "path"):
        place.stage.limits = replace(LIMITS, picture=way)
        said[way] = "\n".join(
            [
                (await place.say(line))[-1].text
                for line in ("/edit make it night", "/animate", "/help")
            ]
        )
    assert "as its caption" in said["caption"]
    for way in ("option", "path"):
        assert "caption" not in said[way]
    assert "option image" in said["option"]
    assert "aspect_ratio" in said["option"]
    assert "--ar 16:9, --n 2" not in said["option"]
    assert "@fox.png" in said["path"]


async def test_each_picture_of_a_set_has_its_buttons(place: Place) -> None:
    shown = await result(place, "/image a fox in snow --n 2 --model seedream")
    labels = [[one.label for one in row] for row in shown.buttons]
    assert labels[:2] == [["U1", "U2"], ["V1", "V2"]]
    second = shown.buttons[0][1]
    (card,) = await place.say(f"/{second.action} {second.value}", pressed="m1")
    assert card.card is not None
    larger = (await gallery(place))[0]
    assert larger["prompt"] == f"a fox in snow\n\n{LARGER}"
    assert larger["options"]["image_size"] == "2K"  # type: ignore[index]
    varied = shown.buttons[1][0]
    (card,) = await place.say(f"/{varied.action} {varied.value}", pressed="m1")
    assert card.card is not None


async def test_any_result_is_made_with_another_model(place: Place) -> None:
    shown = await result(place)
    (chooser,) = await press(place, shown, "other")
    assert chooser.fresh
    (card,) = await press(place, chooser, "with")
    assert card.card is not None
    first, second = (await gallery(place))[::-1]
    assert (second["prompt"], second["model"] != first["model"]) == (first["prompt"], True)
