"""The cost of each call in dollars, by the prices of the model lists."""

import math
from decimal import Decimal

from sandbox.models import ChatModel, ImageEndpoint, ImagePrice, VideoModel

MEGAPIXEL = 1024 * 1024
IMAGE_TOKENS = 1_120
"""Tokens of a megapixel."""
SOUND_TOKENS = 25
"""Tokens of a second of sound."""


def text_cost(
    model: ChatModel, *, prompt_tokens: int, written: int, inputs: int, drawn: int
) -> Decimal:
    """`written` in tokens; `inputs` and `drawn` in pictures."""
    counts = {
        "prompt": prompt_tokens,
        "completion": written,
        "image": inputs,
        "image_output": drawn,
    }
    return sum(
        (Decimal(model.pricing.get(unit, "0")) * count for unit, count in counts.items()),
        Decimal(0),
    )


def speech_cost(model: ChatModel, text: str, seconds: float) -> Decimal:
    """The price is of a character, or where there is one for the answer, of a token."""
    asked, spoken = (Decimal(model.pricing[unit]) for unit in ("prompt", "completion"))
    if spoken:
        tokens = -(-len(text) // 4), math.ceil(seconds * SOUND_TOKENS)
        return asked * tokens[0] + spoken * tokens[1]
    return asked * len(text)


def transcription_cost(model: ChatModel, seconds: float, text: str) -> Decimal:
    """The price is of a second, or where there is one for the answer, of a token."""
    heard, written = (Decimal(model.pricing[unit]) for unit in ("prompt", "completion"))
    if written:
        return heard * math.ceil(seconds * SOUND_TOKENS) + written * -(-len(text) // 4)
    return heard * Decimal(str(round(seconds, 3)))


def image_cost(
    endpoint: ImageEndpoint, images: int, size: tuple[int, int], prompt_tokens: int, inputs: int
) -> Decimal:
    megapixels = -(-size[0] * size[1] // MEGAPIXEL)
    of_image = {
        "image": 1,
        "megapixel": megapixels,
        "token": IMAGE_TOKENS * megapixels,
        "first": 1,
        "further": megapixels - 1,
    }
    of_input = {"input_text": prompt_tokens, "input_image": inputs, "input_reference": inputs}

    def count(line: ImagePrice) -> int:
        if line.billable == "output_image":
            return images * of_image[line.variant or line.unit]
        return of_input[line.billable]

    return sum((Decimal(str(line.cost_usd)) * count(line) for line in endpoint.pricing), Decimal(0))


def video_cost(
    model: VideoModel, seconds: int, resolution: str, audio: bool, size: tuple[int, int]
) -> Decimal:
    skus = model.pricing_skus
    sound = "with_audio" if audio else "without_audio"
    if "video_tokens" in skus:
        tokens = size[0] * size[1] * (24 * seconds + 1) // 1024
        return Decimal(skus.get(f"video_tokens_{sound}", skus["video_tokens"])) * tokens
    if "cents_per_second_output" in skus:
        cents = Decimal(skus["cents_per_second_output"]) * seconds
        return max(cents, Decimal(skus["minimum_cents_per_generation"])) / 100
    for key in (
        f"duration_seconds_{sound}_{resolution}",
        f"duration_seconds_{sound}",
        f"duration_seconds_{resolution}",
        "duration_seconds",
    ):
        if key in skus:
            return Decimal(skus[key]) * seconds
    raise LookupError(f"{model.id} has no price for {resolution}, {sound}")
