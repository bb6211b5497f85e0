"""The highest cost of a video by its model's price list, in micro-dollars. None: it cannot be known
in advance.

A list has no fixed words. Those of the live lists in autumn 2026: a price a second (by resolution,
sound, and what it begins with), a video, a video token, a megapixel and second, an input image, and
the least of a whole request; `cents_*` are in cents.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from api.catalog.model import Model, Options
from api.provider.schemas import PriceItem
from api.schemas import micro

FRAMES_PER_SECOND = 24
TOKEN_PIXELS = 1024
"""Pixels of all frames that make one video token."""
MEGAPIXEL = 1_000_000
_RESOLUTION = r"(?:_(?P<resolution{n}>\d{{3,4}}p|[1248]k))?"
_KEY = re.compile(
    r"(?:(?P<begins>text_to_video|image_to_video)_)?"
    r"(?:(?P<second>duration_seconds|per_video_second|video_second|per_second|cents_per_second_output|cents_per_video_output_second|cents_per_second)"
    r"|(?P<token>video_tokens)|(?P<megapixel_second>cents_per_megapixel_second)|(?P<video>generate|video|per_video))"
    + _RESOLUTION.format(n=1)
    + r"(?:_(?P<sound>with|without)_audio)?"
    + _RESOLUTION.format(n=2)
    + r"(?:_without_video_input|_precise|_creative)?"
)
"""Lines for requests that begin with a video (`with_video_input`, `video_continuation`) or have
references: we send none."""
_SHORT_SIDES = {"1k": 1024, "2k": 1440, "4k": 2160, "8k": 4320}
_UNKNOWN_RESOLUTION = "1080p"

Per = Literal["second", "token", "megapixel_second", "video"]
PERS: tuple[Per, ...] = ("second", "token", "megapixel_second", "video")
"""Also the names of the groups of `_KEY`, of which each key has one."""


@dataclass(frozen=True, slots=True)
class Sku:
    """A line of a video price list, read: dollars `per` what. None in a field: the line holds for
    every value of it."""

    usd: Decimal
    per: Per
    from_image: bool | None
    audio: bool | None
    resolution: str | None

    @property
    def weight(self) -> int:
        """Return how specific the line is, as a number."""
        return sum(part is not None for part in (self.from_image, self.audio, self.resolution))

    def of(self, seconds: int, pixels: int) -> Decimal:
        """Return the dollars for a video of `seconds` with `pixels` in a frame."""
        if self.per == "token":
            # the first frame is counted beside the seconds: 1920 x 1088 for 5 s are billed as
            # 246,840 tokens
            return self.usd * math.ceil(pixels * (FRAMES_PER_SECOND * seconds + 1) / TOKEN_PIXELS)
        if self.per == "megapixel_second":
            return self.usd * pixels * seconds / MEGAPIXEL
        return self.usd * (seconds if self.per == "second" else 1)


def read_sku(item: PriceItem) -> Sku | None:
    """Return the line of a key; None for one that prices something else, or that nobody knows."""
    key = item.billable.lower().replace("-", "_")
    found = _KEY.fullmatch(key)
    if found is None:
        return None
    return Sku(
        usd=item.usd / 100 if key.startswith("cents_") else item.usd,
        per=next(per for per in PERS if found[per]),
        from_image=None if found["begins"] is None else found["begins"] == "image_to_video",
        audio=None if found["sound"] is None else found["sound"] == "with",
        resolution=found["resolution1"] or found["resolution2"],
    )


def video_micro(model: Model, options: Options, *, images: int = 0) -> int | None:
    """Return the highest cost of one video with checked options, made from `images` images."""
    duration = options.get("duration")
    if model.price_override_micro is not None:
        return None if duration is None else model.price_override_micro * int(duration)
    items = model.price_lines
    lines = [] if items is None else _fitting(_skus(items), options, images > 0)
    if (
        items is None
        or not lines
        or (duration is None and any(line.per != "video" for line in lines))
    ):
        return None
    weight = max(line.weight for line in lines)
    pixels = _pixels(options, model.info.capabilities.resolutions)
    each = max(line.of(int(duration or 1), pixels) for line in lines if line.weight == weight)
    whole = each + _cents(items, "cents_per_image_input") * images
    # no video is free: a price of nothing means that nobody has listed one
    return micro(max(whole, _cents(items, "minimum_cents_per_generation"))) if each else None


def least_of(
    items: Iterable[PriceItem],
) -> tuple[Decimal | None, Literal["second", "video"] | None]:
    """Return the lowest price of the list in dollars, and its unit; a token counts as what a second
    of the smallest video takes."""
    found = _skus(items)
    seconds = [
        line.of(1, _area(line.resolution or "480p", 16 / 9))
        for line in found
        if line.per != "video"
    ]
    if seconds:
        return min(seconds), "second"
    videos = [line.usd for line in found if line.per == "video"]
    return (min(videos), "video") if videos else (None, None)


def _cents(items: Iterable[PriceItem], billable: str) -> Decimal:
    """In dollars."""
    return max((item.usd / 100 for item in items if item.billable == billable), default=Decimal(0))


def _skus(items: Iterable[PriceItem]) -> list[Sku]:
    return [sku for item in items if (sku := read_sku(item)) is not None]


def _fitting(lines: list[Sku], options: Options, from_image: bool) -> list[Sku]:
    resolution = options.get("resolution")
    fitting = [
        line
        for line in lines
        if line.from_image in {None, from_image}
        and (resolution is None or line.resolution in {None, str(resolution).lower()})
    ]
    audio = options.get("generate_audio") is True
    by_sound = [line for line in fitting if line.audio in {None, audio}]
    # a silent video of a model that only has a price with sound costs at most that
    return by_sound if by_sound or audio else fitting


def _pixels(options: Options, resolutions: Sequence[str]) -> int:
    """Return the most pixels that a frame may have: models keep either the shorter side of a
    resolution or its area when a ratio is another one."""
    asked = options.get("resolution")
    names = [str(asked)] if asked is not None else list(resolutions) or [_UNKNOWN_RESOLUTION]
    wide, colon, high = str(options.get("aspect_ratio", "")).partition(":")
    ratio = float(wide) / float(high) if colon and _is_number(wide) and _is_number(high) else 16 / 9
    return max(max(_area(name, ratio), _area(name, 16 / 9)) for name in names)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d+(\.\d+)?", text) is not None and float(text) > 0


def _area(resolution: str, ratio: float) -> int:
    """Return the pixels of a frame whose shorter side is the resolution. Encoders round sides up to
    whole blocks of 16."""
    name = resolution.lower()
    digits = re.match(r"\d+", name)
    short = _SHORT_SIDES.get(name) or (int(digits[0]) if digits else 2160)
    long = short * max(ratio, 1 / ratio)
    return math.ceil(short / 16) * 16 * math.ceil(long / 16) * 16
