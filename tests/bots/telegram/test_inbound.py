"""Actions of a person on Telegram, as the core gets to see them."""

import io

import pytest
import telegram
from PIL import Image

from bots.core.types import Button, Inbound, Messenger, Reply, ShownMessages
from bots.telegram.adapter import make_bot
from bots.telegram.received_files import DOWNLOAD_BYTES, attachments
from client.errors import ApiError
from tests.bots.telegram.conftest import CHAT, GROUP, USER, Heard, place, polling
from tests.fakes.telegram import FakeTelegram


def picture() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (64, 48), "orange").save(made, "JPEG")
    return made.getvalue()


async def test_command_in_private_chat(fake: FakeTelegram) -> None:
    heard = Heard()
    async with polling(fake, heard):
        sent = fake.user_says(CHAT, USER, "/Image a fox\nin snow")
        inbound = await heard.next()
    assert (inbound.command, inbound.text) == ("image", "a fox\nin snow")
    assert inbound.address == place(message=sent)
    assert (inbound.sender.id, inbound.sender.name, inbound.sender.language) == (
        str(USER),
        f"Person {USER}",
        "en",
    )
    assert inbound.update_id.isdigit()


async def test_plain_text_in_private_chat_is_a_question(fake: FakeTelegram) -> None:
    heard = Heard()
    async with polling(fake, heard):
        fake.user_says(CHAT, USER, "why is the sky blue?")
        inbound = await heard.next()
        fake.user_says(CHAT, USER, "/start CODE_1-x")
        started = await heard.next()
    assert (inbound.command, inbound.text) == ("ask", "why is the sky blue?")
    assert (started.command, started.text) == ("start", "CODE_1-x")


@pytest.mark.parametrize("said", ["talk among people", "/ask@other_bot hello", "https://t.me/x"])
async def test_group_talk_for_others_is_left_alone(fake: FakeTelegram, said: str) -> None:
    heard = Heard()
    fake.settings(privacy=False)
    async with polling(fake, heard):
        fake.user_says(GROUP, USER, said, private=False)
        fake.user_says(GROUP, USER, "/ask@FAKE_bot are you there?", private=False)
        inbound = await heard.next()
    assert (inbound.command, inbound.text) == ("ask", "are you there?")
    assert not inbound.address.private
    assert heard.inbounds.empty()


async def test_group_mention_and_reply_address_the_bot(fake: FakeTelegram) -> None:
    async def show(chat: Messenger, inbound: Inbound) -> None:
        await chat.show(inbound.address, Reply("here I am"))

    heard = Heard(show)
    fake.settings(privacy=False)
    async with polling(fake, heard):
        fake.user_says(GROUP, USER, "what do you think, @fake_bot ?", private=False)
        mentioned = await heard.next()
        shown = await fake.message(GROUP)
        fake.user_says(GROUP, USER, "and now?", private=False, reply_to=shown.message_id)
        answered = await heard.next()
    assert (mentioned.command, mentioned.text) == ("ask", "what do you think, ?")
    assert (answered.command, answered.text) == ("ask", "and now?")


async def test_topics_are_kept_and_reply_chains_are_none(fake: FakeTelegram) -> None:
    heard = Heard()
    async with polling(fake, heard):
        fake.user_says(GROUP, USER, "/jobs", private=False, thread_id=5)
        in_topic = await heard.next()
        chain = {
            "message_id": 9,
            "date": 1,
            "chat": {"id": GROUP, "type": "supergroup", "title": "G"},
            "message_thread_id": 8,
        }
        sender = {"id": USER, "is_bot": False, "first_name": "P"}
        fake.push("message", chain | {"from": sender, "text": "/jobs"})
        in_chain = await heard.next()
    assert in_topic.address.thread_id == "5"
    assert in_chain.address.thread_id is None


async def test_photo_with_caption_is_an_attachment(fake: FakeTelegram) -> None:
    heard = Heard()
    data = picture()
    async with polling(fake, heard):
        fake.user_says(CHAT, USER, "/video make it move", photo=data)
        inbound = await heard.next()
        (attached,) = inbound.attachments
        assert await attached.read() == data
    assert (inbound.command, inbound.text) == ("video", "make it move")
    assert (attached.content_type, attached.size) == ("image/jpeg", len(data))
    assert fake.token not in repr(inbound)


