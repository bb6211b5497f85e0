"""Calls that write recordings down and read texts aloud."""

from client.call import MAKING, Call, FileUpload, new_key, paid
from client.schemas.sound import SpeechIn, SpeechOut, TranscriptOut

LISTENING = 3 * MAKING
"""Seconds for an hour of recording, or a quarter of an hour of speech."""


def transcribe(
    name: str, data: bytes, content_type: str, key: str | None = None
) -> Call[TranscriptOut]:
    return Call(
        "POST",
        "/audio/transcriptions",
        TranscriptOut,
        file=FileUpload(name, content_type, data),
        key=key or new_key(),
        within=LISTENING,
    )


def speak(ask: SpeechIn, key: str | None = None) -> Call[SpeechOut]:
    return paid("/audio/speech", SpeechOut, ask, key, LISTENING)
