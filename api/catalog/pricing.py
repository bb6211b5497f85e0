"""The highest cost of a request by its model's price list, in micro-dollars. None: it cannot be
known in advance.

The words of the price lists are the provider's. Several providers may offer one model at different
prices: the highest counts, because that is what may be charged.
"""

import math
import re
from collections.abc import Iterable
from decimal import Decimal

from api.catalog.model import Model, Options
from api.catalog.schemas import Per, PriceOut
from api.catalog.sound_pricing import (
    MINUTE,
    THOUSAND,
    USUAL,
    speech_micro,
    transcription_micro,
)
from api.catalog.video_pricing import least_of
from api.provider.schemas import PriceItem
from api.schemas import MICRO, Kind, micro, usd

CHARS_PER_TOKEN = 3
"""Low on purpose: English has about four, so the estimate is above the bill."""
TOKENS_PER_INPUT_IMAGE = 2_000
MEGAPIXELS_PER_INPUT_IMAGE = 4
TEXT_TOKENS_BESIDE_AN_IMAGE = 1_000
MEGAPIXEL = 1024 * 1024
LEAST_USD_OF_AN_IMAGE = Decimal("0.0005")

_EACH: dict[Kind, Per] = {
    "image": "image",
    "video": "second",
    "text": "answer",
    "transcription": "minute",
    "speech": "characters",
}
_OUTPUT_IMAGE = ("output_image", "image_output")
_INPUT_IMAGE = ("input_image", "input_reference", "image")
_INPUT_TEXT = ("prompt", "input_text")
_EDGES = {"0.5K": 512, "512": 512, "768": 768, "1K": 1024, "1.5K": 1536, "2K": 2048, "4K": 4096}


def tokens(chars: int) -> int:
    return math.ceil(chars / CHARS_PER_TOKEN)


def image_micro(
    model: Model, options: Options, *, input_images: int = 0, prompt_chars: int = 0
) -> int | None:
    """Return the highest cost of one request for `n` images with checked options."""
    n = int(options.get("n", 1))
    if model.price_override_micro is not None:
        return n * model.price_override_micro
    items = model.price_lines
    each = _output_image_usd(items, options)
    if items is None or each is None:
        return None
    each += _most(items, ("completion",), "token") * TEXT_TOKENS_BESIDE_AN_IMAGE
    extra = _most(items, _INPUT_TEXT, "token") * tokens(prompt_chars) + input_images * (
        _most(items, _INPUT_IMAGE, "image")
        + _most(items, _INPUT_IMAGE, "megapixel") * MEGAPIXELS_PER_INPUT_IMAGE
        + max(_most(items, _INPUT_IMAGE, "token"), _most(items, ("prompt",), "token"))
        * TOKENS_PER_INPUT_IMAGE
    )
    return micro(n * (each + extra))


def _output_image_usd(items: tuple[PriceItem, ...] | None, options: Options) -> Decimal | None:
    """Return the dollars for one image; None when no line of the list prices it, or one says
    nothing: no image is free."""
    if items is None:
        return None
    text = _most(items, ("completion",), "token")
    lines = [
        item for item in items if item.billable in _OUTPUT_IMAGE and _fits_variant(item, options)
    ]
    whole = [
        item.usd for item in lines if item.unit in {"image", "request"} and not _is_per_token(item)
    ]
    by_token = [item.usd * _image_tokens(options) for item in lines if _is_per_token(item)]
    prices = whole + by_token
    if by_area := [item for item in lines if item.unit == "megapixel"]:
        prices.append(_megapixels_usd(by_area, _megapixels(options)))
    if not any(prices):
        prices = [text * _image_tokens(options)]
    return max(prices) + _most(items, ("request",), "request") or None


def _is_per_token(item: PriceItem) -> bool:
    """The live lists give some models' price of an image token under the word for a whole image; no
    image costs so little."""
    return item.unit == "token" or (item.unit == "image" and 0 < item.usd < LEAST_USD_OF_AN_IMAGE)


def _fits_variant(item: PriceItem, options: Options) -> bool:
    """A line for a size tier only counts for that tier; any other variant counts, as it may be the
    one charged."""
    variant = (item.variant or "").upper()
    return variant not in _EDGES or variant == str(options.get("image_size", "1K")).upper()


