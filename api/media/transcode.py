"""Files written anew: smaller copies for the limits of chats, and MP4 of other videos. Everything
here is slow and runs in a decoder process."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from api.errors import TooLarge, UnsupportedMedia
from api.media.decoded import Shrunk
from api.media.file_types import JPEG, WEBP
from api.media.pictures import decode_picture, typed_errors
from api.media.videos import THREADS, shown_size

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

HEIGHTS = (2160, 1440, 1080, 720, 540, 360, 240)
BITS_PER_PIXEL = 0.05
"""Bits for moving pictures in H.264; with fewer bits, fewer pixels look better."""
LEAST_BITS = 100_000
"""Fewest bits for a second of video that is worth looking at."""
AUDIO_BITS = 96_000
FILLED = (0.92, 0.7)
"""Shares of the limit to aim at in the first and the second try, because an encoder meets its rate
only on average."""
QUALITIES = (90, 80)
EDGE_LEAST = 256
QUALITY = "20"
"""x264's quality for a video that only becomes an MP4: hardly a visible difference."""
PIXELS_MOST = 4096 * 2304
"""Pixels of a frame that is written by quality: encoding more takes too much memory."""
MISSING = 0.1
"""Share of the length that a container may promise too much; with more missing, the file was cut
short."""


def shrink_picture(data: bytes, most: int, *, large: bool = True) -> tuple[bytes, Shrunk]:
    """Write a picture with less detail, and with fewer pixels where that is not enough. Raises
    `TooLarge` when nothing helps, and as `decode_picture`."""
    image = decode_picture(data, large=large).image
    kind = WEBP if image.mode == "RGBA" else JPEG
    while max(image.size) >= EDGE_LEAST:
        for quality in QUALITIES:
            out = io.BytesIO()
            image.save(out, kind.name, quality=quality)
            if out.tell() <= most:
                return out.getvalue(), Shrunk(kind.content_type, kind.extension, *image.size)
        image = image.resize(
            (max(1, image.width * 3 // 4), max(1, image.height * 3 // 4)), Image.Resampling.LANCZOS
        )
    raise _too_large(most)


def shrink_video(source: Path, target: Path, most: int) -> Shrunk:
    """Write an MP4 (H.264, AAC) of at most `most` bytes to `target`. Raises `TooLarge` when it
    is too long for that, `UnsupportedMedia`, and `StorageFull`."""
    with typed_errors("unusable_video"):
        for filled in FILLED:
            size = _encode(source, "mp4", target, int(most * filled))
            if target.stat().st_size <= most:
                return Shrunk("video/mp4", "mp4", *size)
    raise _too_large(most)


def to_mp4(source: Path, container: str, target: Path) -> None:
    """Write an MP4 (H.264, AAC) of another video. `container`: FFmpeg's name. Raises
    `UnsupportedMedia` with the reason `cut_short` or `unusable_video`, and `StorageFull`."""
    with typed_errors("unusable_video"):
        _encode(source, container, target)


def _too_large(most: int) -> TooLarge:
    return TooLarge("video_too_long", megabytes=f"{most / 1_000_000:g}")


def _encode(source: Path, container: str, target: Path, aim: int | None = None) -> tuple[int, int]:
    """Encode, and return width and height. `aim`: bytes to come near to; None: by quality."""
    import av  # here and below, as in `read_clip`

    rotation = _rotation(source, container)
    with (
        av.open(str(source), format=container) as read,
        av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as made,
    ):
        video, audio = read.streams.video[0], next(iter(read.streams.audio), None)
        video.codec_context.thread_count = THREADS
        rate = video.average_rate or Fraction(25)
        bits = None if aim is None else _video_bits(read, aim, audio is not None)
        quality = {"crf": QUALITY} if bits is None else {"maxrate": str(bits), "bufsize": str(bits)}
        out = made.add_stream("libx264", rate=rate, options={"preset": "veryfast"} | quality)
        shown = shown_size(video, rotation)
        out.width, out.height = _size(
            shown, PIXELS_MOST if bits is None else bits / float(rate) / BITS_PER_PIXEL
        )
        out.pix_fmt = "yuv420p"
        if bits is not None:
            out.bit_rate = bits
        out.codec_context.thread_count = 1  # a copy must not slow down everything else
        if video.time_base is not None:
            out.codec_context.time_base = video.time_base
        streams: dict[Stream, Stream] = {video: out}
        if audio is not None:
            sound = made.add_stream("aac", rate=audio.rate)
            sound.bit_rate = AUDIO_BITS
            streams[audio] = sound
        upright, end = _upright(video, rotation), 0.0
        for stream, frame in _frames(read, list(streams)):
            end = max(end, frame.time or 0.0)
            _put(made, streams[stream], upright(frame) if stream is video else frame)
        for each in streams.values():
            _put(made, each, None)
        promised = (read.duration or 0) / av.time_base
        if container != "mp4" and end < promised * (1 - MISSING) - 1 / float(rate):
            raise UnsupportedMedia("cut_short")
        return out.width, out.height


def _rotation(source: Path, container: str) -> int:
    """Return the degrees against the clock by which the frames have to be turned."""
    import av

    with av.open(str(source), format=container) as read:
        read.streams.video[0].codec_context.thread_count = THREADS
        return next((frame.rotation for frame in read.decode(video=0)), 0)


def _upright(video: VideoStream, rotation: int) -> Callable[[VideoFrame], VideoFrame]:
    """Return a function that turns a frame, because the new video has no note of its rotation."""
    import av.filter

    steps = {90: ("cclock",), -90: ("clock",)}.get(
        rotation, ("clock", "clock") if abs(rotation) == 180 else ()
    )
    if not steps:
        return lambda frame: frame
    graph = av.filter.Graph()
    nodes = [
        graph.add_buffer(template=video),
        *(graph.add("transpose", step) for step in steps),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*nodes).configure()

    def turned(frame: VideoFrame) -> VideoFrame:
        graph.vpush(frame)
        return graph.vpull()

    return turned


def _frames(read: InputContainer, streams: Sequence[Stream]) -> Iterator[tuple[Stream, Any]]:
    for packet in read.demux(*streams):
        for frame in packet.decode():
            yield packet.stream, frame


def _put(made: OutputContainer, stream: Stream, frame: Any) -> None:
    made.mux(stream.encode(frame))  # type: ignore[attr-defined]


def _video_bits(read: InputContainer, aim: int, has_audio: bool) -> int:
    """Return the bits for a second. Raises `TooLarge` when they are too few."""
    import av

    seconds = (read.duration or 0) / av.time_base or 1.0
    bits = int(aim * 8 / seconds) - (AUDIO_BITS if has_audio else 0)
    if bits < LEAST_BITS:
        raise _too_large(aim)
    return bits


def _size(size: tuple[int, int], pixels: float) -> tuple[int, int]:
    """Return a size of the same shape with at most about `pixels`, even as H.264 needs it."""
    width, height = size
    short = min(size)
    edges = [short, *(edge for edge in HEIGHTS if edge < short)]
    fitting = (edge for edge in edges if edge * edge * width * height / short**2 <= pixels)
    edge = next(fitting, edges[-1])
    return max(2, round(width * edge / short / 2) * 2), max(2, round(height * edge / short / 2) * 2)
