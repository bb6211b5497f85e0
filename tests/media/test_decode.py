"""Only whole PNG, JPEG and WebP images of a bearable size get in, and nothing but their pixels."""

import io
import random
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from api.errors import TooLarge, UnsupportedMedia
from api.media.decode import INPUT_EDGE_MAX, clean_picture, is_mp4, read_clip, read_picture
from tests.media.samples import clip, picture, turned_picture


@pytest.mark.parametrize(("kind", "content_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")])
def test_a_picture_is_read_with_a_thumbnail(kind: str, content_type: str) -> None:
    data = picture(kind, (1200, 900))
    found = read_picture(data)
    assert (found.data, found.content_type, found.width, found.height) == (data, content_type, 1200, 900)
    small = Image.open(io.BytesIO(found.thumbnail))
    assert (small.format, small.size, found.thumbnail_size) == ("WEBP", (512, 384), (512, 384))


@pytest.mark.parametrize("mode", ["P", "1", "L", "LA", "RGBA", "I;16"])
def test_every_kind_of_pixels_can_be_cleaned(mode: str) -> None:
    out = io.BytesIO()
    Image.new(mode, (10, 10)).save(out, "PNG")
    found = clean_picture(out.getvalue())
    assert Image.open(io.BytesIO(found.data)).mode in {"RGB", "RGBA"}


def test_cleaning_turns_as_exif_says_and_keeps_nothing_of_it() -> None:
    found = clean_picture(turned_picture())
    image = Image.open(io.BytesIO(found.data))
    assert (found.width, found.height) == image.size == (48, 64)
    assert not image.getexif()
    assert b"Exif" not in found.data


def test_cleaning_drops_text_and_what_follows_the_image() -> None:
    from PIL.PngImagePlugin import PngInfo

    notes = PngInfo()
    notes.add_text("comment", "a secret place")
    found = clean_picture(picture(pnginfo=notes) + b"<script>")
    assert b"secret" not in found.data
    assert b"<script>" not in found.data
    assert b"secret" not in clean_picture(picture("JPEG", comment=b"a secret place")).data


def test_a_large_input_is_made_smaller() -> None:
    found = clean_picture(picture("JPEG", (5000, 100)))
    assert found.width == INPUT_EDGE_MAX


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "ICO"])
def test_other_formats_are_refused(kind: str) -> None:
    with pytest.raises(UnsupportedMedia):
        read_picture(picture(kind))


@pytest.mark.parametrize("data", [b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.4", picture()[:60]])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    for read in (read_picture, clean_picture):
        with pytest.raises(UnsupportedMedia):
            read(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_damaged_images_are_refused_or_read_but_never_crash(kind: str) -> None:
    dice = random.Random(7)
    whole = picture(kind)
    for _ in range(150):
        broken = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        try:
            read_picture(bytes(broken[: dice.randrange(8, len(broken) + 1)]))
        except (UnsupportedMedia, TooLarge):
            continue


@pytest.mark.parametrize("side", [6_400, 10_000, 30_000])
def test_a_small_file_with_many_pixels_is_refused_before_it_is_unpacked(side: int) -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    with pytest.raises(TooLarge):
        read_picture(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b""))


def test_a_video_is_probed_and_gets_a_poster(tmp_path: Path) -> None:
    data = clip(tmp_path / "clip.mp4")
    assert is_mp4(data[:16])
    found = read_clip(tmp_path / "clip.mp4")
    assert (found.width, found.height, found.duration_ms, found.thumbnail_size) == (128, 72, 1000, (128, 72))
    assert Image.open(io.BytesIO(found.thumbnail)).format == "WEBP"


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for data in (picture(), b"\0\0\0\x18ftypmp42" + b"\0" * 50, clip(tmp_path / "cut.mp4")[:400]):
        path.write_bytes(data)
        with pytest.raises(UnsupportedMedia):
            read_clip(path)
