"""Decoding of pictures by Pillow. Everything here is slow and runs in a decoder process.

Memory is bounded for any file: a JPEG is scaled while it is decoded, and other large pictures are
converted in strips. Every error of Pillow becomes a domain error.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from PIL import Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile

from api.errors import DomainError, StorageFull, TooLarge, UnsupportedMedia
from api.media import file_types
from api.media.decoded import Picture, Thumbnail
from api.media.disk_space import FULL
from api.media.file_types import JPEG, PNG, PictureKind
from api.media.picture_repair import is_cut_short, repaired
from api.reasons import Making, UnsupportedMediaReason

Image.MAX_IMAGE_PIXELS = None  # the limit here is one of memory, below

INPUT_EDGE_MAX = 4096
"""Longest side of a stored input image; models take no more anyway."""
THUMBNAIL_EDGE = 512
KEPT_PIXELS = 30_000_000
"""A picture with more pixels is scaled down by 2, 4 or 8 while it is decoded."""
THUMBNAIL_PIXELS = 1_500_000
"""The same limit when only a thumbnail is wanted."""
MEMORY_MAX, MEMORY_LARGE = 512_000_000, 150_000_000
"""Bytes that decoding a picture may take, and bytes above which it is a large picture."""

_BYTES = {"PNG": 4, "GIF": 4, "BMP": 4, "TIFF": 4, "HEIF": 8, "AVIF": 10, "WEBP": 16}
"""Measured memory of a decoder for each pixel."""
SCANS_MOST = 100
"""A progressive JPEG has about ten scans, and each takes as long as a whole picture."""
_MARKER = re.compile(rb"\xff+([^\x00\x01\xd0-\xd8\xff])", re.DOTALL)
"""JPEG's, except those without a segment."""
_SCAN, _END = b"\xda", b"\xd9"
_STRIP_PIXELS = 4_000_000
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_THEIR_SIDE = {5, 6, 7, 8}


@dataclass(frozen=True, slots=True)
class Decoded:
    """Upright pixels, RGB or RGBA, in sRGB. `width` and `height` are those of the file as shown,
    before scaling."""

    image: Image.Image
    kind: PictureKind
    width: int
    height: int


class LargePicture(Exception):
    """The picture is a large one, and the caller wants none."""


@contextmanager
def typed_errors(reason: UnsupportedMediaReason | Making, **params: Any) -> Iterator[None]:
    """Turn every foreign error into `UnsupportedMedia`, because decoders fail in many ways on
    crafted bytes, and into errors of ours where it is not the file's fault."""
    try:
        yield
    except (DomainError, LargePicture):
        raise
    except (MemoryError, BlockingIOError) as error:  # the second: no room for a thread
        raise TooLarge("memory_short") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise StorageFull("storage_full") from error
        raise UnsupportedMedia(reason, **params) from error


def decode_picture(data: bytes, pixels: int = KEPT_PIXELS, *, large: bool = True) -> Decoded:
    """Decode the whole picture, scaled down to about `pixels`. Raises `UnsupportedMedia`,
    `TooLarge`, and `LargePicture` unless it may be `large`."""
    kind = file_types.picture_kind(data[: file_types.HEAD])
    if kind is None:
        raise UnsupportedMedia("image_unreadable")
    try:
        with typed_errors("image_damaged", format=kind.extension.upper()):
            return _decoded(data, kind, pixels, large=large)
    except UnsupportedMedia:
        mended = repaired(data, kind)
        if mended is None:
            raise
        with typed_errors("image_damaged", format=kind.extension.upper()):
            return _decoded(mended, kind, pixels, large=large)


def made_picture(data: bytes, *, large: bool = True) -> Picture:
    """Read a provider's picture. Formats that chats and browsers show stay as they are; others are
    written anew as PNG or JPEG. Raises as `decode_picture` and `undecoded_picture`."""
    kind = file_types.picture_kind(data[: file_types.HEAD])
    pixels = THUMBNAIL_PIXELS if kind is not None and kind.plain else KEPT_PIXELS
    try:
        found = decode_picture(data, pixels, large=large)
    except (UnsupportedMedia, TooLarge):
        return undecoded_picture(data)
    if found.kind.plain:
        return Picture(data, found.kind, found.width, found.height, thumbnail(found.image))
    lossless = found.image.mode == "RGBA" or found.kind in {file_types.BMP, file_types.TIFF}
    return _written(found.image, PNG if lossless else JPEG, quality=95)


