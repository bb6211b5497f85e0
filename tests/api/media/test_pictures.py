"""Complete pictures of every usual format get in, stripped to their pixels, within the memory
limit."""

import io
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from typing import cast

import pytest
from PIL import Image, ImageCms, ImageOps

from api.errors import TooLarge, UnsupportedMedia
from api.media import pictures
from api.media.pictures import INPUT_EDGE_MAX, clean_picture, made_picture
from tests.api.media.samples import CASES, case, picture, turned_picture


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("GIF", "image/gif")],
)
def test_a_picture_is_read_with_a_thumbnail(kind: str, content_type: str) -> None:
    data = picture(kind, (1200, 900))
    found = made_picture(data)
    seen = (found.data, found.kind.content_type, found.width, found.height)
    assert seen == (data, content_type, 1200, 900)
    assert found.thumbnail is not None
    small = opened(found.thumbnail.data)
    shown = (small.format, small.size, (found.thumbnail.width, found.thumbnail.height))
    assert shown == ("WEBP", (512, 384), (512, 384))
    assert Image.Image.getpixel(small.convert("L"), (200, 200)) == pytest.approx(76, abs=3)


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


@pytest.mark.parametrize(
    ("name", "made", "cleaned"),
    [
        ("ok.heic", "JPEG", "JPEG"),
        ("ok.avif", "JPEG", "JPEG"),
        ("ok.bmp", "PNG", "PNG"),
        ("ok.tiff", "PNG", "JPEG"),
        ("ok.gif", "GIF", "PNG"),
        ("anim.gif", "GIF", "PNG"),
    ],
)
def test_other_formats_become_those_that_everybody_shows(
    name: str, made: str, cleaned: str
) -> None:
    data = case(f"other-formats/{name}")
    size = (160, 120) if name == "anim.gif" else (256, 192)
    for read, kind in ((made_picture, made), (clean_picture, cleaned)):
        found = read(data)
        image = opened(found.data)
        seen = (image.format, image.size, (found.width, found.height), found.kind.name)
        assert seen == (kind, size, size, kind)
        assert found.thumbnail is not None
    assert (made_picture(data).data == data) == (made == "GIF")


def test_transparent_pictures_stay_so() -> None:
    for kind in ("TIFF", "AVIF", "GIF", "WEBP", "PNG"):
        data = (
            picture(kind, mode="RGBA") if kind != "GIF" else picture(kind, mode="P", transparency=0)
        )
        assert opened(clean_picture(data).data).convert("RGBA").mode == "RGBA"
    half = io.BytesIO()
    Image.new("RGBA", (8, 8), (255, 0, 0, 128)).save(half, "TIFF")
    assert opened(clean_picture(half.getvalue()).data).getpixel((3, 3)) == (255, 0, 0, 128)


@pytest.mark.parametrize("kind", ["ICO", "PPM", "PCX", "TGA", "JPEG2000"])
def test_other_formats_are_refused(kind: str) -> None:
    for read in (made_picture, clean_picture):
        with pytest.raises(UnsupportedMedia):
            read(picture(kind))


def test_a_jpeg_with_an_index_of_pictures_is_a_jpeg() -> None:
    data = case("jpeg-mpf/mpo.jpg")
    assert Image.open(io.BytesIO(data)).format == "MPO"
    found = made_picture(data)
    seen = (found.data, found.kind.content_type, found.width, found.height)
    assert seen == (data, "image/jpeg", 256, 192)
    assert clean_picture(data).kind.content_type == "image/jpeg"
    place = data.index(b"MPF\0")
    for damaged in (
        bytes(12),
        b"II*\0\xff\xff\xff\x7f\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff\0\0",
    ):
        broken = data[: place + 4] + damaged + data[place + 16 :]
        assert (made_picture(broken).width, clean_picture(broken).width) == (256, 256)


def test_grey_of_16_bits_is_scaled() -> None:
    found = clean_picture(case("gray16/gray16.png"))
    assert found.thumbnail is not None
    ramp = opened(case("gray16/gray16.png"))
    for image in (opened(found.data), opened(found.thumbnail.data)):
        for place in ((0, 0), (128, 96), (40, 150), (255, 191)):
            seen = image.convert("L").getpixel(place)
            assert seen == pytest.approx(cast("int", ramp.getpixel(place)) / 257, abs=4)


@pytest.mark.parametrize(
    ("mode", "code", "most", "middle"),
    [
        ("F", "<3f", 1, 127),
        ("F", "<3f", 255, 127),
        ("F", "<3f", 1_000_000, 127),
        ("I", "<3i", 255, 127),
        ("I", "<3i", 30_000, 58),
        ("I", "<3i", 1_000_000, 127),
        ("I;16", "<3H", 65_535, 127),
        ("I;16B", ">3H", 65_535, 127),
    ],
)
def test_tiffs_of_more_than_8_bits_are_scaled(mode: str, code: str, most: int, middle: int) -> None:
    """The largest number in the file decides the scale."""
    pixels = struct.pack(
        code, 0, *(value if mode == "F" else round(value) for value in (most / 2, most))
    )
    out = io.BytesIO()
    Image.frombytes(mode, (3, 1), pixels).save(out, "TIFF")
    cleaned = opened(made_picture(out.getvalue()).data).convert("L")
    assert [cleaned.getpixel((place, 0)) for place in (0, 1)] == pytest.approx([0, middle], abs=2)


