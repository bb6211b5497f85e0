"""The options of images and videos, and a model's capabilities and prices, in the words of the HTTP
API."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict

from api.schemas import PROMPT_MAX, MediaKind, Thinking


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Capabilities(_Frozen):
    """An empty tuple means: the model takes no such option. Sizes are `WIDTHxHEIGHT` in pixels,
    durations seconds."""

    sizes: tuple[str, ...] = ()
    aspect_ratios: tuple[str, ...] = ()
    image_sizes: tuple[str, ...] = ()
    """Resolution tiers of images: `1K`, `2K`, ..."""
    qualities: tuple[str, ...] = ()
    """Of images: `low`, `high`, ..."""
    resolutions: tuple[str, ...] = ()
    """Of videos: `720p`, ..."""
    durations: tuple[int, ...] = ()
    frame_images: tuple[str, ...] = ()
    """`first_frame`, `last_frame`: which frames an image can give to a video."""
    generate_audio: bool = False
    seed: bool = False
    max_n: int = 1
    max_input_images: int = 0
    """0: the model takes no input image. For a text model: images it can look at."""
    documents: bool = False
    """Of a text model: whether it reads PDF files by itself. Others get their text."""
    web_search: bool = False
    """Of a text model: whether it can search the web."""
    efforts: tuple[Thinking, ...] = ()
    """Of a text model: how much it can think. Without `off` it always thinks; none: it never
    does."""
    context_length: int | None = None
    max_output_tokens: int | None = None
    voices: tuple[str, ...] = ()
    """Of speech: the ids of the voices; the first is used when none is chosen."""


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """An option of a request for an image or a video; `name` is its field in the request.

    `offered` is the field of `Capabilities` with the model's values, its highest number, or whether
    it takes the option; empty where every model takes it. `least` and `most` bound a number; for a
    text `most` is its length. `remembered` is false where the option belongs to one request only.
    The provider's own names differ by route: `wire.py` has them.
    """

    name: str
    kinds: tuple[MediaKind, ...]
    type: Literal["text", "number", "switch"] = "text"
    offered: str = ""
    least: int = 0
    most: int = 1
    remembered: bool = True


OPTIONS = {
    spec.name: spec
    for spec in (
        OptionSpec("aspect_ratio", ("image", "video"), offered="aspect_ratios", most=10),
        OptionSpec("size", ("image",), offered="sizes", most=20),
        OptionSpec("image_size", ("image",), offered="image_sizes", most=10),
        OptionSpec("quality", ("image",), offered="qualities", most=10),
        OptionSpec("resolution", ("video",), offered="resolutions", most=10),
        OptionSpec("duration", ("video",), "number", "durations", least=1, most=600),
        OptionSpec("n", ("image",), "number", "max_n", least=1, most=10, remembered=False),
        OptionSpec("generate_audio", ("video",), "switch", "generate_audio"),
        OptionSpec("seed", ("image", "video"), "number", "seed", most=2**31 - 1, remembered=False),
        OptionSpec("negative_prompt", ("image",), most=PROMPT_MAX, remembered=False),
    )
}
"""Every option by its name, in the order in which a form shows them."""
INPUT_IMAGES_MAX = 16


class PriceItem(_Frozen):
    """One line of a model's price list.

    `billable` and `unit` are the provider's words, for example (`prompt`, `token`),
    (`output_image`, `megapixel`); for videos `billable` is the price key (`duration_seconds_1080p`)
    and `unit` is `sku`. The lists name no unit for sound: `unit` is `unnamed`. `usd` is per unit.
    """

    billable: str
    unit: str
    usd: Decimal
    variant: str | None = None