async def test_file_that_is_too_large_is_not_asked_for(fake: FakeTelegram) -> None:
    bot = make_bot(fake.token, fake.api_url)
    sent = {
        "message_id": 1,
        "date": 1,
        "chat": {"id": CHAT, "type": "private"},
        "document": {
            "file_id": "f",
            "file_unique_id": "u",
            "file_name": "film.mov",
            "file_size": DOWNLOAD_BYTES + 1,
        },
    }
    message = telegram.Message.de_json(sent, bot)
    (film,) = attachments(message)
    with pytest.raises(ApiError, match="too_large"):
        await film.read()
    assert fake.scene().calls_of("getFile") == []


async def test_document_keeps_its_name(fake: FakeTelegram) -> None:
    heard = Heard()
    async with polling(fake, heard):
        fake.user_says(CHAT, USER, "/image like this", document=("in.webp", "image/webp", b"bytes"))
        (attached,) = (await heard.next()).attachments
    assert (attached.name, attached.content_type, attached.size) == ("in.webp", "image/webp", 5)


async def test_file_that_can_not_be_had_is_an_error_without_the_token(fake: FakeTelegram) -> None:
    heard = Heard()
    async with polling(fake, heard):
        fake.user_says(CHAT, USER, "/image", photo=picture())
        (attached,) = (await heard.next()).attachments
        fake.fault("download", "status", status=500)
        with pytest.raises(ApiError) as raised:
            await attached.read()
        fake.fault("getFile", "status", status=400, description="Bad Request: file is too big")
        with pytest.raises(ApiError, match="too_large"):
            await attached.read()
    assert raised.value.code == "file_unreadable"
    assert raised.value.__cause__ is None
    assert fake.token not in repr(raised.value)


async def test_pressed_button_is_answered_at_once_and_edits_its_message(fake: FakeTelegram) -> None:
    async def edit(chat: Messenger, inbound: Inbound) -> None:
        if inbound.pressed is not None:
            # the press must be acknowledged although its answer is not even begun
            await fake.until(
                lambda scene: [one for one in scene.presses.values() if one.answered is not None]
            )
            await chat.show(
                inbound.address, Reply("Cancelled."), replacing=ShownMessages((inbound.pressed,))
            )

    heard = Heard(edit)
    fake.user_says(GROUP, USER, "/x", private=False, thread_id=5)
    async with polling(fake, heard) as telegram:
        card = await telegram.chat.show(
            place(GROUP, thread="5"),
            Reply("Working", buttons=((Button("Cancel", "cancel", "ab:12"),),)),
        )
        await heard.next()
        fake.press(GROUP, int(card.message_ids[0]), "Cancel", USER)
        pressed = await heard.next()
        edited = await fake.message(GROUP, "Cancelled.")
    assert (pressed.command, pressed.text, pressed.pressed) == (
        "cancel",
        "ab:12",
        card.message_ids[0],
    )
    assert pressed.address == place(GROUP, thread="5", message=edited.message_id)
    assert [text for text, _ in edited.history] == ["Working"]
    assert edited.buttons == {}


async def test_press_on_a_message_too_old_to_be_shown(fake: FakeTelegram) -> None:
    heard = Heard()
    old = {"message_id": 4, "date": 0, "chat": {"id": CHAT, "type": "private"}}
    sender = {"id": USER, "is_bot": False, "first_name": "P"}
    async with polling(fake, heard):
        fake.push(
            "callback_query",
            {"id": "gone", "from": sender, "chat_instance": "1", "data": "jobs:", "message": old},
        )
        inbound = await heard.next()
    assert (inbound.command, inbound.text, inbound.pressed) == ("jobs", "", "4")
    assert inbound.address == place(message=4)


async def test_bots_and_services_are_not_answered(fake: FakeTelegram) -> None:
    heard = Heard()
    about = {"message_id": 9, "date": 1, "chat": {"id": CHAT, "type": "private", "first_name": "P"}}
    async with polling(fake, heard):
        fake.push(
            "message",
            about | {"from": {"id": 5, "is_bot": True, "first_name": "B"}, "text": "/ask me"},
        )
        fake.push(
            "message",
            about
            | {"from": {"id": USER, "is_bot": False, "first_name": "P"}, "pinned_message": about},
        )
        fake.user_says(CHAT, USER, "last")
        inbound = await heard.next()
    assert inbound.text == "last"
