"""/image, /video, /jobs, /cancel and what is pushed later, from words to files."""

import io

import pytest
import pytest_asyncio
from PIL import Image

from bots.core import texts
from bots.core.types import Attachment, QuotedMessage, Reply
from client import calls
from sandbox.faults import Fault
from tests.api.media.samples import case
from tests.bots.core.recording_chat import PATIENCE, Place, attachment, pumping
from tests.bots.core.samples import told
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def place(joined: Place) -> Place:
    return joined


def png(size: tuple[int, int] = (64, 64)) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, "teal").save(data, "PNG")
    return data.getvalue()


def hold_videos(sandbox: Sandbox) -> None:
    sandbox.break_with(video=PATIENCE * 10)


async def test_an_image_is_accepted_pushed_and_its_card_closed(place: Place) -> None:
    (card,) = await place.say("/image a fox in snow --ar 16:9")
    asked = place.stage.acts[-1]
    made = (await place.web.get("/generations")).json()["items"][0]
    assert card.card == made["id"]
    assert card.text.startswith("Making your image: “a fox in snow”")
    assert made["short_id"] in card.text
    assert "about $" in card.text
    assert made["options"]["aspect_ratio"] == "16:9"
    assert [button.action for button in card.buttons[0]] == ["refresh", "cancel"]

    async with pumping(place.stage, place.bot):
        pushed = await place.stage.seen("a fox in snow\n")
        closed = await place.stage.seen(f"Done: image #{made['short_id']}")
    assert pushed.to.message_id == asked.to.message_id
    assert pushed.reply.text.splitlines()[0] == "a fox in snow"
    (file,) = pushed.reply.files
    assert (file.kind, file.content_type[:6]) == ("photo", "image/")
    assert Image.open(io.BytesIO(file.data)).size == (file.width, file.height)
    assert 0 < len(pushed.reply.nonce or "") <= 25
    assert closed.edited == asked.shown.message_ids[0]
    assert closed.reply.buttons == ()
    assert await place.bot.send(calls.claim(0, 10)) == []


async def test_several_images_come_as_one_message(place: Place) -> None:
    await place.say("/image a fox --n 2")
    async with pumping(place.stage, place.bot):
        pushed = await place.stage.seen("a fox\n")
    assert [file.kind for file in pushed.reply.files] == ["photo", "photo"]
    assert len({file.name for file in pushed.reply.files}) == 2


async def test_a_video_comes_as_a_video(place: Place) -> None:
    (card,) = await place.say("/video waves at night")
    assert card.text.startswith("Making your video: “waves at night”")
    async with pumping(place.stage, place.bot):
        pushed = await place.stage.seen("waves at night\n")
    (file,) = pushed.reply.files
    assert (file.kind, file.content_type) == ("video", "video/mp4")
    assert file.data[4:8] == b"ftyp"
    assert file.duration
    assert file.width


async def test_an_attached_image_starts_a_video(place: Place) -> None:
    await place.say("/video make it wave", attachments=(attachment(png((640, 360))),))
    made = (await place.web.get("/generations")).json()["items"][0]
    assert made["mode"] == "image_to_video"


async def test_an_attached_image_guides_an_image(place: Place) -> None:
    await place.say("/image as a painting", attachments=(attachment(png()),))
    made = (await place.web.get("/generations")).json()["items"][0]
    assert made["mode"] == "image_to_image"


@pytest.mark.parametrize(
    ("file", "declared"),
    [
        ("telegram-octet-stream-image/ok.png", "application/octet-stream"),
        ("telegram-octet-stream-image/ok.png", "IMAGE/PNG"),
        ("telegram-octet-stream-image/ok.png", ""),
        ("telegram-octet-stream-image/ok.png", "text/plain"),
        ("telegram-octet-stream-image/ok.png", "video/mp4"),
        ("other-formats/ok.heic", "application/octet-stream"),
        ("other-formats/ok.heic", "image/heic"),
        ("other-formats/ok.avif", "image/avif"),
        ("jpeg-mpf/mpo.jpg", "image/mpo"),
    ],
)
async def test_a_picture_is_one_whatever_it_is_declared_to_be(
    place: Place, file: str, declared: str
) -> None:
    sent = attachment(case(file), declared, file.partition("/")[2])
    await place.say("/image as a painting", attachments=(sent,))
    await place.say("/image as a drawing", quoted=QuotedMessage("m2", "look", attachments=(sent,)))
    made = (await place.web.get("/generations")).json()["items"]
    assert [one["mode"] for one in made] == ["image_to_image"] * 2