@pytest.mark.parametrize("name", ["icc_swapped.jpg", "icc_swapped.png"])
def test_colours_are_those_of_the_profile(name: str) -> None:
    """The profile's red is blue: dropping the profile would swap them."""
    data = case(f"icc-profile/{name}")
    as_stored = opened(data).convert("RGB")
    cleaned = clean_picture(data)
    assert cleaned.thumbnail is not None
    assert "icc_profile" not in opened(cleaned.data).info
    made = made_picture(data).thumbnail
    assert made is not None
    for shown in (cleaned.data, cleaned.thumbnail.data, made.data):
        image = opened(shown).convert("RGB")
        for place in ((60, 60), (128, 96), (200, 150)):
            red, green, blue = as_stored.getpixel(place)  # type: ignore[misc]
            assert image.getpixel(place) == pytest.approx((blue, green, red), abs=30)


def test_profiles_of_grey_and_of_print_and_broken_ones() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for mode in ("L", "CMYK", "RGB"):
        for embedded in (profile, b"no profile at all", profile[:200]):
            assert (
                opened(clean_picture(picture("JPEG", mode=mode, icc_profile=embedded)).data).mode
                == "RGB"
            )


def test_a_picture_on_its_side_is_measured_and_shown_upright() -> None:
    found = made_picture(turned_picture())
    assert (found.data, found.width, found.height) == (turned_picture(), 48, 64)
    assert found.thumbnail is not None
    assert (found.thumbnail.width, found.thumbnail.height) == (48, 64)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "AVIF"])
def test_every_turn_is_made_as_pillow_makes_it(kind: str, turn: int) -> None:
    image = Image.new("RGB", (64, 32), "black")
    image.paste((255, 255, 255), (0, 0, 32, 16))
    exif = Image.Exif()
    exif[0x0112] = turn
    out = io.BytesIO()
    image.save(out, kind, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(out.getvalue()))).convert("L")
    found = made_picture(out.getvalue())
    assert (found.width, found.height) == upright.size
    assert found.thumbnail is not None
    shown = opened(found.thumbnail.data).convert("L")
    for place in (
        (4, 4),
        (upright.width - 5, 4),
        (4, upright.height - 5),
        (upright.width - 5, upright.height - 5),
    ):
        assert shown.getpixel(place) == pytest.approx(upright.getpixel(place), abs=40)


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.4", picture()[:60]],
)
def test_files_that_are_no_image_are_refused(data: bytes) -> None:
    for read in (made_picture, clean_picture):
        with pytest.raises(UnsupportedMedia):
            read(data)


def chunk(name: bytes, body: bytes, check: int | None = None) -> bytes:
    return (
        struct.pack(">I", len(body))
        + name
        + body
        + struct.pack(">I", zlib.crc32(name + body) if check is None else check)
    )


def with_chunk(made: bytes) -> bytes:
    """Return a PNG with one more chunk after its header."""
    whole = picture()
    return whole[:33] + made + whole[33:]


MEGABYTE = zlib.compress(bytes(1_000_000))
BROWSERS_SHOW = {
    "a JPEG without its end": picture("JPEG")[:-2],
    "a PNG without its end": picture()[:-12],
    "a PNG with half an end": picture()[:-5],
    "a bad checksum of a text": with_chunk(chunk(b"tEXt", b"Comment\0hello", check=1)),
    "a bad checksum of a time": with_chunk(chunk(b"tIME", bytes(7), check=1)),
    "a text that unpacks to 3 MB": with_chunk(
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(3_000_000)))
    ),
    "70 MB of text": with_chunk(
        b"".join(chunk(b"zTXt", b"%d\0\0" % n + MEGABYTE) for n in range(70))
    ),
    "a profile that is none": with_chunk(chunk(b"iCCP", b"x\0\0" + zlib.compress(b"nothing"))),
    "EXIF that is none": with_chunk(chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\x01nothing")),
}


@pytest.mark.parametrize("data", BROWSERS_SHOW.values(), ids=BROWSERS_SHOW)
def test_pictures_that_every_browser_shows_are_taken(data: bytes) -> None:
    found = made_picture(data)
    seen = (found.data, found.width, found.height, found.thumbnail is not None)
    assert seen == (data, 64, 48, True)
    shown = opened(clean_picture(data).data).convert("RGB").getpixel((20, 20))
    assert shown == pytest.approx((255, 0, 0), abs=3)


def test_a_made_picture_that_nobody_can_look_into_is_kept() -> None:
    whole = bytearray(picture(size=(300, 200)))
    whole[60:70] = bytes(10)  # inside the pixel data
    with pytest.raises(UnsupportedMedia):
        clean_picture(bytes(whole))
    found = made_picture(bytes(whole))
    seen = (found.data, found.kind.content_type, found.width, found.height, found.thumbnail)
    assert seen == (bytes(whole), "image/png", 300, 200, None)


