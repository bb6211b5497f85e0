"""Replies as people on Telegram see them: texts, edits, files, buttons, places."""

import io

import pytest
from PIL import Image

from bots.core.types import Button, Reply, ReplyFile, SendFailed, ShownMessages
from bots.telegram.chat import TelegramChat
from tests.bots.telegram.conftest import CHAT, GROUP, USER, place
from tests.fakes.telegram import FakeTelegram

TO = place()
CANCEL = ((Button("Cancel", "cancel", "ab12", "danger"), Button("Again", "again", "ab12")),)


def picture(width: int = 64, height: int = 48, kind: str = "PNG") -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (width, height), "orange").save(made, kind)
    return made.getvalue()


def photo(name: str = "a.png", width: int = 64, height: int = 48) -> ReplyFile:
    return ReplyFile("photo", name, "image/png", picture(width, height), width, height)


def video(**more: object) -> ReplyFile:
    about = {
        "width": 640,
        "height": 360,
        "duration": 4.6,
        "thumbnail": picture(320, 180, "JPEG"),
    } | more
    return ReplyFile("video", "v.mp4", "video/mp4", b"\x00\x00\x00\x18ftypmp42", **about)  # type: ignore[arg-type]


async def test_text_answers_the_request_quietly_with_buttons(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    asked = fake.user_says(CHAT, USER, "/image fox")
    shown = await chat.show(
        place(message=asked), Reply("*Working* <b>", buttons=CANCEL, quiet=True)
    )
    message = await fake.message(CHAT)
    assert shown == ShownMessages((str(message.message_id),))
    assert (message.text, message.reply_to, message.silent) == ("*Working* <b>", asked, True)
    assert message.buttons == {"Cancel": "cancel:ab12", "Again": "again:ab12"}
    assert [one.get("style") for one in message.keyboard[0]] == ["danger", None]


async def test_a_deleted_request_does_not_stop_its_answer(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    asked = fake.user_says(CHAT, USER, "/image fox")
    fake.delete(CHAT, asked)
    await chat.show(place(message=asked), Reply("done"))
    assert (await fake.message(CHAT)).reply_to is None


async def test_long_text_becomes_several_messages(chat: TelegramChat, fake: FakeTelegram) -> None:
    asked = fake.user_says(CHAT, USER, "tell")
    text = "🦊" * 3000 + "\n\n" + "fox " * 800
    shown = await chat.show(place(message=asked), Reply(text, buttons=CANCEL))
    parts = fake.scene().by_bot(CHAT)
    assert shown.message_ids == tuple(str(part.message_id) for part in parts)
    assert "".join("".join(part.text for part in parts).split()) == "".join(text.split())
    assert max(len(part.text.encode("utf-16-le")) // 2 for part in parts) <= 4096
    assert [part.reply_to for part in parts] == [asked] + [None] * (len(parts) - 1)
    assert [bool(part.keyboard) for part in parts] == [False] * (len(parts) - 1) + [True]


async def test_stream_edits_one_message_and_goes_on_in_new_ones(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    fake.settings(drafts=False)
    shown = None
    for preview in ("Once", "Once upon", "Once upon"):
        shown = await chat.show(TO, Reply(preview, preview=True), replacing=shown)
    final = "Once upon a time. " * 300
    shown = await chat.show(TO, Reply(final), replacing=shown)
    first, second = fake.scene().by_bot(CHAT)
    assert shown.message_ids == (str(first.message_id), str(second.message_id))
    assert [text for text, _ in first.history] == ["Once", "Once upon"]
    assert f"{first.text} {second.text}" == final.strip()
    # an identical edit is refused by Telegram and counts as a call: it was not made
    assert len(fake.scene().calls_of("editMessageText")) == 2


async def test_shorter_text_takes_away_what_is_too_much(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    shown = await chat.show(TO, Reply("word " * 1600))
    await chat.show(TO, Reply("That did not work."), replacing=shown)
    assert [one.text for one in fake.scene().by_bot(CHAT)] == ["That did not work."]


async def test_edit_to_what_stands_there_already_is_a_success(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    sent = await chat.show(TO, Reply("the same", buttons=CANCEL))
    restarted = TelegramChat(chat._bot)
    assert await restarted.show(TO, Reply("the same", buttons=CANCEL), replacing=sent) == sent
    assert len(fake.scene().calls_of("editMessageText")) == 1


async def test_edit_of_a_picture_changes_its_caption(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    sent = await chat.show(TO, Reply("fox", files=(photo(),), buttons=CANCEL))
    await chat.show(TO, Reply("fox, kept"), replacing=sent)
    message = await fake.message(CHAT)
    assert (message.kind, message.text, message.buttons) == ("photo", "fox, kept", {})
    await chat.show(TO, Reply("fox, kept again"), replacing=sent)
    assert len(fake.scene().calls_of("editMessageText")) == 1
    with pytest.raises(SendFailed) as raised:
        await chat.show(TO, Reply("fox " * 300), replacing=sent)
    assert raised.value.final


async def test_edit_of_a_message_that_is_gone_is_final(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    with pytest.raises(SendFailed) as raised:
        await chat.show(TO, Reply("x"), replacing=ShownMessages(("99999",)))
    assert raised.value.final
    assert not raised.value.uncertain


async def test_group_previews_are_thinned_out_but_the_last_is_shown(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    to = place(GROUP, thread="5")
    shown = await chat.show(to, Reply("a", preview=True))
    assert await chat.show(to, Reply("a b", preview=True), replacing=shown) == shown
    await chat.show(to, Reply("a b c"), replacing=shown)
    message = await fake.message(GROUP)
    assert (message.text, [text for text, _ in message.history]) == ("a b c", ["a"])


async def test_topic_is_named_and_the_general_one_is_not(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    await chat.show(place(GROUP, thread="5"), Reply("in the topic"))
    await chat.show(place(GROUP, thread="1"), Reply("in general"))
    await chat.busy(place(GROUP, thread="5"))
    await chat.busy(place(GROUP, thread="1"))
    assert [one.thread_id for one in fake.scene().by_bot(GROUP)] == [5, None]
    assert [thread for _, thread, _ in fake.scene().actions] == [5, None]


async def test_photo_arrives_byte_by_byte(chat: TelegramChat, fake: FakeTelegram) -> None:
    asked = fake.user_says(CHAT, USER, "/image fox")
    shown = await chat.show(place(message=asked), Reply("A fox", files=(photo(),), buttons=CANCEL))
    message = await fake.message(CHAT, kind="photo")
    assert message.file is not None
    assert (message.file.name, fake.content(message.file)) == ("a.png", picture())
    assert (message.text, message.reply_to, len(message.buttons)) == ("A fox", asked, 2)
    assert shown.message_ids == (str(message.message_id),)


async def test_photos_become_an_album_with_the_caption_on_the_first(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    shown = await chat.show(
        TO, Reply("Foxes", files=tuple(photo(f"{place}.png") for place in range(12)))
    )
    messages = fake.scene().by_bot(CHAT)
    assert [one.file.name for one in messages if one.file is not None] == [
        f"{place}.png" for place in range(12)
    ]
    assert [one.text for one in messages] == ["Foxes"] + [""] * 11
    assert [
        len([one for one in messages if one.album == album])
        for album in dict.fromkeys(one.album for one in messages)
    ] == [10, 2]
    assert shown.message_ids == tuple(str(one.message_id) for one in messages)


async def test_buttons_under_an_album_stand_in_a_message_behind_it(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    await chat.show(TO, Reply("Foxes", files=(photo("1.png"), photo("2.png")), buttons=CANCEL))
    first, second, last = fake.scene().by_bot(CHAT)
    assert (first.text, second.text, last.text) == ("", "", "⬆️ Foxes")
    assert len(last.buttons) == 2


async def test_video_is_sent_to_be_played(chat: TelegramChat, fake: FakeTelegram) -> None:
    await chat.show(TO, Reply("Waves", files=(video(),), buttons=CANCEL))
    message = await fake.message(CHAT, kind="video")
    assert (message.width, message.height, message.duration, message.streaming) == (
        640,
        360,
        5,
        True,
    )
    assert message.thumbnail is not None
    assert message.file is not None
    assert fake.content(message.file) == video().data


async def test_long_caption_stands_in_a_message_of_its_own(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    await chat.show(TO, Reply("word " * 300, files=(photo(),), buttons=CANCEL))
    picture_message, words = fake.scene().by_bot(CHAT)
    assert (picture_message.text, picture_message.buttons) == ("", {})
    assert (words.text, len(words.buttons)) == (("word " * 300).strip(), 2)


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(
            ReplyFile("photo", "big.png", "image/png", picture() + bytes(10_000_000), 64, 48),
            id="photo over 10 MB",
        ),
        pytest.param(photo("wide.png", 2100, 100), id="photo too wide"),
        pytest.param(
            ReplyFile("photo", "wide.png", "image/png", picture(2100, 100)),
            id="photo too wide, not known before",
        ),
        pytest.param(
            ReplyFile("video", "v.webm", "video/webm", b"webm"), id="video that is no MP4"
        ),
        pytest.param(
            ReplyFile("document", "x.bin", "application/octet-stream", b"x"), id="document"
        ),
    ],
)
async def test_what_is_no_photo_or_video_to_telegram_goes_as_a_document(
    chat: TelegramChat, fake: FakeTelegram, file: ReplyFile
) -> None:
    await chat.show(TO, Reply("here", files=(file,)))
    message = await fake.message(CHAT)
    assert (message.kind, message.text) == ("document", "here")
    assert message.file is not None
    assert message.file.name == file.name


async def test_file_over_the_limit_is_final_and_never_sent(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    with pytest.raises(SendFailed, match="50 MB") as raised:
        await chat.show(
            TO, Reply("film", files=(ReplyFile("video", "v.mp4", "video/mp4", bytes(50_000_001)),))
        )
    assert raised.value.final
    assert fake.scene().by_bot(CHAT) == []


async def test_button_that_telegram_can_not_carry_is_final(chat: TelegramChat) -> None:
    await chat.show(TO, Reply("x", buttons=((Button("fits", "a", "b" * 62),),)))
    with pytest.raises(SendFailed) as raised:
        await chat.show(TO, Reply("x", buttons=((Button("long", "a", "b" * 63),),)))
    assert raised.value.final


async def test_files_take_the_place_of_a_preview(chat: TelegramChat, fake: FakeTelegram) -> None:
    shown = await chat.show(TO, Reply("Drawing", preview=True))
    await chat.show(TO, Reply("Done", files=(photo(),)), replacing=shown)
    assert [(one.kind, one.text) for one in fake.scene().by_bot(CHAT)] == [("photo", "Done")]


async def test_group_that_became_a_supergroup_is_found(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    fake.move(GROUP, -100999)
    await chat.show(place(GROUP, message=1), Reply("still here"))
    assert (await fake.message(-100999)).text == "still here"


async def test_same_nonce_is_the_same_message(chat: TelegramChat, fake: FakeTelegram) -> None:
    reply = Reply("Foxes", files=(photo("1.png"), photo("2.png")), buttons=CANCEL, nonce="d1")
    shown = await chat.show(TO, reply)
    assert await chat.show(TO, reply) == shown
    assert len(fake.scene().by_bot(CHAT)) == 3
