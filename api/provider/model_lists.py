"""The provider's three model lists as `ModelInfo`. An unreadable entry is left out and spoils no
list."""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from api.provider.schemas import INPUT_IMAGES_MAX, OPTIONS, Capabilities, PriceItem
from api.provider.types import ModelInfo
from api.provider.wire import CHAT_RATIOS, CHAT_SIZES, Unreadable

_CHAT_QUALITIES = ("auto", "low", "medium", "high")
_CHAT_TIERS = ("1K", "2K", "4K")
_CHAT_MAX_N = 4
"""The chat route makes one image a call; this many calls are made for one request."""
_CHAT_INPUT_IMAGES = 8
_PROMPT_TOKENS_MOST = 64_000
"""Well above the tokens of one question: a conversation, a prompt and pictures."""
_PRICE_WORDS = {
    "prompt": ("prompt", "token"),
    "completion": ("completion", "token"),
    "internal_reasoning": ("internal_reasoning", "token"),
    "request": ("request", "request"),
    "image": ("image", "image"),
    "image_output": ("image_output", "image"),
    "image_token": ("output_image", "token"),
}
"""Keys of `pricing` in `/models` that our calls can be billed by."""


def entries(answer: object) -> list[Mapping[str, Any]]:
    """Return the entries of `data[]` that have an id. Raises `Unreadable` when it is no list."""
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list):
        raise Unreadable
    return [
        entry
        for entry in data
        if isinstance(entry, dict) and isinstance(entry.get("id"), str) and entry["id"]
    ]


