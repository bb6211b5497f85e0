"""Files beyond the single picture: albums, files that Telegram has already, hidden ones; and
messages that go away."""

from dataclasses import replace

import pytest

from bots.core.types import Button, Inbound, Messenger, Reply, ReplyFile, SendFailed, ShownMessages
from bots.telegram.chat import TelegramChat
from tests.bots.telegram.conftest import CHAT, GROUP, Heard, place, polling
from tests.bots.telegram.test_sending import CANCEL, TO, photo, picture, video
from tests.fakes.telegram import FakeTelegram

DOCUMENT = ReplyFile("document", "x.png", "image/png", picture())


@pytest.mark.parametrize(
    ("file", "method"), [(photo(), "sendPhoto"), (video(), "sendVideo"), (DOCUMENT, "sendDocument")]
)
async def test_a_file_that_telegram_has_is_not_uploaded_again(
    chat: TelegramChat, fake: FakeTelegram, file: ReplyFile, method: str
) -> None:
    shown = await chat.show(TO, Reply("first", files=(file,)))
    (ref,) = shown.refs
    again = await TelegramChat(chat._bot).show(
        place(GROUP), Reply("second", files=(replace(file, ref=ref, data=b""),))
    )
    assert again.refs == (ref,)
    (message,) = fake.scene().by_bot(GROUP)
    assert message.file is not None
    assert fake.content(message.file) == file.data
    assert [bool(one.uploads) for one in fake.scene().calls_of(method)] == [True, False]