async def test_what_is_no_picture_is_left_out_of_an_answered_message(place: Place) -> None:
    voice, notes = (
        attachment(b"OggS", "audio/ogg", "voice.ogg"),
        attachment(b"%PDF", "application/octet-stream", "notes.pdf"),
    )
    await place.say(
        "/image a fox",
        quoted=QuotedMessage("m2", "look", attachments=(voice, attachment(png()), notes)),
    )
    await place.say("/image a fox", quoted=QuotedMessage("m2", "look", attachments=(voice, notes)))
    made = (await place.web.get("/generations")).json()["items"]
    assert sorted(one["mode"] for one in made) == ["image_to_image", "text_to_image"]


async def test_what_is_surely_no_picture_is_not_even_fetched(place: Place) -> None:
    async def never() -> bytes:
        raise AssertionError

    for name, declared in (("film.mp4", "video/mp4"), ("voice.ogg", "AUDIO/ogg")):
        (reply,) = await place.say(
            "/video waves", attachments=(Attachment(name, declared, 19_000_000, never),)
        )
        assert reply.text == texts.no_image_attached()


MISTAKES = [
    ("/image", texts.image_what()),
    ("/image --ar 16:9", texts.image_what()),
    ("/video  ", texts.video_what()),
    ("/image a fox --arr 1:1", "I don't know the option --arr. Did you mean --ar?"),
    ("/image a fox --model nothing-like-it", "I don't know the model “nothing-like-it”."),
    ("/video waves --duration 100", "Google: Veo 3.1 Lite does not take --duration like that."),
    ("/image " + "x" * 20_000, "That is 20,000 characters; a prompt may have 10,000."),
]


async def test_a_mistake_is_told_and_makes_nothing(place: Place) -> None:
    for line, sentence in MISTAKES:
        (reply,) = await place.say(line)
        assert reply.text.startswith(sentence), line
    assert (await place.web.get("/generations")).json()["items"] == []


async def test_an_attachment_that_is_no_image_is_refused(place: Place) -> None:
    (reply,) = await place.say("/video waves", attachments=(attachment(b"not a picture"),))
    assert reply.text == told("unsupported_media", "image_unreadable")
    (reply,) = await place.say(
        "/video waves", attachments=(attachment(b"%PDF", "application/pdf"),)
    )
    assert reply.text == texts.no_image_attached()


async def test_the_same_update_twice_is_one_job(place: Place) -> None:
    inbound_id = place.updates
    first = (await place.say("/image a fox"))[0]
    place.updates = inbound_id
    second = (await place.say("/image a fox"))[0]
    assert first.card == second.card
    assert first.nonce == second.nonce


async def test_over_budget_names_the_price_and_what_is_left(place: Place) -> None:
    await place.api.services.db.execute("UPDATE users SET monthly_micro = 1000")
    (reply,) = await place.say("/video waves at night")
    assert reply.text.startswith("This would cost about $")
    assert reply.text.endswith("you have $0.001 left this month.")


async def test_a_failure_is_pushed_with_its_reason(place: Place, sandbox: Sandbox) -> None:
    sandbox.break_with(Fault(call="*", kind="status", status=403))
    await place.say("/image something forbidden")
    async with pumping(place.stage, place.bot):
        told = await place.stage.seen(
            "could not be made. The model refused this request because of its content."
        )
        await place.stage.until(lambda: place.stage.last.gone)
    assert told.reply.text.endswith("Nothing was charged.")
    assert {act.edited for act in place.stage.acts if act.reply.gone} == {
        place.stage.acts[0].shown.message_ids[-1]
    }
    assert (
        sum(
            "ailed" in act.reply.text or "could not" in act.reply.text
            for act in place.stage.acts
            if not act.reply.gone
        )
        == 1
    )


async def test_a_result_says_that_a_picture_is_missing(place: Place, sandbox: Sandbox) -> None:
    body = case("partial-images/partial_filtered.images.json").decode()
    sandbox.break_with(Fault(call="images", kind="instead", status=200, value=body))
    await place.say("/image two foxes --n 2 --model seedream")
    async with pumping(place.stage, place.bot):
        told = await place.stage.seen("1 of the pictures could not be made.")
    assert len(told.reply.files) == 1
    assert "$0.04" in told.reply.text


