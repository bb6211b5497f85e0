"""The whole bot in this process: Telegram's fake on one side, the real api with the sandbox on the
other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from bots.settings import BotSettings
from bots.telegram.__main__ import run
from tests.api.media.samples import case
from tests.bots.core.recording_chat import Place
from tests.bots.telegram.conftest import CHAT
from tests.fakes.telegram import FakeTelegram, Scene, SeenMessage
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")
PERSON = CHAT
GROUP = -100200300
"""In a private chat, the chat has the person's id."""


@asynccontextmanager
async def bot(fake: FakeTelegram, place: Place) -> AsyncIterator[None]:
    settings = BotSettings(
        _env_file=None,
        telegram_bot_token=SecretStr(fake.token),
        telegram_api_url=fake.api_url,
        data_dir=place.api.data_dir,
    )
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, place.bot, stop))
    try:
        await fake.polling()
        yield
    finally:
        stop.set()
        await asyncio.wait_for(running, 10)


async def link(fake: FakeTelegram, place: Place) -> None:
    """By the deep link, as the web shows it."""
    code = (await place.web.post("/links/codes", json={"platform": "telegram"})).json()
    async with asyncio.timeout(20):
        while code["deep_link"] is None:  # the bot has not said its name yet
            code = (await place.web.post("/links/codes", json={"platform": "telegram"})).json()
    assert code["deep_link"] == f"https://t.me/fake_bot?start={code['code']}"
    fake.user_says(CHAT, PERSON, f"/start {code['code']}")
    asked = await fake.until(
        lambda scene: next((one for one in scene.by_bot(CHAT) if "Yes" in one.buttons), None)
    )
    fake.press(CHAT, asked.message_id, "Yes", PERSON)
    await fake.until(
        lambda scene: next(
            (
                one
                for one in scene.by_bot(CHAT)
                if one.message_id == asked.message_id and one.history
            ),
            None,
        )
    )
    confirmed = await place.web.post(f"/links/codes/{code['id']}/confirm")
    assert confirmed.is_success, confirmed.text
    await fake.message(CHAT, "now linked")


async def test_link_then_ask_then_images_then_a_video_from_a_photo(
    fake: FakeTelegram, place: Place
) -> None:
    async with bot(fake, place):
        fake.user_says(CHAT, PERSON, "/image a fox")
        await fake.message(CHAT, "not linked")
        await link(fake, place)

        asked = fake.user_says(CHAT, PERSON, "what is a fox?")
        answered = await fake.until(
            lambda scene: next((one for one in scene.by_bot(CHAT) if one.reply_to == asked), None)
        )
        assert answered.kind == "text"

        asked = fake.user_says(CHAT, PERSON, "/image a fox in snow --n 2")
        album = await fake.until(
            lambda scene: [one for one in scene.by_bot(CHAT) if one.album] or None
        )
        assert [one.reply_to for one in album] == [asked, asked]
        below = await fake.message(CHAT, "a fox in snow")
        assert "🔁 Again" in below.buttons
        photo = album[0].file
        assert photo is not None

        asked = fake.user_says(CHAT, PERSON, "/video it runs", photo=fake.content(photo))
        card = await fake.until(
            lambda scene: next((one for one in scene.by_bot(CHAT) if one.reply_to == asked), None)
        )
        film = await fake.message(CHAT, kind="video", seconds=30)
        assert (film.reply_to, film.streaming, film.file is not None) == (asked, True, True)
        closed = await fake.until(
            lambda scene: next(
                (
                    one
                    for one in scene.by_bot(CHAT)
                    if one.message_id == card.message_id and not one.buttons
                ),
                None,
            )
        )
        assert "Cancel" not in closed.buttons
        assert min(film.width, film.height, film.duration) > 0


@pytest.mark.parametrize("declared", ["application/octet-stream", "", "IMAGE/PNG"])
async def test_a_picture_sent_as_a_file_is_a_picture(
    fake: FakeTelegram, place: Place, sandbox: Sandbox, declared: str
) -> None:
    async with bot(fake, place):
        await link(fake, place)
        asked = fake.user_says(
            CHAT,
            PERSON,
            "what is this?",
            document=("shot.png", declared, case("telegram-octet-stream-image/ok.png")),
        )
        answered = await fake.until(
            lambda scene: next((one for one in scene.by_bot(CHAT) if one.reply_to == asked), None)
        )
        assert "I was given 1 picture with it" in answered.text
        fake.user_says(
            CHAT,
            PERSON,
            "/video it moves",
            document=("IMG_1.HEIC", declared, case("other-formats/ok.heic")),
        )
        await fake.message(CHAT, kind="video", seconds=30)


