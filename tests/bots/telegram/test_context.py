"""Things that come along with a person's message: albums, answered messages, rights; and messages
that must not be answered at all, or not twice."""

import asyncio

import pytest

from bots.core.types import Button, Inbound, Messenger, Reply, ShownMessages
from bots.telegram import albums
from bots.telegram.chat import TelegramChat
from client.errors import ApiError
from tests.bots.telegram.conftest import CHAT, GROUP, USER, Heard, place, polling
from tests.bots.telegram.test_inbound import picture
from tests.bots.telegram.test_sending import photo
from tests.fakes.telegram import FakeTelegram


async def test_an_album_is_one_message(fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(albums, "QUIET_SECONDS", 0.3)
    heard = Heard()
    data = picture()
    async with polling(fake, heard):
        sent = fake.user_says_album(CHAT, USER, [data] * 3, "/edit mix them")
        album = await heard.next()
        assert [await one.read() for one in album.attachments] == [data] * 3
        fake.user_says(CHAT, USER, "after")
        after = await heard.next()
    assert (album.command, album.text) == ("edit", "mix them")
    assert album.address == place(message=sent[0])
    assert after.text == "after"
    assert heard.inbounds.empty()


async def test_two_albums_are_two_messages_and_talk_goes_on_meanwhile(
    fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(albums, "QUIET_SECONDS", 0.5)
    heard = Heard()
    async with polling(fake, heard):
        fake.user_says_album(CHAT, USER, [picture()] * 2, "one")
        fake.user_says_album(CHAT, USER, [picture()] * 3, "two")
        fake.user_says(CHAT, USER, "talk")
        texts = [
            (one.text, len(one.attachments))
            for one in (await heard.next(), await heard.next(), await heard.next())
        ]
    assert sorted(texts) == [("one", 2), ("talk", 0), ("two", 3)]


async def test_an_album_that_is_still_coming_is_answered_by_a_bot_that_stops(
    fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(albums, "QUIET_SECONDS", 60.0)
    heard = Heard()
    async with polling(fake, heard) as telegram:
        fake.user_says_album(CHAT, USER, [picture()] * 2, "one")
        fake.user_says(CHAT, USER, "talk")
        await heard.next()
        assert len(telegram._tasks) >= 1
    assert (await heard.next()).text == "one"


async def test_the_answered_message_comes_along_with_its_picture(fake: FakeTelegram) -> None:
    data = picture()
    heard = Heard()
    async with polling(fake, heard):
        someone = fake.user_says(GROUP, USER + 1, "my dog", private=False, photo=data)
        fake.user_says(GROUP, USER, "/edit make it night", private=False, reply_to=someone)
        quoted = (await heard.next()).quoted
        assert quoted is not None
        assert (quoted.message_id, quoted.text, quoted.mine) == (str(someone), "my dog", False)
        assert [await one.read() for one in quoted.attachments] == [data]
        assert (quoted.author, quoted.picked) == (f"Person {USER + 1}", False)


async def test_the_bots_own_message_is_known_as_its_own(fake: FakeTelegram) -> None:
    heard = Heard()
    async with polling(fake, heard) as telegram:
        fake.user_says(CHAT, USER, "hi")
        assert (await heard.next()).quoted is None
        shown = await telegram.chat.show(place(), Reply("A fox", files=(photo(),)))
        fake.user_says(
            CHAT, USER, "and now at night", reply_to=int(shown.message_ids[0]), quote="fox"
        )
        quoted = (await heard.next()).quoted
    assert quoted is not None
    assert (quoted.mine, quoted.text, len(quoted.attachments), quoted.picked) == (
        True,
        "fox",
        1,
        True,
    )


async def test_all_captions_of_an_album_are_what_was_said(fake: FakeTelegram) -> None:
    heard = Heard()
    async with polling(fake, heard):
        fake.user_says_album(
            CHAT, USER, [picture()] * 3, "before", "after", "what changed between these two?"
        )
        album = await heard.next()
        assert (album.command, album.text) == (
            "ask",
            "before\nafter\nwhat changed between these two?",
        )
        assert len(album.attachments) == 3
        fake.user_says_album(CHAT, USER, [picture()] * 2, "the cat", "/edit make it blue")
        edit = await heard.next()
        assert (edit.command, edit.text) == ("edit", "make it blue\nthe cat"), (
            "a command counts wherever it stands"
        )


async def test_what_is_passed_on_is_what_was_said_and_commands_nothing(fake: FakeTelegram) -> None:
    heard = Heard()
    async with polling(fake, heard):
        fake.user_says(CHAT, USER, "/image of a secret", forwarded_from="Ana", photo=picture())
        passed = await heard.next()
    assert (passed.command, passed.text, passed.plain, len(passed.attachments)) == (
        "ask",
        "/image of a secret",
        True,
        1,
    )


async def test_an_answer_to_a_message_of_another_chat_brings_what_was_marked_and_its_picture(
    fake: FakeTelegram,
) -> None:
    data = picture()
    heard = Heard()
    async with polling(fake, heard):
        shown = fake.user_says(CHAT, USER, "look", photo=data)
        await heard.next()
        file = next(one for one in fake.messages(CHAT) if one.message_id == shown).file
        assert file is not None
        said = {
            "message_id": 900,
            "date": 1,
            "chat": {"id": CHAT, "type": "private", "first_name": "P"},
            "from": {"id": USER, "is_bot": False, "first_name": "P"},
            "external_reply": {
                "origin": {"type": "hidden_user", "date": 1, "sender_user_name": "Ana"},
                "photo": [{"file_id": file.id, "file_unique_id": "u1", "width": 64, "height": 48}],
            },
            "quote": {"text": "the marked words", "position": 0},
            "text": "is that so?",
        }
        fake.push("message", said)
        quoted = (await heard.next()).quoted
        assert quoted is not None
        assert (quoted.text, quoted.picked, quoted.mine) == ("the marked words", True, False)
        assert [await one.read() for one in quoted.attachments] == [data]


async def test_what_opened_a_topic_is_not_answered_by_everything_in_it(fake: FakeTelegram) -> None:
    opened = {
        "message_id": 5,
        "date": 1,
        "chat": {"id": GROUP, "type": "supergroup", "title": "G"},
        "forum_topic_created": {"name": "T", "icon_color": 1},
    }
    said = {
        "message_id": 9,
        "date": 1,
        "chat": opened["chat"],
        "from": {"id": USER, "is_bot": False, "first_name": "P"},
        "message_thread_id": 5,
        "is_topic_message": True,
        "reply_to_message": opened,
        "text": "/jobs",
    }
    heard = Heard()
    async with polling(fake, heard):
        fake.push("message", said)
        assert (await heard.next()).quoted is None


async def test_who_moderates_is_asked_of_telegram(fake: FakeTelegram) -> None:
    heard = Heard()
    async with polling(fake, heard):
        fake.user_says(CHAT, USER, "/jobs")
        private = await heard.next()
        assert private.moderates is None
        for admin in (False, True):
            if admin:
                fake.admin(GROUP, USER)
            fake.user_says(GROUP, USER, "/jobs", private=False)
            inbound = await heard.next()
            assert inbound.moderates is not None
            assert await inbound.moderates() is admin
        fake.fault("getChatMember", "status", status=500)
        assert inbound.moderates is not None
        assert not await inbound.moderates()
        assert fake.token not in repr(inbound)


async def test_an_edited_message_is_not_asked_again(fake: FakeTelegram) -> None:
    heard = Heard()
    async with polling(fake, heard):
        said = fake.user_says(CHAT, USER, "/image a fxo")
        await heard.next()
        fake.user_edits(CHAT, said, "/image a fox")
        fake.user_says(CHAT, USER, "next")
        assert (await heard.next()).text == "next"


async def test_an_update_that_comes_twice_is_answered_once(fake: FakeTelegram) -> None:
    said = {
        "message_id": 9,
        "date": 1,
        "chat": {"id": CHAT, "type": "private"},
        "from": {"id": USER, "is_bot": False, "first_name": "P"},
    }
    heard = Heard()
    async with polling(fake, heard):
        for text in ("one", "one", "two"):
            fake.push(
                "message", said | {"text": text}, update_id=90_000 + len(text) + (text == "two")
            )
        first, second = await heard.next(), await heard.next()
    assert (first.text, second.text) == ("one", "two")
    assert heard.inbounds.empty()


async def test_an_update_that_can_not_be_read_holds_up_no_other(fake: FakeTelegram) -> None:
    heard = Heard()
    async with polling(fake, heard):
        fake.push("message", {"message_id": 9, "forum_topic_created": {}})
        fake.user_says(CHAT, USER, "next")
        assert (await heard.next()).text == "next"


@pytest.mark.parametrize(
    ("what", "content_type"),
    [
        (
            {
                "voice": {
                    "file_id": "v",
                    "file_unique_id": "v",
                    "duration": 3,
                    "mime_type": "audio/ogg",
                }
            },
            "audio/ogg",
        ),
        (
            {"video_note": {"file_id": "v", "file_unique_id": "v", "duration": 3, "length": 240}},
            "video/mp4",
        ),
        (
            {
                "sticker": {
                    "file_id": "s",
                    "file_unique_id": "s",
                    "type": "regular",
                    "width": 512,
                    "height": 512,
                }
            },
            "image/webp",
        ),
        ({"location": {"latitude": 1.0, "longitude": 2.0}}, None),
    ],
)
async def test_nothing_that_a_person_sends_to_the_bot_alone_is_met_with_silence(
    fake: FakeTelegram, what: dict[str, object], content_type: str | None
) -> None:
    said = {
        "message_id": 9,
        "date": 1,
        "chat": {"id": CHAT, "type": "private"},
        "from": {"id": USER, "is_bot": False, "first_name": "P"},
    }
    if "sticker" in what:
        what = {"sticker": what["sticker"] | {"is_animated": False, "is_video": False}}  # type: ignore[operator]
    heard = Heard()
    async with polling(fake, heard):
        fake.push("message", said | what)
        inbound = await heard.next()
    assert (inbound.command, inbound.text) == ("ask", "")
    assert [one.content_type for one in inbound.attachments] == (
        [content_type] if content_type else []
    )


async def test_a_file_that_is_too_large_is_not_even_asked_for(fake: FakeTelegram) -> None:
    said = {
        "message_id": 9,
        "date": 1,
        "chat": {"id": CHAT, "type": "private"},
        "from": {"id": USER, "is_bot": False, "first_name": "P"},
    }
    film = {
        "file_id": "v",
        "file_unique_id": "v",
        "file_size": 20_000_001,
        "mime_type": "video/mp4",
    }
    heard = Heard()
    async with polling(fake, heard):
        fake.push("message", said | {"document": film, "caption": "/animate"})
        (attached,) = (await heard.next()).attachments
        with pytest.raises(ApiError, match="too_large"):
            await attached.read()
    assert fake.scene().calls_of("getFile") == []


async def test_halves_of_characters_go_no_further(fake: FakeTelegram) -> None:
    said = {
        "message_id": 9,
        "date": 1,
        "chat": {"id": CHAT, "type": "private"},
        "from": {"id": USER, "is_bot": False, "first_name": "P"},
    }
    heard = Heard()
    async with polling(fake, heard):
        fake.push("message", said | {"text": "a \ud83e fox"})
        assert (await heard.next()).text == "a ? fox"


CARD = Reply("card", buttons=((Button("Again", "again", "ab"),),))
SECRET = Reply("This is somebody else's button.", secret=True)


@pytest.mark.parametrize(
    ("chat_id", "reply", "note"),
    [
        (GROUP, SECRET, SECRET.text),
        (GROUP, Reply("Done."), ""),
        (GROUP, Reply("x" * 201, secret=True), ""),
        (CHAT, SECRET, SECRET.text),
        (CHAT, Reply("see https://ai.example.org", secret=True), ""),
    ],
)
async def test_a_secret_answer_to_a_press_is_shown_in_a_window(
    fake: FakeTelegram, chat_id: int, reply: Reply, note: str
) -> None:
    async def answer(chat: Messenger, inbound: Inbound) -> None:
        if inbound.pressed is not None:
            await chat.show(inbound.address, reply)

    async with polling(fake, Heard(answer)) as telegram:
        fake.user_says(chat_id, USER, "/x", private=chat_id > 0)
        shown = await telegram.chat.show(place(chat_id), CARD)
        fake.press(chat_id, int(shown.message_ids[0]), "Again", USER)
        press = await fake.until(
            lambda scene: next(
                (one for one in scene.presses.values() if one.answered is not None), None
            )
        )
        if not note:
            await fake.message(chat_id, reply.text)
    assert (press.answered, press.alert) == (note, bool(note))
    assert [one.text for one in fake.scene().by_bot(chat_id)] == (
        ["card"] if note else ["card", reply.text]
    )


async def test_a_secret_answer_that_takes_the_buttons_place_stays_in_the_chat(
    fake: FakeTelegram,
) -> None:
    async def answer(chat: Messenger, inbound: Inbound) -> None:
        if inbound.pressed is not None:
            await chat.show(inbound.address, SECRET, ShownMessages((inbound.pressed,)))

    async with polling(fake, Heard(answer)) as telegram:
        fake.user_says(CHAT, USER, "/x")
        shown = await telegram.chat.show(place(), CARD)
        fake.press(CHAT, int(shown.message_ids[0]), "Again", USER)
        assert (await fake.message(CHAT, SECRET.text)).history != []


async def test_a_window_that_does_not_open_is_a_message(fake: FakeTelegram) -> None:
    async def answer(chat: Messenger, inbound: Inbound) -> None:
        if inbound.pressed is not None:
            await chat.show(inbound.address, SECRET)

    async with polling(fake, Heard(answer)) as telegram:
        fake.user_says(CHAT, USER, "/x")
        shown = await telegram.chat.show(place(), CARD)
        fake.fault(
            "answerCallbackQuery", "status", status=400, description="Bad Request: query is too old"
        )
        fake.press(CHAT, int(shown.message_ids[0]), "Again", USER)
        await fake.message(CHAT, SECRET.text)


async def test_a_slow_press_does_not_wait_for_its_answer(fake: FakeTelegram) -> None:
    acknowledged = asyncio.Event()

    async def answer(chat: Messenger, inbound: Inbound) -> None:
        if inbound.pressed is not None:
            await acknowledged.wait()
            await chat.show(inbound.address, SECRET)

    async with polling(fake, Heard(answer)) as telegram:
        fake.user_says(GROUP, USER, "/x", private=False)
        shown = await telegram.chat.show(place(GROUP), CARD)
        fake.press(GROUP, int(shown.message_ids[0]), "Again", USER)
        press = await fake.until(
            lambda scene: next(
                (one for one in scene.presses.values() if one.answered is not None), None
            )
        )
        acknowledged.set()
        await fake.message(GROUP, SECRET.text)
    assert press.answered == ""
    assert len(fake.scene().calls_of("answerCallbackQuery")) == 1


async def test_what_fits_no_window_goes_to_the_persons_own_chat(fake: FakeTelegram) -> None:
    long = Reply("x" * 201, secret=True)

    async def answer(chat: Messenger, inbound: Inbound) -> None:
        if inbound.pressed is not None:
            await chat.show(inbound.address, long)

    async with polling(fake, Heard(answer)) as telegram:
        fake.user_says(USER, USER, "hi")
        fake.user_says(GROUP, USER, "/x", private=False)
        shown = await telegram.chat.show(place(GROUP), CARD)
        fake.press(GROUP, int(shown.message_ids[0]), "Again", USER)
        await fake.message(USER, long.text)
    assert [one.text for one in fake.scene().by_bot(GROUP)] == ["card"]


PRIVATELY = "I answered you in our own chat, because that is only for you."


@pytest.mark.parametrize("known", [True, False])
async def test_what_is_only_for_one_person_is_not_told_to_a_group(
    fake: FakeTelegram, known: bool
) -> None:
    async def answer(chat: Messenger, inbound: Inbound) -> None:
        await chat.show(inbound.address, Reply("You have $3.", secret=inbound.command != "image"))

    async with polling(fake, Heard(answer)):
        if known:
            fake.user_says(USER, USER, "hi")
            await fake.message(USER, "You have")
        said = fake.user_says(GROUP, USER, "/balance", private=False)
        told = await fake.message(GROUP, PRIVATELY if known else "You have")
        assert (told.reply_to, told.silent) == (said, True)
        fake.user_says(GROUP, USER, "/image a fox", private=False)
        await fake.until(lambda scene: len(scene.by_bot(GROUP)) == 2 or None)
    assert [one.text for one in fake.scene().by_bot(GROUP)] == [told.text, "You have $3."]
    assert [one.text for one in fake.scene().by_bot(USER)] == ["You have $3."] * (2 * known)


async def test_a_secret_note_in_a_group_rings_for_nobody(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    await chat.show(place(GROUP), Reply("There is no option --arr.", secret=True))
    await chat.show(place(), Reply("There is no option --arr.", secret=True))
    assert [one.silent for one in fake.scene().by_bot()] == [False, True]
