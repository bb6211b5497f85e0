"""Models in the form of the provider's lists, for the tests of options, prices and the
catalogue."""

from decimal import Decimal

from api.catalog.model import Model
from api.provider.schemas import Capabilities, PriceItem
from api.provider.types import ModelInfo


def price(*lines: tuple[str, str, str] | tuple[str, str, str, str]) -> tuple[PriceItem, ...]:
    """Return items made of (billable, unit, dollars) or (billable, unit, dollars, variant)."""
    return tuple(
        PriceItem(
            billable=line[0],
            unit=line[1],
            usd=Decimal(line[2]),
            variant=line[3] if len(line) == 4 else None,
        )
        for line in lines
    )


def skus(**lines: str) -> tuple[PriceItem, ...]:
    return price(*((key, "sku", usd) for key, usd in lines.items()))


MINI = ModelInfo(
    "openai/gpt-5-mini",
    "OpenAI: GPT-5 Mini",
    "text",
    Capabilities(context_length=400_000, max_output_tokens=128_000, max_input_images=8),
    price(("prompt", "token", "0.00000025"), ("completion", "token", "0.000002")),
)
KLEIN = ModelInfo(
    "black-forest-labs/flux.2-klein-4b",
    "FLUX.2 Klein 4B",
    "image",
    Capabilities(
        aspect_ratios=("1:1", "16:9"),
        image_sizes=("1K", "2K"),
        seed=True,
        max_n=4,
        max_input_images=1,
    ),
    price(
        ("output_image", "megapixel", "0.014", "first"),
        ("output_image", "megapixel", "0.001", "further"),
    ),
    route="chat",
    modalities=("image",),
)
GPT_IMAGE = ModelInfo(
    "openai/gpt-image-2",
    "GPT Image 2",
    "image",
    Capabilities(sizes=("1536x1024", "1024x1024"), max_n=10),
    price(("output_image", "image", "0.05"), ("input_text", "token", "0.000005")),
    route="images",
)
VEO = ModelInfo(
    "google/veo-3.1-fast",
    "Veo 3.1 Fast",
    "video",
    Capabilities(
        durations=(8, 4, 6),
        resolutions=("1080p", "720p"),
        aspect_ratios=("9:16", "16:9"),
        frame_images=("first_frame",),
        generate_audio=True,
    ),
    skus(
        duration_seconds_with_audio_720p="0.10",
        duration_seconds_with_audio_1080p="0.12",
        duration_seconds_without_audio_720p="0.08",
        duration_seconds_without_audio_1080p="0.10",
    ),
)
WAN = ModelInfo(
    "alibaba/wan-2.6",
    "Wan 2.6",
    "video",
    Capabilities(
        durations=(5, 10), resolutions=("480p", "1080p"), aspect_ratios=("1:1",), seed=True
    ),
    skus(duration_seconds="0.04"),
)
TOKENS = ModelInfo(
    "bytedance/seedance",
    "Seedance",
    "video",
    Capabilities(durations=(5,)),
    skus(video_tokens="0.0000012"),
)


def model(info: ModelInfo, *, override: int | None = None) -> Model:
    return Model(info, enabled=True, is_default=False, price_override_micro=override)
