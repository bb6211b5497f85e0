"""Speech as a file: joined to an Ogg file, or kept as it came when that fails, because it is
paid."""

import io
import wave
from collections.abc import Sequence
from dataclasses import dataclass

from api.errors import UnsupportedMedia
from api.media.decoded import SpokenFile
from api.media.decoders import Decoders
from api.provider.types import Speech


@dataclass(frozen=True, slots=True)
class SpeechFile:
    """`voice` None: the sound is as it came."""

    data: bytes
    content_type: str
    seconds: float | None
    voice: SpokenFile | None


async def speech_file(decoders: Decoders, parts: Sequence[Speech]) -> SpeechFile:
    """Raises `UnsupportedMedia` with the reason `unusable_speech` when there is no sound at all."""
    if not parts or not any(each.data for each in parts):
        raise UnsupportedMedia("unusable_speech")
    voice = await decoders.write_voice(parts)
    if voice is not None:
        return SpeechFile(voice.data, "audio/ogg", voice.seconds, voice)
    data = b"".join(each.data for each in parts)
    first = parts[0]
    if first.rate is None:
        return SpeechFile(data, "audio/mpeg", None, None)
    out = io.BytesIO()
    with wave.open(out, "wb") as made:
        made.setnchannels(first.channels)
        made.setsampwidth(2)
        made.setframerate(first.rate)
        made.writeframes(data)
    return SpeechFile(
        out.getvalue(), "audio/wav", len(data) / 2 / first.channels / first.rate, None
    )