async def test_a_file_that_telegram_has_forgotten_is_uploaded(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    shown = await chat.show(
        TO,
        Reply(
            "x",
            files=(
                replace(photo(), ref="photo:gone"),
                replace(photo("2.png"), ref="photo:gone too"),
            ),
        ),
    )
    single = await chat.show(TO, Reply("x", files=(replace(photo(), ref="photo:gone"),)))
    assert len(shown.refs) == 2
    assert all(
        ref is not None and ref.startswith("photo:file") for ref in (*shown.refs, *single.refs)
    )
    with pytest.raises(SendFailed, match="identifier") as raised:
        await chat.show(TO, Reply("x", files=(replace(photo(), ref="photo:gone", data=b""),)))
    assert raised.value.final


async def test_a_photo_that_went_as_a_document_is_known_as_one(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    wide = photo("wide.png", 2100, 100)
    shown = await chat.show(TO, Reply("x", files=(wide,)))
    assert (shown.refs[0] or "").startswith("document:")
    await chat.show(TO, Reply("x", files=(replace(wide, ref=shown.refs[0]),)))
    assert [one.kind for one in fake.scene().by_bot(CHAT)] == ["document", "document"]


async def test_albums_mix_photos_and_videos_and_keep_documents_apart(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    files = (photo("1.png"), video(), photo("2.png"), DOCUMENT, DOCUMENT, photo("3.png"))
    shown = await chat.show(TO, Reply("Foxes", files=files, buttons=CANCEL))
    messages = fake.scene().by_bot(CHAT)
    assert [one.kind for one in messages] == [
        "photo",
        "video",
        "photo",
        "document",
        "document",
        "photo",
    ]
    assert [messages[0].album == one.album for one in messages] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
    assert (messages[1].width, messages[1].duration, messages[1].streaming) == (640, 5, True)
    assert [one.text for one in messages] == ["Foxes", "", "", "", "", ""]
    assert [len(one.buttons) for one in messages] == [0, 0, 0, 0, 0, 2]
    assert len(shown.refs) == len(shown.message_ids) == 6


async def test_an_album_with_a_photo_that_is_none_goes_as_documents(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    unknown_sides = ReplyFile("photo", "wide.png", "image/png", picture(2100, 100))
    await chat.show(TO, Reply("x", files=(photo("1.png"), unknown_sides)))
    assert [one.kind for one in fake.scene().by_bot(CHAT)] == ["document", "document"]


async def test_hidden_until_touched(chat: TelegramChat, fake: FakeTelegram) -> None:
    hidden = (replace(photo(), spoiler=True), replace(video(), spoiler=True))
    for files in (hidden, hidden[:1], hidden[1:], (photo(),)):
        await chat.show(TO, Reply("x", files=files))
    assert [one.spoiler for one in fake.scene().by_bot(CHAT)] == [True, True, True, True, False]


async def test_a_thumbnail_that_is_too_large_is_left_out(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    await chat.show(TO, Reply("x", files=(video(thumbnail=b"\xff\xd8" + bytes(300_000)),)))
    (call,) = fake.scene().calls_of("sendVideo")
    assert call.uploads == ["video"]


async def test_marks_in_a_caption(chat: TelegramChat, fake: FakeTelegram) -> None:
    await chat.show(TO, Reply("**Foxes**", files=(photo(),), markdown=True))
    await chat.show(TO, Reply("**Foxes**", files=(photo(), photo("2.png")), markdown=True))
    single, first, second = fake.scene().by_bot(CHAT)
    assert [[mark["type"] for mark in one.entities] for one in (single, first, second)] == [
        ["bold"],
        ["bold"],
        [],
    ]


async def test_what_is_gone_is_deleted(chat: TelegramChat, fake: FakeTelegram) -> None:
    shown = await chat.show(
        TO, Reply("Foxes", files=(photo("1.png"), photo("2.png")), buttons=CANCEL)
    )
    assert await chat.show(TO, Reply("", gone=True), shown) == ShownMessages(())
    assert fake.scene().by_bot(CHAT) == []
    # pressed twice
    assert await chat.show(TO, Reply("", gone=True), shown) == ShownMessages(())
    assert await chat.show(TO, Reply("", gone=True)) == ShownMessages(())


async def test_buttons_below_an_album_mean_the_whole_album_after_a_restart_too(
    fake: FakeTelegram,
) -> None:
    async def answer(chat: Messenger, inbound: Inbound) -> None:
        if inbound.pressed is not None:
            gone = inbound.command == "yes"
            asked = Reply("Really?", buttons=((Button("Yes", "yes", "1"),),))
            await chat.show(
                inbound.address,
                Reply("", gone=True) if gone else asked,
                ShownMessages((inbound.pressed,)),
            )

    fake.user_says(CHAT, CHAT, "/x")
    async with polling(fake, Heard()) as telegram:
        shown = await telegram.chat.show(
            TO, Reply("Foxes", files=(photo("1.png"), photo("2.png")), buttons=CANCEL)
        )
        kept = await telegram.chat.show(TO, Reply("A cat", files=(photo(),)))
    below = int(shown.message_ids[-1])
    async with polling(fake, Heard(answer)):
        assert [one.text for one in fake.scene().by_bot(CHAT) if one.message_id == below] == [
            "⬆️ Foxes"
        ]
        fake.press(CHAT, below, "Again", CHAT)
        await fake.message(CHAT, "⬆️ Really?")
        fake.press(CHAT, below, "Yes", CHAT)
        await fake.until(lambda scene: len(scene.by_bot(CHAT)) == 1 or None)
    assert [str(one.message_id) for one in fake.scene().by_bot(CHAT)] == list(kept.message_ids)


async def test_what_belongs_together_rings_once(chat: TelegramChat, fake: FakeTelegram) -> None:
    await chat.show(TO, Reply("Foxes", files=(photo("1.png"), photo("2.png")), buttons=CANCEL))
    await chat.show(TO, Reply("word " * 1600))
    assert [one.silent for one in fake.scene().by_bot(CHAT)] == [False, False, True, False, True]


async def test_what_is_too_old_to_be_deleted_is_emptied(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    shown = [
        await chat.show(TO, Reply("a fox", files=(photo(),), buttons=CANCEL)),
        await chat.show(TO, Reply("a fox ran", buttons=CANCEL)),
    ]
    for one in shown:
        fake.age(CHAT, int(one.message_ids[0]), hours=24 * 30)
        await chat.show(TO, Reply("Deleted.", gone=True), one)
    image, text = fake.scene().by_bot(CHAT)
    assert [(one.kind, one.text, one.buttons) for one in (image, text)] == [
        ("photo", "Deleted.", {}),
        ("text", "Deleted.", {}),
    ]
    assert image.file is not None
    assert fake.content(image.file) != picture()
    # and pressed twice
    await chat.show(TO, Reply("Deleted.", gone=True), shown[1])


async def test_a_topic_that_was_deleted_gets_its_answer_in_the_general_one(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    await chat.show(place(GROUP, thread="99", message=1), Reply("here you are", files=(photo(),)))
    (message,) = fake.scene().by_bot(GROUP)
    assert (message.thread_id, message.text) == (None, "here you are")


async def test_a_group_that_moved_is_asked_at_its_new_place_at_once(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    fake.move(GROUP, -100999)
    await chat.show(place(GROUP), Reply("one"))
    await chat.show(place(GROUP), Reply("two"))
    assert await TelegramChat(chat._bot).show(
        place(GROUP), Reply("", gone=True), ShownMessages(("5",))
    ) == ShownMessages(())
    assert [one.text for one in fake.scene().by_bot(-100999)] == ["one", "two"]
    assert len(fake.scene().calls_of("sendMessage")) == 3