@pytest.mark.parametrize(
    "raised", [RuntimeError, KeyError, AttributeError, RecursionError, MemoryError, UserWarning]
)
def test_any_error_of_a_decoder_becomes_one_of_ours(
    raised: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise raised

    monkeypatch.setattr(pictures, "_plain", fails)
    assert made_picture(picture()).data == picture()
    with pytest.raises((UnsupportedMedia, TooLarge)):
        clean_picture(picture())


@pytest.mark.parametrize(("kind", "left"), [("PNG", 200), ("WEBP", 200), ("JPEG", 300)])
def test_a_made_picture_that_was_cut_short_says_so(kind: str, left: int) -> None:
    noise = Image.frombytes("RGB", (64, 48), random.Random(3).randbytes(64 * 48 * 3))
    out = io.BytesIO()
    noise.save(out, kind)
    with pytest.raises(UnsupportedMedia) as refused:
        made_picture(out.getvalue()[:left])
    assert refused.value.reason == "cut_short"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b'{"error": "no"}',
        b"<html>",
        b"II*\0nothing",
        b"\x89PNG\r\n\x1a\n" + bytes(50),
    ],
)
def test_a_made_file_that_is_no_picture_says_so(data: bytes) -> None:
    with pytest.raises(UnsupportedMedia) as refused:
        made_picture(data)
    assert refused.value.reason in {"unusable_image", "cut_short"}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF"])
def test_damaged_images_are_refused_or_read_but_never_crash(kind: str) -> None:
    dice = random.Random(7)
    whole = case("other-formats/ok.heic") if kind == "HEIF" else picture(kind)
    for _ in range(100):
        broken = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        for read in (made_picture, clean_picture):
            try:
                read(bytes(broken[: dice.randrange(8, len(broken) + 1)]))
            except (UnsupportedMedia, TooLarge):
                continue


@pytest.mark.parametrize("side", [12_000, 30_000])
def test_a_small_file_with_many_pixels_is_refused_before_it_is_unpacked(side: int) -> None:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    data = (
        b"\x89PNG\r\n\x1a\n"
        + head
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(TooLarge):
        clean_picture(data)
    found = made_picture(data)
    assert (found.width, found.height, found.thumbnail) == (side, side, None), (
        "the provider's own is kept without a look"
    )


def test_a_photo_of_41_megapixels_is_scaled_while_it_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, decoded = case("big-photos/k41.jpg"), []
    plain: Callable[[Image.Image, int], Image.Image] = pictures._plain

    def watched(image: Image.Image, scale: int) -> Image.Image:
        decoded.append(image.size)
        return plain(image, scale)

    monkeypatch.setattr(pictures, "_plain", watched)
    found = clean_picture(data)
    assert (found.width, found.height, opened(found.data).size) == (3200, 3200, (3200, 3200))
    made = made_picture(data)
    seen = (made.data, made.width, made.height, made.thumbnail is not None)
    assert seen == (data, 6400, 6400, True)
    assert decoded == [(3200, 3200), (800, 800)]


def test_a_photo_that_is_decoded_whole_is_scaled_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_STRIP_PIXELS", 1000)
    image = Image.radial_gradient("L").resize((301, 203)).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize((301, 203)))
    out = io.BytesIO()
    image.save(out, "PNG")
    found = pictures.decode_picture(out.getvalue(), 4_000)
    seen = (found.width, found.height, found.image.size, found.image.mode)
    assert seen == (301, 203, (76, 51), "RGBA")
    for place in ((0, 0), (37, 25), (75, 50), (10, 40)):
        assert found.image.getpixel(place) == pytest.approx(image.reduce(4).getpixel(place), abs=2)


def test_memory_is_bounded_and_given_back() -> None:
    """Another process reads eight large pictures, and prints its peak and its remainder in MB above
    the start."""
    script = """
import io, sys
from PIL import Image
from api import malloc
from api.media.pictures import clean_picture, made_picture
malloc.give_back()
def memory(name):
    lines = [line for line in open("/proc/self/status") if line.startswith(name)]
    return int(lines[0].split()[1]) // 1024
flat = io.BytesIO()
Image.new("L", (7000, 6000)).save(flat, "PNG", compress_level=1)
photo = open(sys.argv[1], "rb").read()
clean_picture(photo)
before = memory("VmRSS")
for data in [flat.getvalue(), photo] * 2:
    made_picture(data), clean_picture(data)
print(memory("VmHWM") - before, memory("VmRSS") - before)
"""
    run = subprocess.run(
        [sys.executable, "-c", script, CASES / "big-photos/k41.jpg"],
        capture_output=True,
        text=True,
        check=True,
    )
    most, kept = (int(each) for each in run.stdout.split())
    assert most < 400
    assert kept < 40


def test_a_large_picture_is_refused_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MEMORY_LARGE", 1000)
    for read in (made_picture, clean_picture):
        with pytest.raises(pictures.LargePicture):
            read(picture(), large=False)
        assert read(picture()).thumbnail is not None
