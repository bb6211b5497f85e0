"""Looking into files: images by Pillow, videos by PyAV. Everything here is slow and runs in a thread."""

import io
import struct
import zlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from PIL import Image, ImageOps

from api.errors import TooLarge, UnsupportedMedia

FORMATS = ("PNG", "JPEG", "WEBP")
"""A fixed list: Pillow knows many more formats, each a way in for a crafted file."""
TYPES = {"PNG": ("image/png", "png"), "JPEG": ("image/jpeg", "jpg"), "WEBP": ("image/webp", "webp")}
PIXELS_MAX = 40_000_000
INPUT_EDGE_MAX = 4096
"""Input images are made smaller than this before they are kept: models look at less anyway."""
THUMBNAIL_EDGE = 512

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, IndexError, KeyError, TypeError, OverflowError)
"""What Pillow's decoders raise for damaged files."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A file and its thumbnail (WebP)."""

    data: bytes
    content_type: str
    extension: str
    width: int
    height: int
    thumbnail: bytes
    thumbnail_size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Clip:
    width: int
    height: int
    duration_ms: int | None
    thumbnail: bytes
    thumbnail_size: tuple[int, int]


def decode_picture(data: bytes) -> Image.Image:
    """Fully decoded. Raises `UnsupportedMedia`, `TooLarge`."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > PIXELS_MAX:
            raise TooLarge(f"The image has more than {PIXELS_MAX // 1_000_000} megapixels.")
        image.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLarge(f"The image has more than {PIXELS_MAX // 1_000_000} megapixels.") from error
    except _BROKEN as error:
        raise UnsupportedMedia("This is not an image that can be read. PNG, JPEG and WebP are taken.") from error
    return image


def read_picture(data: bytes) -> Picture:
    """The file stays as it is; it is decoded to the end to prove that it is what it says."""
    image = decode_picture(data)
    content_type, extension = TYPES[image.format or "PNG"]
    thumbnail, size = _thumbnail(image)
    return Picture(data, content_type, extension, image.width, image.height, thumbnail, size)


def clean_picture(data: bytes) -> Picture:
    """A user's image, written anew: turned as its EXIF says, then without EXIF or anything else that is not pixels."""
    image = decode_picture(data)
    kind = image.format or "PNG"
    turned = plain(ImageOps.exif_transpose(image), alpha=kind != "JPEG")
    turned.thumbnail((INPUT_EDGE_MAX, INPUT_EDGE_MAX))
    turned.info.clear()
    out = io.BytesIO()
    if kind == "PNG":
        turned.save(out, "PNG")
    else:
        turned.save(out, kind, quality=92)
    content_type, extension = TYPES[kind]
    thumbnail, size = _thumbnail(turned)
    return Picture(out.getvalue(), content_type, extension, turned.width, turned.height, thumbnail, size)


def plain(image: Image.Image, *, alpha: bool) -> Image.Image:
    wants_alpha = alpha and (image.has_transparency_data or image.mode in {"RGBA", "LA", "PA"})
    return image.convert("RGBA" if wants_alpha else "RGB")


def _thumbnail(image: Image.Image) -> tuple[bytes, tuple[int, int]]:
    small = plain(image, alpha=True)
    small.thumbnail((THUMBNAIL_EDGE, THUMBNAIL_EDGE))
    small.info.clear()
    out = io.BytesIO()
    small.save(out, "WEBP", quality=80)
    return out.getvalue(), small.size


def is_mp4(head: bytes) -> bool:
    """By the first box of the file, which names its type."""
    return head[4:8] == b"ftyp"


def read_clip(path: Path) -> Clip:
    """Size, length and first frame of a video. Raises `UnsupportedMedia`."""
    import av.error  # FFmpeg: a tenth of a second that no start should wait for

    try:
        with av.open(str(path), format="mp4") as container:
            if not container.streams.video:
                raise UnsupportedMedia("The file holds no video.")
            stream = container.streams.video[0]
            seconds = None
            if stream.duration is not None and stream.time_base is not None:
                seconds = stream.duration * stream.time_base
            elif container.duration is not None:
                seconds = Fraction(container.duration, av.time_base)
            frame = next(container.decode(stream), None)
            if frame is None:
                raise UnsupportedMedia("The video has no frames.")
            thumbnail, size = _thumbnail(frame.to_image())  # type: ignore[no-untyped-call]
            duration_ms = None if seconds is None else round(seconds * 1000)
            return Clip(frame.width, frame.height, duration_ms, thumbnail, size)
    except av.error.FFmpegError as error:
        raise UnsupportedMedia("The video cannot be read.") from error
