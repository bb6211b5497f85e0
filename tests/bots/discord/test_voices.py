"""Voice messages on Discord, both ways, through the real library."""

import base64

from bots.core.types import Inbound, Messenger, Reply, ReplyFile
from tests.bots.discord.conftest import Connect, Script
from tests.bots.discord.test_messages import DM, HERE, PERSON, hear
from tests.fakes.discord import GUILD_CHANNEL_ID, GUILD_ID, FakeDiscord

WAVEFORM = base64.b64encode(bytes(range(40))).decode()
VOICE = ReplyFile("voice", "speech-1.ogg", "audio/ogg", b"OggS", duration=2.6, waveform=WAVEFORM)
VOICE_FLAG = 8192


async def test_a_voice_is_a_voice_message_beside_its_words(
    fake: FakeDiscord, connect: Connect
) -> None:
    async with connect(Script(hear)) as client:
        await client.channel_chat.show(HERE, Reply("🔊 · nova", files=(VOICE,)))
        words, voice = fake.scene().by_bot(GUILD_CHANNEL_ID)
    assert (words.content, words.attachments) == ("🔊 · nova", [])
    assert (voice.content, voice.flags) == ("", VOICE_FLAG)
    assert [one.filename for one in voice.attachments] == ["speech-1.ogg"]


async def test_a_command_is_answered_with_a_voice_message(
    fake: FakeDiscord, connect: Connect
) -> None:
    async def say(chat: Messenger, inbound: Inbound) -> None:
        await chat.show(inbound.address, Reply("🔊 · nova", files=(VOICE,)))

    async with connect(Script(say)):
        for installed in (False, True):
            fake.slash(
                PERSON,
                GUILD_CHANNEL_ID,
                "say",
                {"text": "hello"},
                guild=GUILD_ID,
                user_installed=installed,
            )
            voice = await fake.message(GUILD_CHANNEL_ID, files=1)
            assert voice.flags == VOICE_FLAG


async def test_where_no_voice_may_be_sent_it_is_a_file(fake: FakeDiscord, connect: Connect) -> None:
    async with connect(Script(hear)) as client:
        fake.mute(GUILD_CHANNEL_ID)
        await client.channel_chat.show(HERE, Reply("🔊 · nova", files=(VOICE,)))
        _, voice = fake.scene().by_bot(GUILD_CHANNEL_ID)
    assert voice.flags & VOICE_FLAG == 0
    assert [one.filename for one in voice.attachments] == ["speech-1.ogg"]


async def test_voice_messages_of_people(fake: FakeDiscord, connect: Connect) -> None:
    script = Script(hear)
    sound = ("voice-message.ogg", "audio/ogg", b"sound")
    async with connect(script):
        spoken = fake.says(PERSON, DM, "", attachment=sound, voice_seconds=7.5)
        await fake.message(DM, "ask:")
        await fake.answer(fake.menu(PERSON, spoken, "Transcribe"), "transcribe")
        fake.says(PERSON, GUILD_CHANNEL_ID, "", guild=GUILD_ID, attachment=sound, voice_seconds=1)
        fake.says(PERSON, DM, "last")
        await fake.message(DM, "ask: last")
        (file,) = script.asked[0].attachments
        assert (file.seconds, file.spoken, await file.read()) == (7.5, True, b"sound")
    assert [one.command for one in script.asked] == ["ask", "transcribe", "ask"]
    quoted = script.asked[1].quoted
    assert quoted is not None
    assert quoted.attachments[0].spoken