async def test_quality_and_what_to_avoid_reach_the_model(place: Place, sandbox: Sandbox) -> None:
    await place.say('/image a fox --model gpt-image-2 --quality high --no "dogs, text"')
    async with pumping(place.stage, place.bot):
        await place.stage.seen("a fox\n")
    made = (await place.web.get("/generations")).json()["items"][0]
    assert (made["options"]["quality"], made["options"]["negative_prompt"]) == (
        "high",
        "dogs, text",
    )
    (call,) = [one for one in sandbox.calls() if one["method"] == "POST"]
    assert call["body"]["quality"] == "high"
    assert call["body"]["prompt"] == "a fox\n\nDo not show any of this: dogs, text"
    assert made["prompt"] == "a fox"
    (card, *_) = await place.say("/image a fox --res 2K --model klein")
    assert card.card is not None
    assert (await place.web.get("/generations")).json()["items"][0]["options"]["image_size"] == "2K"
    assert (await place.say("/image a fox --quality high --model klein"))[-1].text == (
        "Black Forest Labs: FLUX.2 Klein 4B does not take the option --quality."
    )


async def test_the_cancel_button_ends_the_job_and_closes_the_card(
    place: Place, sandbox: Sandbox
) -> None:
    hold_videos(sandbox)
    (card,) = await place.say("/video waves")
    button = card.buttons[0][-1]
    message = place.stage.acts[-1].shown.message_ids[0]
    (reply,) = await place.say(f"/{button.action} {button.value}", pressed=message)
    assert reply.text.startswith("Cancelled: video")
    assert place.stage.acts[-1].edited == message
    assert (await place.web.get("/generations")).json()["items"][0]["status"] == "cancelled"


async def test_nobody_else_can_press_cancel(place: Place, sandbox: Sandbox) -> None:
    hold_videos(sandbox)
    (card,) = await place.say("/video waves", chat="-5", private=False)
    button = card.buttons[0][-1]
    (reply,) = await place.say(
        f"/{button.action} {button.value}", person="88", chat="-5", private=False, pressed="m1"
    )
    assert reply.text == texts.not_yours()
    assert reply.secret
    assert place.stage.acts[-1].edited is None
    assert (await place.web.get("/generations")).json()["items"][0]["status"] in (
        "queued",
        "processing",
    )


async def test_cancel_alone_ends_the_newest_running_job(place: Place, sandbox: Sandbox) -> None:
    hold_videos(sandbox)
    await place.say("/video one")
    await place.say("/video two")
    await place.say("/cancel")
    states = {
        one["prompt"]: one["status"]
        for one in (await place.web.get("/generations")).json()["items"]
    }
    assert states["two"] == "cancelled"
    assert states["one"] != "cancelled"
    await place.say("/stop")
    assert (await place.say("/cancel"))[-1].text == texts.nothing_runs()


async def test_cancel_of_what_is_not_there(place: Place) -> None:
    for wanted in ("abcdefg", "../users/me", "a b", "é"):
        (reply,) = await place.say(f"/cancel {wanted}")
        assert reply.text in {told("not_found", "generation_unknown"), texts.ERRORS["not_found"]}


async def test_a_card_that_outlived_its_job_is_closed_when_its_button_is_pressed(
    place: Place,
) -> None:
    (card,) = await place.say("/image a fox")
    async with pumping(place.stage, place.bot):
        await place.stage.seen("Done: image")
    button = card.buttons[0][-1]
    (reply,) = await place.say(f"/{button.action} {button.value}", pressed="m9")
    assert reply.text.startswith("Done: image")
    again = (await place.say(f"/cancel {button.value}"))[-1].text
    assert again.endswith("is finished already.")


async def test_jobs_lists_the_last_ones(place: Place) -> None:
    assert (await place.say("/jobs"))[-1].text == texts.no_jobs()
    (card,) = await place.say("/image a fox")
    (listed,) = await place.say("/jobs")
    assert isinstance(listed, Reply)
    assert "· image ·" in listed.text
    assert "a fox" in listed.text
    assert card.card
