"""Voice messages on Telegram, both ways, through the real library."""

import pytest

from bots.core.types import Reply, ReplyFile
from bots.telegram.chat import TelegramChat
from tests.bots.telegram.conftest import CHAT, GROUP, USER, Heard, place, polling
from tests.fakes.telegram import FakeTelegram

OPUS = b"OggS" + b"\0" * 24 + b"OpusHead" + b"\0" * 40
VOICE = ReplyFile(
    "voice",
    "speech-1.ogg",
    "audio/ogg",
    OPUS,
    duration=2.6,
    waveform="AP8A",
)


async def test_a_voice_is_a_voice_message(chat: TelegramChat, fake: FakeTelegram) -> None:
    await chat.show(place(), Reply("🔊 · nova", files=(VOICE,)))
    (message,) = fake.scene().by_bot(CHAT)
    assert (message.kind, message.text, message.duration) == ("voice", "🔊 · nova", 3)


async def test_who_takes_no_voice_messages_gets_music(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    said = "Bad Request: VOICE_MESSAGES_FORBIDDEN"
    fake.fault("sendVoice", "status", status=400, description=said)
    await chat.show(place(), Reply("🔊 · nova", files=(VOICE,)))
    (message,) = fake.scene().by_bot(CHAT)
    assert (message.kind, message.text, message.duration) == ("audio", "🔊 · nova", 3)


async def test_two_voices_are_no_album(chat: TelegramChat, fake: FakeTelegram) -> None:
    await chat.show(place(), Reply("", files=(VOICE, VOICE)))
    assert [message.kind for message in fake.scene().by_bot(CHAT)] == ["voice", "voice"]


@pytest.mark.parametrize(
    ("sent_as", "content_type", "spoken"),
    [
        ("voice", "audio/ogg", True),
        ("audio", "audio/mpeg", False),
        ("video_note", "video/mp4", True),
    ],
)
async def test_recordings_of_people(
    fake: FakeTelegram, sent_as: str, content_type: str, spoken: bool
) -> None:
    heard = Heard()
    sound = ("song.mp3" if sent_as == "audio" else "", content_type, b"sound")
    async with polling(fake, heard):
        message = fake.user_says(CHAT, USER, "", document=sound, sent_as=sent_as, seconds=7)
        (file,) = (await heard.next()).attachments
        assert (file.seconds, file.spoken, await file.read()) == (7, spoken, b"sound")
        assert file.content_type == content_type
        fake.user_says(CHAT, USER, "/transcribe", reply_to=message)
        answered = await heard.next()
    assert answered.command == "transcribe"
    assert answered.quoted is not None
    assert answered.quoted.attachments[0].spoken == spoken


async def test_in_a_group_only_what_is_meant_for_the_bot_is_heard(fake: FakeTelegram) -> None:
    heard = Heard()
    sound = ("", "audio/ogg", b"sound")
    async with polling(fake, heard) as telegram:
        fake.user_says(GROUP, USER, "/hello", private=False)
        await heard.next()
        shown = await telegram.chat.show(place(GROUP), Reply("Hello"))
        bots = int(shown.message_ids[0])
        fake.user_says(GROUP, USER, "", private=False, document=sound, sent_as="voice")
        fake.user_says(
            GROUP, USER, "", private=False, document=sound, sent_as="voice", reply_to=bots
        )
        meant = await heard.next()
    assert (meant.command, meant.plain) == ("ask", True)
    assert meant.quoted is not None
    assert meant.quoted.mine
    assert heard.inbounds.empty()
