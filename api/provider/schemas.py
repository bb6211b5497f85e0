"""What a model can do and costs, in the words of the HTTP API."""

from decimal import Decimal

from pydantic import BaseModel, ConfigDict


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
    context_length: int | None = None
    max_output_tokens: int | None = None


class PriceItem(_Frozen):
    """One line of a model's price list.

    `billable` and `unit` are the provider's words, for example (`prompt`, `token`),
    (`output_image`, `megapixel`); for videos `billable` is the price key (`duration_seconds_1080p`)
    and `unit` is `sku`. `usd` is per unit.
    """

    billable: str
    unit: str
    usd: Decimal
    variant: str | None = None