def _words(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _numbers(value: object) -> tuple[int, ...]:
    return (
        tuple(sorted({item for item in value if isinstance(item, int) and item > 0}))
        if isinstance(value, list)
        else ()
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _name(entry: Mapping[str, Any]) -> str:
    name = entry.get("name")
    return name if isinstance(name, str) and name else str(entry["id"])


def _usd(value: object) -> Decimal | None:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def _architecture(entry: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    architecture = entry.get("architecture")
    fields = architecture if isinstance(architecture, dict) else {}
    return _words(fields.get("input_modalities")), _words(fields.get("output_modalities"))


def _chat_price(entry: Mapping[str, Any]) -> tuple[PriceItem, ...] | None:
    pricing = entry.get("pricing")
    if not isinstance(pricing, dict):
        return None
    items = [
        PriceItem(billable=billable, unit=unit, usd=usd)
        for prices in (pricing, *_overrides(pricing))
        for key, (billable, unit) in _PRICE_WORDS.items()
        if key in prices and (usd := _usd(prices[key])) is not None
    ]
    # a negative price depends on the route of the request
    return tuple(items) if items and all(item.usd >= 0 for item in items) else None


def _overrides(pricing: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Yield other prices for certain times of the day or long prompts. Prices for longer prompts
    than ours never apply."""
    listed = pricing.get("overrides")
    for one in listed if isinstance(listed, list) else ():
        least = one.get("min_prompt_tokens") if isinstance(one, dict) else None
        if isinstance(one, dict) and not (
            isinstance(least, int | float) and least >= _PROMPT_TOKENS_MOST
        ):
            yield one


def chat_models(listed: Iterable[Mapping[str, Any]], image_ids: frozenset[str]) -> list[ModelInfo]:
    """Read `/models`: text models, and image models that are not in `/images/models`
    (`image_ids`)."""
    found = []
    for entry in listed:
        inputs, outputs = _architecture(entry)
        if "text" in outputs:
            found.append(_text_model(entry, inputs))
        if "image" in outputs and entry["id"] not in image_ids:
            found.append(_chat_image_model(entry, inputs, outputs))
    return found


def _text_model(entry: Mapping[str, Any], inputs: tuple[str, ...]) -> ModelInfo:
    provider = entry.get("top_provider")
    top = provider if isinstance(provider, dict) else {}
    capabilities = Capabilities(
        max_input_images=_CHAT_INPUT_IMAGES if "image" in inputs else 0,
        context_length=_count(top.get("context_length")) or _count(entry.get("context_length")),
        max_output_tokens=_count(top.get("max_completion_tokens")),
        seed="seed" in _words(entry.get("supported_parameters")),
    )
    return ModelInfo(entry["id"], _name(entry), "text", capabilities, _chat_price(entry))


def _chat_image_model(
    entry: Mapping[str, Any], inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> ModelInfo:
    capabilities = Capabilities(
        sizes=CHAT_SIZES,
        aspect_ratios=CHAT_RATIOS,
        image_sizes=_CHAT_TIERS,
        qualities=_CHAT_QUALITIES if "quality" in _words(entry.get("supported_parameters")) else (),
        seed="seed" in _words(entry.get("supported_parameters")),
        max_n=_CHAT_MAX_N,
        max_input_images=_CHAT_INPUT_IMAGES if "image" in inputs else 0,
    )
    modalities = tuple(word for word in outputs if word in {"image", "text"})
    return ModelInfo(
        entry["id"], _name(entry), "image", capabilities, _chat_price(entry), "chat", modalities
    )


def _parameter_words(parameters: Mapping[str, Any], name: str) -> tuple[str, ...]:
    given = parameters.get(name)
    return _words(given.get("values")) if isinstance(given, dict) else ()


def _parameter_max(parameters: Mapping[str, Any], name: str, default: int) -> int:
    """Return the maximum of a range; at least 1 when the parameter is there without a range."""
    given = parameters.get(name)
    if not isinstance(given, dict):
        return default
    return _count(given.get("max")) or max(default, 1)


def image_model(entry: Mapping[str, Any], endpoints: object) -> ModelInfo:
    """Read an entry of `/images/models` with the model's endpoints; `endpoints` None: they could
    not be read, so the price is unknown."""
    parameters = entry.get("supported_parameters")
    known: Mapping[str, Any] = parameters if isinstance(parameters, dict) else {}
    _, outputs = _architecture(entry)
    capabilities = Capabilities(
        sizes=tuple(word for word in _parameter_words(known, "size") if "x" in word),
        aspect_ratios=_parameter_words(known, "aspect_ratio"),
        image_sizes=_parameter_words(known, "resolution"),
        qualities=_parameter_words(known, "quality"),
        seed="seed" in known,
        max_n=min(_parameter_max(known, "n", 1), OPTIONS["n"].most),
        max_input_images=min(_parameter_max(known, "input_references", 0), INPUT_IMAGES_MAX),
    )
    return ModelInfo(
        entry["id"],
        _name(entry),
        "image",
        capabilities,
        _endpoint_prices(endpoints),
        "images",
        outputs or ("image",),
        price_read=endpoints is not None,
    )


def _endpoint_prices(answer: object) -> tuple[PriceItem, ...] | None:
    """Return each line of all endpoints once: the provider chooses the endpoint, so the dearest may
    be billed."""
    endpoints = answer.get("endpoints") if isinstance(answer, dict) else None
    items: dict[PriceItem, None] = {}
    for endpoint in endpoints if isinstance(endpoints, list) else ():
        lines = endpoint.get("pricing") if isinstance(endpoint, dict) else None
        for line in lines if isinstance(lines, list) else ():
            item = _endpoint_line(line)
            if item is not None:
                items[item] = None
    return tuple(items) or None


def _endpoint_line(line: object) -> PriceItem | None:
    if (
        not isinstance(line, dict)
        or not isinstance(line.get("billable"), str)
        or not isinstance(line.get("unit"), str)
    ):
        return None
    usd = _usd(line.get("cost_usd"))
    variant = line.get("variant")
    if usd is None:
        return None
    return PriceItem(
        billable=line["billable"],
        unit=line["unit"],
        usd=usd,
        variant=variant if isinstance(variant, str) else None,
    )


def video_model(entry: Mapping[str, Any]) -> ModelInfo:
    """Read an entry of `/videos/models`. Price items keep the list's own keys and numbers:
    `cents_*` keys are in cents."""
    frames = _words(entry.get("supported_frame_images"))
    capabilities = Capabilities(
        sizes=_words(entry.get("supported_sizes")),
        aspect_ratios=_words(entry.get("supported_aspect_ratios")),
        resolutions=_words(entry.get("supported_resolutions")),
        durations=_numbers(entry.get("supported_durations")),
        frame_images=frames,
        generate_audio=entry.get("generate_audio") is True,
        seed=entry.get("seed") is True,
        max_input_images=len(frames),
    )
    skus = entry.get("pricing_skus")
    items = []
    for key, value in skus.items() if isinstance(skus, dict) else ():
        usd = _usd(value)
        if usd is not None:
            items.append(PriceItem(billable=key, unit="sku", usd=usd))
    return ModelInfo(entry["id"], _name(entry), "video", capabilities, tuple(items) or None)