def undecoded_picture(data: bytes) -> Picture:
    """Measure a provider's picture that cannot be decoded: it stays as it is when a browser may
    show it. Raises `UnsupportedMedia` with the reason `cut_short` or `unusable_image`."""
    kind = file_types.picture_kind(data[: file_types.HEAD])
    size = _head_size(data, kind) if kind is not None and kind.browsers else None
    if kind is not None and is_cut_short(data, kind):
        raise UnsupportedMedia("cut_short")
    if kind is None or size is None:
        raise UnsupportedMedia("unusable_image")
    return Picture(data, kind, *size, None)


def clean_picture(data: bytes, *, large: bool = True) -> Picture:
    """Write a user's image anew: upright by its EXIF, and with nothing except pixels. Raises as
    `decode_picture`."""
    found = decode_picture(data, large=large)
    image = found.image
    image.thumbnail((INPUT_EDGE_MAX, INPUT_EDGE_MAX))
    if found.kind in {PNG, file_types.WEBP}:
        return _written(image, found.kind, quality=92)
    lossless = image.mode == "RGBA" or found.kind in {file_types.GIF, file_types.BMP}
    return _written(image, PNG if lossless else JPEG, quality=92)


def thumbnail(image: Image.Image) -> Thumbnail:
    """Make a thumbnail of RGB or RGBA pixels."""
    small = image.copy()
    small.thumbnail((THUMBNAIL_EDGE, THUMBNAIL_EDGE))
    out = io.BytesIO()
    small.save(out, "WEBP", quality=80)
    return Thumbnail(out.getvalue(), *small.size)


def _written(image: Image.Image, kind: PictureKind, quality: int) -> Picture:
    out = io.BytesIO()
    if kind is PNG:
        image.save(out, kind.name)
    else:
        image.save(out, kind.name, quality=quality)
    return Picture(out.getvalue(), kind, *image.size, thumbnail(image))


def _opened(data: bytes, kind: PictureKind) -> Image.Image:
    """Read the head only."""
    if kind is JPEG:
        # `Image.open` takes a JPEG with an index of pictures for another format
        return JpegImageFile(io.BytesIO(data))
    if kind is file_types.HEIF:
        from pillow_heif import HeifImageFile  # here, because no start should wait for it

        return HeifImageFile(io.BytesIO(data))  # type: ignore[no-untyped-call]
    return Image.open(io.BytesIO(data), formats=(kind.name,))


def _head_size(data: bytes, kind: PictureKind) -> tuple[int, int] | None:
    """Return the size as shown, or as stored where the EXIF cannot be read."""
    try:
        with typed_errors("image_unreadable"):
            image = _opened(data, kind)
            size = image.size
            return size[::-1] if _orientation(image) in _ON_THEIR_SIDE else size
    except DomainError:
        return None


