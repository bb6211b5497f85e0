"""Voice messages answered as if they were typed, /transcribe, /say, and answers read aloud."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from bots.core import texts
from bots.core.types import Attachment, QuotedMessage, Reply
from sandbox import sounds
from sandbox.faults import Fault
from tests.bots.core.recording_chat import Place, attachment
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORDS = "What do foxes eat in winter?"


@pytest_asyncio.fixture(loop_scope="module")
async def place(joined: Place) -> Place:
    return joined


def voice(text: str = WORDS, seconds: float = 2.0) -> Attachment:
    found = attachment(sounds.mp3(sounds.pcm(text, 0)), "audio/mpeg", "voice.mp3")
    return replace(found, seconds=seconds, spoken=True)


async def last(place: Place, line: str, **more: Any) -> Reply:
    return (await place.say(line, **more))[-1]


async def knows(place: Place, text: str = WORDS) -> None:
    """Let the sandbox know the words by which it hears them again."""
    reply = await last(place, f"/say {text}")
    assert reply.files


async def test_a_voice_message_is_answered_as_if_it_was_typed(
    place: Place, sandbox: Sandbox
) -> None:
    await knows(place)
    inbound = replace(place.inbound("/ask"), text="", plain=True, attachments=(voice(),))
    replies = await place.answer(inbound)
    assert replies[0] == Reply(texts.listening(), preview=True, nonce=replies[0].nonce)
    assert replies[-1].text.startswith(f"> 🎤 {WORDS} · $")
    asked = sandbox.calls("chat")[-1]["body"]["messages"][-1]["content"]
    assert asked == WORDS
    assert [button.action for row in replies[-1].buttons for button in row] == ["read_aloud"]


async def test_a_question_about_a_recording_in_the_answered_message(
    place: Place, sandbox: Sandbox
) -> None:
    await knows(place)
    quoted = QuotedMessage("5", author="Ben", attachments=(voice(),))
    await place.say("/ask is that true?", quoted=quoted)
    asked = sandbox.calls("chat")[-1]["body"]["messages"][-1]["content"]
    assert WORDS in asked
    assert asked.endswith("is that true?")


async def test_transcribe_gives_the_words_and_a_long_text_as_a_file(place: Place) -> None:
    await knows(place)
    quoted = QuotedMessage("5", attachments=(voice(),))
    said = (await place.say("/transcribe", quoted=quoted))[-1]
    assert said.text.startswith(f"{WORDS}\n\n$")
    long = "Foxes sleep. " * 150
    await knows(place, long)
    quoted = QuotedMessage("5", attachments=(voice(long),))
    (file,) = (await place.say("/transcribe", quoted=quoted))[-1].files
    assert file.name == "transcript.txt"
    assert file.data.decode().startswith("Foxes sleep.")
    assert (await place.say("/transcribe"))[-1].text == texts.transcribe_what()


async def test_recordings_that_are_too_long_are_refused_before_they_are_fetched(
    place: Place, sandbox: Sandbox
) -> None:
    for one in (voice(seconds=4000), replace(voice(), size=30_000_000)):
        shown = (await place.answer(replace(place.inbound("/ask"), text="", attachments=(one,))))[
            -1
        ]
        assert shown.text == texts.recording_too_large()
    assert not sandbox.calls("audio.transcriptions")


async def test_a_recording_without_words_and_no_recording(place: Place, sandbox: Sandbox) -> None:
    sandbox.break_with(Fault(call="audio.transcriptions", kind="empty"))
    inbound = replace(place.inbound("/ask"), text="", attachments=(voice(),))
    assert texts.heard_nothing("") in (await place.answer(inbound))[-1].text
    broken = attachment(b"nothing", "audio/ogg", "x.ogg")
    inbound = replace(place.inbound("/ask"), text="", attachments=(broken,))
    assert "recording" in (await place.answer(inbound))[-1].text


async def test_say_is_a_voice_message_with_its_cost(place: Place) -> None:
    reply = await last(place, "/say **Good** morning --voice nova")
    (file,) = reply.files
    assert (file.kind, file.content_type, file.data[:4]) == ("voice", "audio/ogg", b"OggS")
    assert file.duration
    assert file.waveform
    assert reply.text == "🔊 · nova · $0.000008"
    quoted = QuotedMessage("5", text="tea is good")
    reply = await last(place, "/say", quoted=quoted)
    assert reply.files
    assert (await place.say("/say"))[-1].text == texts.say_what()
    assert (await place.say(f"/say {'long ' * 3000}"))[-1].text == texts.too_long_to_say()


async def test_an_answer_is_read_aloud_to_its_owner_once(place: Place) -> None:
    answer = (await place.say("/ask why?"))[-1]
    ((button,),) = answer.buttons
    pressed = f"/{button.action} {button.value}"
    before = len(place.stage.acts)
    await asyncio.gather(*(place.say(pressed, pressed="m1") for _ in range(2)))
    shown = [act.reply for act in place.stage.acts[before:]]
    assert [len(reply.files) for reply in shown if not reply.preview].count(1) == 1
    assert texts.pressed_twice() in [reply.text for reply in shown]
    async with await place.api.user("reader") as other:
        await replace(place, web=other).join("78", "78")
        refused = (await place.say(pressed, pressed="m2", person="78", chat="78"))[-1]
    assert refused.text == texts.only_who_asked()


async def test_voice_is_answered_with_voice_for_those_who_want_it(place: Place) -> None:
    settings = (await place.say("/settings"))[-1]
    buttons = {button.label: button for row in settings.buttons for button in row}
    on = buttons[texts.voice_on()]
    page = (await place.say(f"/{on.action} {on.value}", pressed="m1"))[-1]
    assert "answered with voice" in page.text
    voices = buttons[texts.voice_button("Automatic")]
    listed = (await place.say(f"/{voices.action} {voices.value}", pressed="m1"))[-1]
    nova = next(button for row in listed.buttons for button in row if button.label == "nova")
    await place.say(f"/{nova.action} {nova.value}", pressed="m1")
    await knows(place)
    inbound = replace(place.inbound("/ask"), text="", plain=True, attachments=(voice(),))
    *_, whole, aloud = await place.answer(inbound)
    assert whole.text.startswith("> 🎤")
    assert aloud.text.startswith("🔊 · nova")
    assert aloud.files[0].kind == "voice"


async def test_a_recording_is_paid_once_when_the_update_comes_twice(
    place: Place, sandbox: Sandbox
) -> None:
    inbound = replace(place.inbound("/ask"), text="", plain=True, attachments=(voice(),))
    await place.answer(inbound)
    await place.answer(inbound)
    assert len(sandbox.calls("audio.transcriptions")) == 1
