"""Recordings written anew for a model, and speech for people's ears, by PyAV. Everything here is
slow and runs in a decoder process."""

from __future__ import annotations

import base64
import io
from array import array
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from api.errors import TooLarge, UnsupportedMedia
from api.media.decoded import Recording, SpokenFile
from api.media.pictures import typed_errors

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

HEARD_RATE, HEARD_BITS = 16_000, 48_000
"""Models hear no more than that."""
SPOKEN_RATE, SPOKEN_BITS = 48_000, 32_000
POINTS, POINTS_A_SECOND = 256, 10
"""Most points of a waveform, and points in a second."""
_LOOKED_AT = 48
"""Every so many samples one counts for the waveform."""
_STARTS = (
    (0, b"OggS", "ogg"),
    (0, b"ID3", "mp3"),
    (0, b"fLaC", "flac"),
    (0, b"\x1a\x45\xdf\xa3", "matroska"),
    (0, b"#!AMR", "amr"),
    (4, b"ftyp", "mp4"),
)


def container_of(head: bytes) -> str | None:
    """Return FFmpeg's name of a recording's container, by its first bytes: FFmpeg never guesses it,
    because some formats that it knows are lists of other files' addresses."""
    if head[:4] in {b"RIFF", b"FORM"}:
        return {b"WAVE": "wav", b"AIFF": "aiff", b"AIFC": "aiff"}.get(head[8:12])
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return "aac" if head[1] & 0xF6 == 0xF0 else "mp3"
    return next((name for at, start, name in _STARTS if head[at:].startswith(start)), None)


def read_recording(data: bytes, most: int, piece: int) -> Recording:
    """Write the sound of a file anew, in pieces of `piece` seconds. Raises `TooLarge` when it lasts
    longer than `most` seconds, `UnsupportedMedia` for a file without sound."""
    with typed_errors("recording_unreadable"):
        container = container_of(data[:64])
        if container is None:
            raise UnsupportedMedia("recording_unreadable")
        return _read(data, container, most, piece)


def _read(data: bytes, container: str, most: int, piece: int) -> Recording:
    pieces: list[bytes] = []
    samples, held = 0, list[Any]()
    room = piece * HEARD_RATE
    for frame in _resampled(_decoded(data, container), HEARD_RATE, "s16p"):
        samples += frame.samples
        if samples > most * HEARD_RATE:
            raise TooLarge("recording_too_long", minutes=most // 60)
        held.append(frame)
        room -= frame.samples
        if room <= 0:
            pieces.append(_mp3(held))
            held, room = [], piece * HEARD_RATE
    if held:
        pieces.append(_mp3(held))
    if not pieces:
        raise UnsupportedMedia("recording_silent")
    return Recording(tuple(pieces), samples / HEARD_RATE)


def _decoded(data: bytes, container: str) -> Iterator[AudioFrame]:
    import av  # FFmpeg: a tenth of a second that no start should wait for

    with av.open(io.BytesIO(data), "r", format=container) as read:
        if not read.streams.audio:
            raise UnsupportedMedia("recording_silent")
        yield from read.decode(audio=0)


def _resampled(frames: Iterable[AudioFrame], rate: int, form: str) -> Iterator[AudioFrame]:
    import av

    resampler = av.AudioResampler(form, "mono", rate)
    for frame in frames:
        yield from resampler.resample(frame)
    yield from resampler.resample(None)


def _mp3(frames: Sequence[AudioFrame]) -> bytes:
    return _encoded(frames, "mp3", "libmp3lame", HEARD_RATE, HEARD_BITS)


def _encoded(frames: Sequence[AudioFrame], form: str, codec: str, rate: int, bits: int) -> bytes:
    import av

    out = io.BytesIO()
    with av.open(out, "w", format=form) as made:
        stream: Any = made.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = bits
        at = 0
        for frame in frames:
            frame.pts, frame.time_base = at, Fraction(1, rate)
            at += frame.samples
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return out.getvalue()


def write_voice(data: bytes, parts: Sequence[dict[str, int | None]]) -> SpokenFile:
    """Join spoken parts, which lie in `data` one behind the other: `size` in bytes, `rate` of
    samples or None for an MP3, `channels`. Raises `UnsupportedMedia` with the reason
    `unusable_speech`."""
    with typed_errors("unusable_speech"):
        frames = list(_resampled(_spoken(data, parts), SPOKEN_RATE, "s16"))
        samples = sum(frame.samples for frame in frames)
        if not samples:
            raise UnsupportedMedia("unusable_speech")
        waveform = _waveform(frames, samples)
        voice = _encoded(frames, "ogg", "libopus", SPOKEN_RATE, SPOKEN_BITS)
        return SpokenFile(voice, samples / SPOKEN_RATE, waveform)


def _spoken(data: bytes, parts: Sequence[dict[str, int | None]]) -> Iterator[AudioFrame]:
    """Yield the sound of all parts in the form of `SPOKEN_RATE`: a resampler takes frames of one
    form only."""
    start = 0
    for part in parts:
        size, rate, channels = part["size"] or 0, part["rate"], part["channels"] or 1
        piece = data[start : start + size]
        start += size
        heard = _decoded(piece, "mp3") if rate is None else [_of_samples(piece, rate, channels)]
        yield from _resampled(heard, SPOKEN_RATE, "s16")


def _of_samples(data: bytes, rate: int, channels: int) -> AudioFrame:
    import av

    count = len(data) // (2 * channels)
    frame = av.AudioFrame("s16", "mono" if channels == 1 else "stereo", count)
    # a plane may be longer than its samples
    plane = frame.planes[0]
    plane.update(data[: count * 2 * channels].ljust(plane.buffer_size, b"\0"))
    frame.sample_rate, frame.pts = rate, 0
    return frame


def _waveform(frames: Sequence[AudioFrame], samples: int) -> str:
    seen = array("h")
    for frame in frames:
        whole = array("h", bytes(frame.planes[0])[: frame.samples * 2])
        seen.extend(whole[::_LOOKED_AT])
    count = max(1, min(POINTS, round(samples / SPOKEN_RATE * POINTS_A_SECOND), len(seen)))
    each = len(seen) / count
    loud = [
        max(map(abs, seen[int(at * each) : int((at + 1) * each)]), default=0) for at in range(count)
    ]
    most = max(loud) or 1
    return base64.b64encode(bytes(one * 255 // most for one in loud)).decode()