def _decoded(data: bytes, kind: PictureKind, pixels: int, *, large: bool) -> Decoded:
    image = _opened(data, kind)
    width, height = image.size
    scale = next((scale for scale in (1, 2, 4) if width * height <= pixels * scale**2), 8)
    memory = _memory(image, kind, scale)
    if memory > MEMORY_MAX:
        raise TooLarge(
            "pixels_too_many",
            megapixels=round(width * height / 1_000_000),
            format=kind.extension.upper(),
        )
    if memory > MEMORY_LARGE and not large:
        raise LargePicture
    before = image.size
    if kind is JPEG:
        _check_scans(data)
        image.draft(None, (width // scale, height // scale))
    drafted = image.size != before
    image.load()
    orientation = _orientation(image)
    # some decoders turn it by themselves, which the size tells
    width, height = (width, height) if drafted else image.size
    image = _plain(image, 1 if drafted else scale)
    if orientation in _TURNS:
        image = image.transpose(_TURNS[orientation])
    if orientation in _ON_THEIR_SIDE:
        width, height = height, width
    return Decoded(image, kind, width, height)


def _check_scans(jpeg: bytes) -> None:
    """Raise `TooLarge` for a JPEG of too many scans. Pictures inside its segments and behind its
    end do not count."""
    scans, at = 0, 0
    while (marker := _MARKER.search(jpeg, at)) is not None and marker[1] != _END:
        at = marker.end() + int.from_bytes(jpeg[marker.end() : marker.end() + 2], "big")
        scans += marker[1] == _SCAN
        if scans >= SCANS_MOST:
            raise TooLarge("scans_too_many", scans=SCANS_MOST)


def _memory(image: Image.Image, kind: PictureKind, scale: int) -> float:
    """Return the bytes that decoding takes."""
    if not isinstance(image, JpegImageFile):
        return image.width * image.height * _BYTES[kind.name]
    each = 4 / scale**2
    if image.info.get("progressive"):
        # all its coefficients are in memory before the first row can be made
        sampling = [(across, down) for _, across, down, _ in image.layer]
        most = max(across for across, _ in sampling) * max(down for _, down in sampling)
        each += 2 * sum(across * down for across, down in sampling) / most
    return image.width * image.height * each


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation; 1 where it cannot be read."""
    try:
        with typed_errors("image_unreadable"):
            return int(image.getexif().get(_ORIENTATION, 1))
    except DomainError:
        return 1


def _plain(image: Image.Image, scale: int) -> Image.Image:
    """Convert to RGB or RGBA in sRGB and scale down, in strips, because each conversion would
    hold a large picture once more."""
    clear = image.has_transparency_data or image.mode in {"RGBA", "RGBa", "LA", "La", "PA"}
    wanted = "RGBA" if clear else "RGB"
    to_srgb, levels = _to_srgb(image, wanted), _levels(image)
    made = Image.new(wanted, (-(-image.width // scale), -(-image.height // scale)))
    rows = max(1, _STRIP_PIXELS // (image.width * scale)) * scale
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(image.height, top + rows)))
        if levels is not None:
            strip = _levelled(strip, *levels)
        if to_srgb is None or strip.mode != to_srgb.input_mode:
            strip = strip.convert(wanted)
        if to_srgb is not None and strip.mode == to_srgb.input_mode:
            strip = ImageCms.applyTransform(strip, to_srgb) or strip
        made.paste(strip.reduce(scale) if scale > 1 else strip, (0, top // scale))
    return made


def _levelled(image: Image.Image, factor: float, offset: float) -> Image.Image:
    return image.convert("F").point(lambda value: value * factor + offset).convert("L")


def _levels(image: Image.Image) -> tuple[float, float] | None:
    """Return factor and offset from grey of more than 8 bits, which Pillow would clip, to
    0..255."""
    if image.mode.startswith("I;16"):
        return 1 / 257, 0.0
    if image.mode not in {"I", "F"}:
        return None
    least, most = cast("tuple[float, float]", image.getextrema())
    tops = (1.0 if image.mode == "F" else 255.0, 255.0, 65535.0)
    top = next((top for top in tops if least >= 0 and most <= top), None)
    if top is not None:
        return 255 / top, 0.0
    return 255 / (most - least), -least * 255 / (most - least)


def _to_srgb(image: Image.Image, wanted: str) -> ImageCms.ImageCmsTransform | None:
    """Return the transform of the embedded profile; None without a usable one."""
    embedded = image.info.get("icc_profile")
    if not embedded:
        return None
    try:
        with typed_errors("image_unreadable"):
            profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
            space = profile.profile.xcolor_space.strip()
            others = {("GRAY", "L"): "L", ("CMYK", "CMYK"): "CMYK"}
            given = wanted if space == "RGB" else others.get((space, image.mode))
            if given is None or wanted not in {given, "RGB"}:
                return None
            return ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), given, wanted)
    except DomainError:
        return None