async def test_a_file_and_then_what_is_in_it(fake: FakeTelegram, place: Place) -> None:
    async with bot(fake, place):
        await link(fake, place)
        report = ("report.pdf", "application/pdf", case("documents/report.pdf"))
        fake.user_says(CHAT, PERSON, "how many ships?", document=report)
        answered = await fake.message(CHAT, "which begins with “Harbour report")
        assert "of 3 pages" in answered.text
        fake.user_says(CHAT, PERSON, "and the crane?")
        await fake.message(CHAT, "I still have the file “report.pdf”")

        notes = ("a.csv", "text/comma-separated-values", b"name;sum\nAna;12\n")
        sent = fake.user_says(GROUP, PERSON, "our sums", document=notes, private=False)
        fake.user_says(GROUP, PERSON, "/ask what is in this?", reply_to=sent, private=False)
        await fake.message(GROUP, "“a.csv”, which begins with “name;sum Ana;12”")

        fake.user_says(CHAT, PERSON, "/ask --web --think low what is new?")
        await fake.message(CHAT, "news.example.com")


async def test_cancel_button_edits_the_card(
    fake: FakeTelegram, place: Place, sandbox: Sandbox
) -> None:
    async with bot(fake, place):
        await link(fake, place)
        sandbox.break_with(video=60.0)
        fake.user_says(CHAT, PERSON, "/video waves")
        card = await fake.until(
            lambda scene: next((one for one in scene.by_bot(CHAT) if "Cancel" in one.buttons), None)
        )
        fake.press(CHAT, card.message_id, "Cancel", PERSON)
        closed = await fake.until(
            lambda scene: next(
                (
                    one
                    for one in scene.by_bot(CHAT)
                    if one.message_id == card.message_id and not one.buttons
                ),
                None,
            )
        )
        assert "ancelled" in closed.text
        await fake.until(
            lambda scene: all(one.answered is not None for one in scene.presses.values()) or None
        )


async def test_an_answer_grows_as_a_draft_and_stops_at_a_touch(
    fake: FakeTelegram, place: Place, sandbox: Sandbox
) -> None:
    async with bot(fake, place):
        await link(fake, place)
        sandbox.break_with(token=0.3)
        asked = fake.user_says(CHAT, PERSON, "tell me about foxes")
        await fake.until(
            lambda scene: [one for one in scene.drafts if one.can_stop and one.text] or None
        )
        fake.stop_draft(CHAT)
        stopped = await fake.until(
            lambda scene: next((one for one in scene.by_bot(CHAT) if one.reply_to == asked), None)
        )
        assert not stopped.buttons
        assert "topped" in stopped.text
        assert fake.scene().calls_of("editMessageText")[-1].params["message_id"] != str(
            stopped.message_id
        )


async def test_buttons_of_a_result_work_after_a_restart(fake: FakeTelegram, place: Place) -> None:
    def labelled(scene: Scene, label: str) -> SeenMessage | None:
        return next((one for one in reversed(scene.by_bot(CHAT)) if label in one.buttons), None)

    async with bot(fake, place):
        await link(fake, place)
        fake.user_says(CHAT, PERSON, "/image a fox in snow --n 2")
        result = await fake.until(lambda scene: labelled(scene, "✏️ Edit"))
    async with bot(fake, place):
        fake.press(CHAT, result.message_id, "✏️ Edit", PERSON)
        which = await fake.message(CHAT, "has 2 pictures. Which one?")
        fake.press(CHAT, which.message_id, "2", PERSON)
        question = await fake.until(
            lambda scene: next((one for one in scene.by_bot(CHAT) if one.asks), None)
        )
    async with bot(fake, place):
        fake.user_says(CHAT, PERSON, "make it night", reply_to=question.message_id)
        edited = await fake.message(CHAT, "make it night", kind="photo")
        assert (edited.spoiler, "✏️ Edit" in edited.buttons) == (False, True)

        fake.press(CHAT, result.message_id, "🗑️ Delete", PERSON)
        await fake.until(lambda scene: labelled(scene, "Yes, delete it"))
        asked = result.message_id
        fake.press(CHAT, asked, "Yes, delete it", PERSON)
        await fake.until(
            lambda scene: (
                not [one for one in scene.by_bot(CHAT) if one.album or one.message_id == asked]
                or None
            )
        )
        assert edited.message_id in {one.message_id for one in fake.scene().by_bot(CHAT)}
