"""Smaller copies of finished files, for chats that take no larger ones. All of it is slow and runs in a thread."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageOps

from api.errors import TooLarge, UnsupportedMedia
from api.media.decode import decode_picture, plain

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.stream import Stream

HEIGHTS = (2160, 1440, 1080, 720, 540, 360, 240)
BITS_PER_PIXEL = 0.05
"""Of moving pictures in H.264; with less it is better to have fewer pixels."""
LEAST_BITS = 100_000
"""A second of video below this is not worth looking at."""
AUDIO_BITS = 96_000
FILLED = (0.92, 0.7)
"""How much of the limit is aimed at, first and when that came out too large: an encoder meets its rate only on average."""
QUALITIES = (90, 80)
EDGE_LEAST = 256


class Stopped(Exception):
    """The process ends."""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """What was made, and how it is."""

    content_type: str
    extension: str
    width: int
    height: int


def shrink_picture(data: bytes, most: int) -> tuple[bytes, Shrunk]:
    """Written anew with less detail, and with fewer pixels where that is not enough. Raises `TooLarge` when nothing helps."""
    image = decode_picture(data)
    image = plain(ImageOps.exif_transpose(image), alpha=True)
    kind, content_type, extension = ("WEBP", "image/webp", "webp") if image.mode == "RGBA" else ("JPEG", "image/jpeg", "jpg")
    image.info.clear()
    while max(image.size) >= EDGE_LEAST:
        for quality in QUALITIES:
            out = io.BytesIO()
            image.save(out, kind, quality=quality)
            if out.tell() <= most:
                return out.getvalue(), Shrunk(content_type, extension, *image.size)
        image = image.resize((max(1, image.width * 3 // 4), max(1, image.height * 3 // 4)), Image.Resampling.LANCZOS)
    raise _too_large(most)


def shrink_video(source: Path, target: Path, most: int, stop: Event) -> Shrunk:
    """An MP4 (H.264, AAC) of at most `most` bytes at `target`. Raises `TooLarge` when it is too long for that, `UnsupportedMedia`,
    `Stopped`."""
    import av.error  # here and below, as in `read_clip`

    try:
        for filled in FILLED:
            size = _encode(source, target, int(most * filled), stop)
            if target.stat().st_size <= most:
                return Shrunk("video/mp4", "mp4", *size)
    except av.error.FFmpegError as error:
        raise UnsupportedMedia("The video cannot be made smaller.") from error
    raise _too_large(most)


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"The file cannot be made as small as {most / 1_000_000:g} MB.")


def _encode(source: Path, target: Path, aim: int, stop: Event) -> tuple[int, int]:
    import av

    with av.open(str(source), format="mp4") as read, av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as made:
        video, audio = read.streams.video[0], next(iter(read.streams.audio), None)
        rate = video.average_rate or Fraction(25)
        bits = _video_bits(read, aim, audio is not None)
        out = made.add_stream("libx264", rate=rate, options={"preset": "veryfast", "maxrate": str(bits), "bufsize": str(bits)})
        out.width, out.height = _size((video.width, video.height), bits / float(rate) / BITS_PER_PIXEL)
        out.pix_fmt, out.bit_rate = "yuv420p", bits
        out.codec_context.thread_count = 1  # a copy for a chat must not slow down everything else
        if video.time_base is not None:
            out.codec_context.time_base = video.time_base
        streams: dict[Stream, Stream] = {video: out}
        if audio is not None:
            sound = made.add_stream("aac", rate=audio.rate)
            sound.bit_rate = AUDIO_BITS
            streams[audio] = sound
        for stream, frame in _frames(read, list(streams), stop):
            _put(made, streams[stream], frame)
        for each in streams.values():
            _put(made, each, None)
        return out.width, out.height


def _frames(read: InputContainer, streams: Sequence[Stream], stop: Event) -> Iterator[tuple[Stream, Any]]:
    for packet in read.demux(*streams):
        if stop.is_set():
            raise Stopped
        for frame in packet.decode():
            yield packet.stream, frame


def _put(made: OutputContainer, stream: Stream, frame: Any) -> None:
    made.mux(stream.encode(frame))  # type: ignore[attr-defined]


def _video_bits(read: InputContainer, aim: int, has_audio: bool) -> int:
    """A second. Raises `TooLarge` when there would be next to none."""
    import av

    seconds = (read.duration or 0) / av.time_base or 1.0
    bits = int(aim * 8 / seconds) - (AUDIO_BITS if has_audio else 0)
    if bits < LEAST_BITS:
        raise _too_large(aim)
    return bits


def _size(size: tuple[int, int], pixels: float) -> tuple[int, int]:
    """The same shape with about as many pixels as the bits are enough for; even, as H.264 wants it."""
    width, height = size
    short = min(size)
    edges = [short, *(edge for edge in HEIGHTS if edge < short)]
    edge = next((edge for edge in edges if edge * edge * width * height / short**2 <= pixels), edges[-1])
    return max(2, round(width * edge / short / 2) * 2), max(2, round(height * edge / short / 2) * 2)
