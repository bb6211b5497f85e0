"""Picture and video files: a scene, the prompt on it, and a small mark that says sandbox."""

import base64
import binascii
import io
import math
import tempfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont, ImageOps

from sandbox.scene import Painter, scene_for

ImageFormat = Literal["png", "jpeg", "webp"]
FPS = 24
DRAWN_FPS = 12
"""Every frame is shown twice: half the work, still fluent."""
CACHED = 8
"""Files in memory in case of the same request again: drawing takes most of a request's time."""
_STILL = 1344
"""Longest side at which a still is painted, twice oversampled, before it is scaled."""
_FONTS = ("DejaVuSans-Bold.ttf", "Arial Bold.ttf", "arialbd.ttf", "LiberationSans-Bold.ttf")


class BadImage(Exception):
    """An input that is no image."""


def read_image(data: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.load()
            return ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadImage(str(error)) from error


def nearest_ratio(data: bytes | None, ratios: Iterable[str]) -> str | None:
    """Return the ratio (`16:9`) closest to the shape of an input image; None without an image."""
    if data is None:
        return None
    image = read_image(data)

    def distance(ratio: str) -> float:
        wide, high = (float(side) for side in ratio.split(":"))
        return abs(math.log(wide / high) - math.log(image.width / image.height))

    return min(ratios, key=distance)


def read_data_url(url: str) -> bytes:
    head, comma, body = url.partition(",")
    if not comma or not head.startswith("data:image/") or not head.endswith(";base64"):
        raise BadImage("not a base64 data URL of an image")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise BadImage("broken base64") from error


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return a face of this machine that has more than Latin letters, else Pillow's own."""
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def _lines(
    text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float, most: int
) -> list[str]:
    lines: list[str] = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        while font.getlength(longer) > width and len(longer) > 1 and not lines[-1]:
            longer = longer[: max(1, int(len(longer) * 0.8))]
        if font.getlength(longer) <= width:
            lines[-1] = longer
        elif len(lines) == most:
            lines[-1] += " …"
            break
        else:
            lines.append(
                word
                if font.getlength(word) <= width
                else word[: max(1, int(len(word) * width / font.getlength(word)) - 1)] + "…"
            )
    return [line for line in lines if line]


@dataclass(frozen=True, slots=True)
class Overlay:
    """The caption and the mark, ready to be pasted onto frames of one size."""

    parts: tuple[tuple[Image.Image, tuple[int, int]], ...]

    def onto(self, image: Image.Image) -> None:
        for part, place in self.parts:
            image.paste(part, place, part)


def overlay(size: tuple[int, int], prompt: str, note: str = "") -> Overlay:
    wide, high = size
    short = min(size)
    font = _font(max(11, round(short / 19)))
    margin = max(4, round(short / 20))
    lines = _lines(prompt, font, wide - 2 * margin, 3)
    step = font.getbbox("Ag")[3] * 1.22
    band_high = min(high, round(step * (len(lines) + 1) + margin * 1.6))
    levels = [min(205, int(level * 1.05)) for level in range(256)]
    shade = Image.linear_gradient("L").resize((wide, band_high)).point(levels)
    band = Image.new("RGBA", (wide, band_high), (6, 8, 20, 0))
    band.putalpha(shade)
    draw = ImageDraw.Draw(band)
    for number, line in enumerate(lines):
        place = margin, band_high - margin - step * (len(lines) - number)
        draw.text(place, line, font=font, fill=(255, 255, 255, 255))
    small = _font(max(9, round(short / 40)))
    label = f"sandbox · {note}" if note else "sandbox"
    length, tall = round(small.getlength(label)), round(small.getbbox("Ag")[3])
    pad = max(2, tall // 2)
    pill = Image.new("RGBA", (length + pad * 3, tall + pad * 2), (0, 0, 0, 0))
    sketch = ImageDraw.Draw(pill)
    box = (0, 0, pill.width - 1, pill.height - 1)
    sketch.rounded_rectangle(box, pill.height // 2, fill=(6, 8, 20, 120))
    sketch.text((pad * 1.5, pad * 0.8), label, font=small, fill=(255, 255, 255, 225))
    return Overlay(
        ((band, (0, high - band_high)), (pill, (wide - pill.width - margin // 2, margin // 2)))
    )


def picture(
    prompt: str,
    size: tuple[int, int],
    *,
    seed: int | None,
    number: int = 0,
    note: str = "",
    base: bytes | None = None,
) -> Image.Image:
    """Paint one picture. `number` tells the images of one request apart; `base` is an input image
    to work on."""
    if base is not None:
        image = ImageOps.fit(read_image(base), size, Image.Resampling.LANCZOS)
        tint = scene_for(prompt, seed).palette
        image = Image.blend(
            image, ImageOps.colorize(image.convert("L"), tint.near, tint.light, mid=tint.far), 0.45
        )
    else:
        scale = min(1.0, _STILL / max(size))
        drawn = max(16, round(size[0] * scale * 2)), max(16, round(size[1] * scale * 2))
        scene = scene_for(f"{prompt}#{number}" if number else prompt, seed)
        image = Painter(scene, drawn).frame(0).reduce(2)
        if image.size != size:
            image = image.resize(size, Image.Resampling.BICUBIC)
    overlay(size, prompt, note).onto(image)
    return image


@lru_cache(maxsize=CACHED)
def drawn(
    prompt: str,
    size: tuple[int, int],
    form: ImageFormat = "png",
    *,
    seed: int | None,
    number: int = 0,
    note: str = "",
    base: bytes | None = None,
    quality: int = 90,
) -> bytes:
    """Return a picture's file. It takes a third of a second: call it in a thread."""
    return encode(
        picture(prompt, size, seed=seed, number=number, note=note, base=base), form, quality
    )


def encode(image: Image.Image, form: ImageFormat, quality: int = 90) -> bytes:
    out = io.BytesIO()
    if form == "png":
        image.save(out, "PNG", compress_level=3)
    else:
        image.save(out, form.upper(), quality=quality)
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class Movie:
    """Content of a video: `size` in pixels (even), `seconds` long."""

    prompt: str
    size: tuple[int, int]
    seconds: int
    seed: int | None = None
    note: str = ""
    first: bytes | None = None
    last: bytes | None = None
    stop: threading.Event = field(default_factory=threading.Event, compare=False)
    """Set when nobody wants the video any more."""


def _zoomed(image: Image.Image, size: tuple[int, int], zoom: float) -> Image.Image:
    wide, high = image.size
    cut_wide, cut_high = wide / zoom, high / zoom
    left, top = (wide - cut_wide) * 0.5, (high - cut_high) * 0.45
    return image.resize(
        size, Image.Resampling.BILINEAR, box=(left, top, left + cut_wide, top + cut_high)
    )


def _frames(movie: Movie) -> Iterator[Image.Image]:
    count = movie.seconds * DRAWN_FPS
    painter = Painter(scene_for(movie.prompt, movie.seed), movie.size)
    if movie.first is None and movie.last is None:
        yield from (painter.frame(index / DRAWN_FPS) for index in range(count))
        return
    fitted = partial(ImageOps.fit, size=movie.size, method=Image.Resampling.BICUBIC)
    start = fitted(painter.frame(0) if movie.first is None else read_image(movie.first))
    end = None if movie.last is None else fitted(read_image(movie.last))
    for index in range(count):
        share = index / max(1, count - 1)
        frame = _zoomed(start, movie.size, 1 + 0.22 * share)
        yield frame if end is None or share < 0.5 else Image.blend(frame, end, (share - 0.5) * 2)


class Stopped(Exception):
    """`Movie.stop` was set."""


@lru_cache(maxsize=CACHED)
def film(movie: Movie) -> bytes:
    """Return an MP4 (H.264, yuv420p, index in front, 24 frames a second). It takes about a second:
    call it in a thread.

    Raises `Stopped` soon after `movie.stop` is set.
    """
    words = overlay(movie.size, movie.prompt, movie.note)
    # the muxer opens the file a second time by its name to move the index to the front
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        _encode(movie, words, path)
        return path.read_bytes()


def _encode(movie: Movie, words: Overlay, path: Path) -> None:
    import av  # FFmpeg: a tenth of a second that no start should wait for

    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream(
            "libx264", rate=FPS, options={"preset": "ultrafast", "crf": "26", "threads": "1"}
        )
        stream.width, stream.height = movie.size
        stream.pix_fmt = "yuv420p"
        number = 0
        for image in _frames(movie):
            if movie.stop.is_set():
                raise Stopped
            words.onto(image)
            frame = av.VideoFrame.from_image(image)  # type: ignore[no-untyped-call]
            frame = frame.reformat(format="yuv420p")
            for _ in range(FPS // DRAWN_FPS):
                frame.pts = number
                number += 1
                container.mux(stream.encode(frame))
        container.mux(stream.encode())