def _megapixels_usd(lines: list[PriceItem], count: int) -> Decimal:
    def most(pattern: str) -> Decimal | None:
        return max(
            (line.usd for line in lines if re.search(pattern, line.variant or "", re.IGNORECASE)),
            default=None,
        )

    first = most("first")
    further = most("further|additional|subsequent|extra|next")
    plain = max(line.usd for line in lines)
    return (plain if first is None else first) + (count - 1) * (
        plain if further is None else further
    )


def _megapixels(options: Options) -> int:
    size = re.fullmatch(r"(\d+)x(\d+)", str(options.get("size", "")))
    edge = _EDGES.get(str(options.get("image_size", "1K")).upper(), 4096)
    area = int(size[1]) * int(size[2]) if size else edge * edge
    return max(1, math.ceil(area / MEGAPIXEL))


def _image_tokens(options: Options) -> int:
    """The most that models bill for one image: 4,160 tokens at 1 megapixel in high quality, about
    twice that above."""
    return 4_200 if _megapixels(options) == 1 else 8_400


def _most(items: Iterable[PriceItem], billables: tuple[str, ...], unit: str) -> Decimal:
    return max(
        (item.usd for item in items if item.billable in billables and item.unit == unit),
        default=Decimal(0),
    )


def text_micro(model: Model, *, chars: int, max_tokens: int, images: int = 0) -> int | None:
    """Return the highest cost of one answer of at most `max_tokens` tokens to `chars` characters of
    context and `images` images."""
    if model.price_override_micro is not None:
        return model.price_override_micro
    items = model.price_lines
    if items is None or not {"prompt", "completion"} <= {item.billable for item in items}:
        return None
    prompt = tokens(chars) + images * TOKENS_PER_INPUT_IMAGE
    return micro(
        _most(items, ("prompt",), "token") * prompt
        + _most(items, ("completion", "internal_reasoning"), "token") * max_tokens
        + _most(items, ("image",), "image") * images
        + _most(items, ("request",), "request")
    )


def used_text_micro(model: Model, *, prompt_tokens: int, completion_tokens: int) -> int | None:
    """Return the cost of these tokens, for an answer whose provider did not name it."""
    return text_micro(model, chars=prompt_tokens * CHARS_PER_TOKEN, max_tokens=completion_tokens)


def price_out(model: Model) -> PriceOut:
    """Return a model's price as it is shown."""
    price = PriceOut(items=list(model.info.price or ()), summary="")
    items = model.price_lines
    if model.price_override_micro is not None:
        price.usd, price.per = usd(model.price_override_micro), _EACH[model.kind]
    elif items is not None and model.kind == "image":
        price.usd, price.per, price.is_about = _output_image_usd(items, {}), "image", True
    elif items is not None and model.kind == "video":
        price.usd, price.per = least_of(items)
        price.is_least = price.usd is not None
    elif items is not None and model.kind in {"transcription", "speech"}:
        usual = (
            transcription_micro(model, MINUTE, USUAL)
            if model.kind == "transcription"
            else speech_micro(model, "x" * THOUSAND, USUAL)
        )
        price.usd, price.per = None if usual is None else usd(usual), _EACH[model.kind]
        price.is_about = True
    elif items is not None:
        price.usd, price.output_usd = (
            _most(items, (unit,), "token") * MICRO for unit in ("prompt", "completion")
        )
        price.per = "tokens"
    price.summary = _summary(price)
    return price


def _summary(price: PriceOut) -> str:
    """`about $0.04 an image`."""
    if price.usd is None or price.per is None:
        return "price not known"
    if not price.usd and not price.output_usd:
        return "free"
    if price.output_usd is not None:
        return f"{_dollars(price.usd)} in, {_dollars(price.output_usd)} out per million tokens"
    before = "about " if price.is_about else "from " if price.is_least else ""
    if price.per == "characters":
        return f"{before}{_dollars(price.usd)} per 1,000 characters"
    article = "an" if price.per in {"image", "answer"} else "a"
    return f"{before}{_dollars(price.usd)} {article} {price.per}"


def _dollars(usd: Decimal) -> str:
    """Return an amount with at least cents and at most four digits behind the point."""
    return f"${usd:.2f}" if usd >= 1 or round(usd, 2) == usd else f"${usd:.4f}".rstrip("0")
