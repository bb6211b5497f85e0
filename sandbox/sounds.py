"""Sound files: a tone for each word of a text, and the length of any recording."""

import io
import math
import re
from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.audio.stream import AudioStream

RATE = 24_000
LETTER, GAP = 0.045, 0.06
"""Seconds of a letter and of the silence behind a word."""
_LOUD = 9_000
_SCALE = (262, 294, 330, 392, 440, 523, 587, 659)
_CONTAINERS = {
    "aac": "aac",
    "flac": "flac",
    "m4a": "mov",
    "mp3": "mp3",
    "ogg": "ogg",
    "wav": "wav",
    "webm": "matroska",
}
"""FFmpeg's name of each format of a recording; `pcm` has no container."""
FORMATS = (*_CONTAINERS, "pcm")
_PCM_RATE = 16_000


class BadSound(Exception):
    """A file that is no recording of the format that was said."""


def pcm(text: str, voice: int, speed: float = 1.0) -> bytes:
    """Return signed 16-bit mono samples at `RATE`: a tone a word, lower or higher by the voice. It
    takes a moment: call it in a thread."""
    samples = array("h")
    for word in re.findall(r"\S+", text)[:2_000]:
        pitch = _SCALE[(sum(map(ord, word)) + voice) % len(_SCALE)] * (0.5 if voice % 2 else 1.0)
        count = int(RATE * LETTER * (min(len(word), 12) + 1) / speed)
        step = 2 * math.pi * pitch / RATE
        fade = max(1, count // 6)
        samples.extend(
            int(_LOUD * min(1.0, at / fade, (count - at) / fade) * math.sin(step * at))
            for at in range(count)
        )
        samples.extend([0] * int(RATE * GAP / speed))
    return samples.tobytes()


def mp3(samples: bytes) -> bytes:
    """Return the samples as an MP3."""
    import av  # FFmpeg: a tenth of a second that no start should wait for

    out = io.BytesIO()
    with av.open(out, "w", format="mp3") as made:
        stream: AudioStream = made.add_stream("libmp3lame", rate=RATE, layout="mono")
        stream.bit_rate = 48_000
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(samples) // 2)
        frame.planes[0].update(samples)
        frame.sample_rate, frame.pts = RATE, 0
        resampler = av.AudioResampler("s16p", "mono", RATE)
        for part in resampler.resample(frame):
            made.mux(stream.encode(part))
        made.mux(stream.encode(None))
    return out.getvalue()


def seconds_of(data: bytes, form: str) -> float:
    """Return the length of a recording. Raises `BadSound` unless its bytes are of that format."""
    if form == "pcm":
        return len(data) / 2 / _PCM_RATE
    import av
    import av.error

    try:
        with av.open(io.BytesIO(data), "r", format=_CONTAINERS[form]) as read:
            if not read.streams.audio:
                raise BadSound("no audio stream")
            frames = read.decode(audio=0)
            return sum(frame.samples / frame.sample_rate for frame in frames if frame.sample_rate)
    except av.error.FFmpegError as error:
        raise BadSound(f"could not be decoded as {form}") from error
