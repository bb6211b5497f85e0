"""A video is measured as it is shown, and a truncated one is recognised."""

import io
import struct
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image

from api.errors import UnsupportedMedia
from api.media import transcode
from api.media.file_types import HEAD, video_format
from api.media.videos import read_clip
from tests.api.media.samples import CASES, case, clip, picture


def shades(path: Path, values: list[int], **options: str) -> bytes:
    """Return a video with a frame for each value at 10 a second: 0 is black, anything else a ramp
    up to it."""
    with av.open(str(path), "w", format="mp4", options=options) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 128, 72, "yuv420p"
        stream.time_base = Fraction(1, 10)
        for number, value in enumerate(values):
            ramp = (
                Image.linear_gradient("L")
                .resize((128, 72))
                .point(lambda each, value=value: each * value // 255)
            )
            frame = av.VideoFrame.from_image(ramp.convert("RGB"))  # type: ignore[no-untyped-call]
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


def test_a_video_is_probed_and_gets_a_poster(tmp_path: Path) -> None:
    data = clip(tmp_path / "clip.mp4")
    assert video_format(data[:HEAD]) == "mp4"
    found = read_clip(tmp_path / "clip.mp4")
    assert found.thumbnail is not None
    assert (found.width, found.height, found.duration_ms) == (128, 72, 1000)
    assert (found.thumbnail.width, found.thumbnail.height) == (128, 72)
    assert Image.open(io.BytesIO(found.thumbnail.data)).format == "WEBP"


@pytest.mark.parametrize(("name", "size"), [("rot90.mp4", (180, 320)), ("sar.mp4", (427, 480))])
def test_a_video_is_as_large_as_it_is_shown(name: str, size: tuple[int, int]) -> None:
    found = read_clip(CASES / "video-geometry" / name)
    assert found.thumbnail is not None
    assert (found.width, found.height) == (found.thumbnail.width, found.thumbnail.height) == size


def test_the_poster_stands_upright(tmp_path: Path) -> None:
    """The stored frame is turned clockwise, as its matrix says."""
    with av.open(str(CASES / "video-geometry" / "rot90.mp4")) as container:
        stored = next(container.decode(video=0)).to_image()  # type: ignore[no-untyped-call]
    thumbnail = read_clip(CASES / "video-geometry" / "rot90.mp4").thumbnail
    assert thumbnail is not None
    upright = stored.transpose(Image.Transpose.ROTATE_270).convert("L")
    shown = Image.open(io.BytesIO(thumbnail.data)).convert("L")
    for place in ((10, 10), (170, 10), (10, 310), (90, 160)):
        assert shown.getpixel(place) == pytest.approx(upright.getpixel(place), abs=25)


@pytest.mark.parametrize("lost", [1500, 100, 1])
@pytest.mark.parametrize(
    "options", [{"movflags": "faststart"}, {}], ids=["index first", "index last"]
)
def test_a_video_that_was_cut_short_says_so(
    tmp_path: Path, lost: int, options: dict[str, str]
) -> None:
    data = shades(tmp_path / "whole.mp4", [20 * n for n in range(12)], **options)
    (tmp_path / "cut.mp4").write_bytes(data[:-lost])
    assert read_clip(tmp_path / "whole.mp4").duration_ms == 1200
    with pytest.raises(UnsupportedMedia) as refused:
        read_clip(tmp_path / "cut.mp4")
    assert refused.value.reason == "cut_short"


def test_the_case_that_was_cut_short_says_so() -> None:
    with pytest.raises(UnsupportedMedia) as refused:
        read_clip(CASES / "video-geometry" / "truncated.mp4")
    assert refused.value.reason == "cut_short"


def test_bytes_after_the_last_box_do_not_count_as_cut_short(tmp_path: Path) -> None:
    data = clip(tmp_path / "clip.mp4")
    for end in (bytes(3), bytes(40), b"\0\0\0\x10free12345678", b"garbage that is no box"):
        (tmp_path / "more.mp4").write_bytes(data + end)
        assert read_clip(tmp_path / "more.mp4").duration_ms == 1000


def test_an_mp4_may_begin_with_any_box(tmp_path: Path) -> None:
    """The offsets of its frames count from the start of the file, so they move with it."""
    data = clip(tmp_path / "clip.mp4")
    place = data.index(b"stco") + 4
    count = struct.unpack(">I", data[place + 4 : place + 8])[0]
    offsets = struct.unpack(f">{count}I", data[place + 8 : place + 8 + 4 * count])
    moved = struct.pack(f">{count}I", *(offset + 8 for offset in offsets))
    whole = b"\0\0\0\x08free" + data[: place + 8] + moved + data[place + 8 + 4 * count :]
    assert video_format(whole[:HEAD]) == "mp4"
    (tmp_path / "free.mp4").write_bytes(whole)
    found = read_clip(tmp_path / "free.mp4")
    seen = (found.width, found.height, found.duration_ms, found.thumbnail is not None)
    assert seen == (128, 72, 1000, True)


def test_a_video_whose_frames_cannot_be_decoded_is_measured_without_a_poster() -> None:
    """Its offsets are wrong by the size of the box that was put before them."""
    assert video_format(case("video-fetch/freefirst.mp4")[:HEAD]) == "mp4"
    found = read_clip(CASES / "video-fetch" / "freefirst.mp4")
    assert (found.width, found.height, found.duration_ms, found.thumbnail) == (320, 180, 2000, None)


@pytest.mark.parametrize("dark", [1, 6, 12])
def test_a_black_beginning_does_not_become_the_poster(tmp_path: Path, dark: int) -> None:
    shades(tmp_path / "fade.mp4", [0] * dark + [250] * 10)
    thumbnail = read_clip(tmp_path / "fade.mp4").thumbnail
    assert thumbnail is not None
    assert Image.open(io.BytesIO(thumbnail.data)).convert("L").getextrema()[1] > 200  # type: ignore[operator]


def test_a_video_that_is_black_throughout_has_a_black_poster(tmp_path: Path) -> None:
    shades(tmp_path / "night.mp4", [0] * 10)
    assert read_clip(tmp_path / "night.mp4").thumbnail is not None


def test_files_that_are_no_video_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for data in (
        b"",
        picture(),
        b"\0\0\0\x18ftypmp42" + b"\0" * 50,
        clip(tmp_path / "cut.mp4")[:400],
    ):
        path.write_bytes(data)
        with pytest.raises(UnsupportedMedia) as refused:
            read_clip(path)
        assert refused.value.reason in {"cut_short", "unusable_video"}


@pytest.mark.parametrize(
    ("name", "container", "size", "seconds"),
    [
        ("video-fetch/vp9.webm", "matroska", (320, 180), 2.05),
        ("video-fetch/ok.mkv", "matroska", (320, 180), 2.0),
        ("other-formats/anim.gif", "gif", (160, 120), 0.6),
        ("video-geometry/rot90.mp4", "mp4", (180, 320), 2.0),
        ("video-geometry/sar.mp4", "mp4", (428, 480), 2.0),
    ],
)
def test_other_containers_become_mp4(
    tmp_path: Path, name: str, container: str, size: tuple[int, int], seconds: float
) -> None:
    assert video_format(case(name)[:HEAD]) == container
    transcode.to_mp4(CASES / name, container, tmp_path / "made.mp4")
    found = read_clip(tmp_path / "made.mp4")
    assert (found.width, found.height, found.thumbnail is not None) == (*size, True)
    assert (found.duration_ms or 0) / 1000 == pytest.approx(seconds, abs=0.15)
    with (
        av.open(str(tmp_path / "made.mp4")) as made,
        av.open(str(CASES / name), format=container) as source,
    ):
        assert made.streams.video[0].codec_context.name == "h264"
        assert len(made.streams.audio) == len(source.streams.audio)


def test_a_smaller_copy_of_a_video_on_its_side_stands_upright(tmp_path: Path) -> None:
    source = CASES / "video-geometry" / "rot90.mp4"
    shrunk = transcode.shrink_video(source, tmp_path / "small.mp4", source.stat().st_size * 20)
    assert (shrunk.width, shrunk.height) == (180, 320)
    before, after = read_clip(source).thumbnail, read_clip(tmp_path / "small.mp4").thumbnail
    assert before is not None
    assert after is not None
    one, other = (Image.open(io.BytesIO(each.data)).convert("L") for each in (before, after))
    for place in ((10, 10), (170, 10), (10, 310), (90, 160)):
        assert one.getpixel(place) == pytest.approx(other.getpixel(place), abs=25)


def test_a_webm_that_was_cut_short_says_so(tmp_path: Path) -> None:
    for left, reason in ((2500, "cut_short"), (60, "unusable_video")):
        (tmp_path / "cut.webm").write_bytes(case("video-fetch/vp9.webm")[:left])
        with pytest.raises(UnsupportedMedia) as refused:
            transcode.to_mp4(tmp_path / "cut.webm", "matroska", tmp_path / "made.mp4")
        assert refused.value.reason == reason


@pytest.mark.parametrize(
    "data",
    [
        b"#EXTM3U\n#EXT-X-VERSION:3\nfile:///etc/passwd",
        b"ffconcat version 1.0\nfile /etc/passwd",
        b"{}",
        b"<html>",
        b"\x1f\x8b" + bytes(60),
    ],
)
def test_playlists_that_name_other_files_are_never_given_to_ffmpeg(data: bytes) -> None:
    assert video_format(data[:HEAD]) is None


@pytest.mark.parametrize("name", ["ok.avif", "ok.heic", "ok.bmp"])
def test_a_picture_is_no_video(name: str) -> None:
    assert video_format(case(f"other-formats/{name}")[:HEAD]) is None
