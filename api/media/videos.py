"""Size, length and a frame of videos, by PyAV. Everything here is slow and runs in a decoder
process."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image, ImageStat

from api.errors import UnsupportedMedia
from api.media.decoded import Clip, Thumbnail
from api.media.file_types import FIRST_BOXES
from api.media.pictures import THUMBNAIL_EDGE, thumbnail, typed_errors

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

THREADS = 2
"""Threads that decode a video. By default it is one for each core, with frames of its own, and
memory would grow with the machine."""
POSTER_STEP, POSTER_SECONDS = 0.25, 5.0
"""Seconds between the tried frames, and their end, when a video begins with an empty frame."""
_DARK, _FLAT = 20, 4
"""Mean and spread of the brightness (0 to 255) of an empty frame."""
_BOXES = FIRST_BOXES | {b"moof", b"mfra", b"sidx", b"meta", b"udta"}


def load() -> None:
    """Load what the first video would wait for."""
    import av  # noqa: F401

    thumbnail(Image.new("RGB", (8, 8)))


def read_clip(path: Path, *, poster: bool = True) -> Clip:
    """Read size, length and, as its `poster`, a frame of an MP4. Raises `UnsupportedMedia` with
    the reason `cut_short` or `unusable_video`."""
    with typed_errors("unusable_video"):
        with path.open("rb") as file:
            _check_whole(file, path.stat().st_size)
        return _read(path, poster=poster)


def _check_whole(file: BinaryIO, size: int) -> None:
    """Raise `UnsupportedMedia` for an MP4 that is cut short. It is a row of boxes that begin with
    their length, so the last one must end with the file."""
    seen: set[bytes] = set()
    start = 0
    while start + 8 <= size:
        file.seek(start)
        head = file.read(16)
        name, length = head[4:8], int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length == 0:
            length = size - start
        if length < 8:
            break
        if start + length > size and (name in _BOXES or not {b"moov", b"mdat"} <= seen):
            raise UnsupportedMedia("cut_short")
        seen.add(name)
        start += length


def _read(path: Path, *, poster: bool) -> Clip:
    import av  # FFmpeg: a tenth of a second that no start should wait for

    with av.open(str(path), format="mp4") as container:
        if not container.streams.video:
            raise UnsupportedMedia("unusable_video")
        stream = container.streams.video[0]
        stream.codec_context.thread_count = THREADS
        seconds = None
        if stream.duration is not None and stream.time_base is not None:
            seconds = stream.duration * stream.time_base
        elif container.duration is not None:
            seconds = Fraction(container.duration, av.time_base)
        duration_ms = None if seconds is None else round(seconds * 1000)
        frame = _poster(container, stream) if poster else None
        width, height = shown_size(stream, 0 if frame is None else frame.rotation)
        shown = None if frame is None else _thumbnail(frame, (width, height))
        return Clip(width, height, duration_ms, shown)


def shown_size(stream: VideoStream, rotation: int) -> tuple[int, int]:
    """Return the size with square pixels, turned. `rotation`: degrees against the clock."""
    width = round(stream.width * (stream.sample_aspect_ratio or 1))
    return (width, stream.height) if rotation % 180 == 0 else (stream.height, width)


def _poster(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    """Return the first frame that is not empty, or the first one. None when none can be decoded,
    because other players may do better."""
    import av.error

    first, looked_at = None, 0.0
    try:
        for frame in container.decode(stream):
            first, at = first or frame, frame.time or 0.0
            if frame is not first and at < looked_at:
                continue
            if _shows_something(frame):
                return frame
            if at > POSTER_SECONDS:
                break
            looked_at = at + POSTER_STEP
    except av.error.FFmpegError:
        return first
    return first


def _shows_something(frame: VideoFrame) -> bool:
    small = frame.reformat(width=64, height=64, format="gray", threads=1)
    brightness = ImageStat.Stat(small.to_image(threads=1))  # type: ignore[no-untyped-call]
    return brightness.mean[0] > _DARK and brightness.stddev[0] > _FLAT


def _thumbnail(frame: VideoFrame, shown: tuple[int, int]) -> Thumbnail:
    # FFmpeg makes it small, in a tenth of Pillow's time; each step below holds it once more
    scale = max(1.0, max(shown) / THUMBNAIL_EDGE)
    size = max(1, round(shown[0] / scale)), max(1, round(shown[1] / scale))
    on_its_side = frame.rotation % 180 != 0
    width, height = size[::-1] if on_its_side else size
    small = frame.to_image(  # type: ignore[no-untyped-call]
        width=width, height=height, threads=1, interpolation="AREA"
    )
    return thumbnail(small.rotate(frame.rotation, expand=True).convert("RGB"))
