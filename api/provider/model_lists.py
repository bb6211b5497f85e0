"""The provider's three model lists as `ModelInfo`. An unreadable entry is left out and spoils no
list."""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from api.provider.schemas import INPUT_IMAGES_MAX, OPTIONS, Capabilities, PriceItem
from api.provider.types import ModelInfo
from api.provider.wire import CHAT_RATIOS, CHAT_SIZES, Unreadable, fields_of, items_of
from api.schemas import Kind, Thinking

_CHAT_QUALITIES = ("auto", "low", "medium", "high")
_CHAT_TIERS = ("1K", "2K", "4K")
_CHAT_MAX_N = 4
"""The chat route makes one image a call; this many calls are made for one request."""
_CHAT_INPUT_IMAGES = 8
_PROMPT_TOKENS_MOST = 64_000
"""Well above the tokens of one question: a conversation, a prompt and pictures."""
_EFFORTS: tuple[Thinking, ...] = ("low", "medium", "high")
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
_SOUND_WORDS = {
    **{name: (name, "unnamed") for name in ("prompt", "completion", "audio")},
    "request": ("request", "request"),
}
"""The same of models of sound, whose list does not say of what the price is."""
SOUNDS: tuple[Kind, ...] = ("transcription", "speech")
"""Kinds by the provider's word for the output."""


def entries(answer: object) -> list[Mapping[str, Any]]:
    """Return the entries of `data[]` that have an id. Raises `Unreadable` when it is no list."""
    data = fields_of(answer).get("data")
    if not isinstance(data, list):
        raise Unreadable
    return [entry for entry in data if isinstance(fields_of(entry).get("id"), str) and entry["id"]]


def _words(value: object) -> tuple[str, ...]:
    return tuple(item for item in items_of(value) if isinstance(item, str))


def _numbers(value: object) -> tuple[int, ...]:
    return tuple(sorted({item for item in items_of(value) if isinstance(item, int) and item > 0}))


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
    fields = fields_of(entry.get("architecture"))
    return _words(fields.get("input_modalities")), _words(fields.get("output_modalities"))


def _chat_price(entry: Mapping[str, Any]) -> tuple[PriceItem, ...] | None:
    return _prices(entry, _PRICE_WORDS)


def _prices(
    entry: Mapping[str, Any], words: Mapping[str, tuple[str, str]]
) -> tuple[PriceItem, ...] | None:
    pricing = fields_of(entry.get("pricing"))
    items = [
        PriceItem(billable=billable, unit=unit, usd=usd)
        for prices in (pricing, *_overrides(pricing))
        for key, (billable, unit) in words.items()
        if key in prices and (usd := _usd(prices[key])) is not None
    ]
    # a negative price depends on the route of the request
    return tuple(items) if items and all(item.usd >= 0 for item in items) else None


def _overrides(pricing: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Yield other prices for certain times of the day or long prompts. Prices for longer prompts
    than ours never apply."""
    for one in items_of(pricing.get("overrides")):
        least = fields_of(one).get("min_prompt_tokens")
        if isinstance(one, dict) and not (
            isinstance(least, int | float) and least >= _PROMPT_TOKENS_MOST
        ):
            yield one


def chat_models(listed: Iterable[Mapping[str, Any]], image_ids: frozenset[str]) -> list[ModelInfo]:
    """Read `/models`: models of text and sound, and image models that are not in `/images/models`
    (`image_ids`)."""
    found = []
    for entry in listed:
        inputs, outputs = _architecture(entry)
        if "text" in outputs:
            found.append(_text_model(entry, inputs))
        if "image" in outputs and entry["id"] not in image_ids:
            found.append(_chat_image_model(entry, inputs, outputs))
        found += [_sound_model(entry, kind) for kind in SOUNDS if kind in outputs]
    return found


def _text_model(entry: Mapping[str, Any], inputs: tuple[str, ...]) -> ModelInfo:
    top = fields_of(entry.get("top_provider"))
    capabilities = Capabilities(
        max_input_images=_CHAT_INPUT_IMAGES if "image" in inputs else 0,
        documents="file" in inputs,
        web_search="tools" in _words(entry.get("supported_parameters")),
        efforts=_efforts(entry.get("reasoning")),
        context_length=_count(top.get("context_length")) or _count(entry.get("context_length")),
        max_output_tokens=_count(top.get("max_completion_tokens")),
        seed="seed" in _words(entry.get("supported_parameters")),
    )
    return ModelInfo(entry["id"], _name(entry), "text", capabilities, _chat_price(entry))


def _sound_model(entry: Mapping[str, Any], kind: Kind) -> ModelInfo:
    capabilities = Capabilities(
        context_length=_count(entry.get("context_length")),
        voices=_words(entry.get("supported_voices")) if kind == "speech" else (),
    )
    price = _prices(entry, _SOUND_WORDS)
    return ModelInfo(entry["id"], _name(entry), kind, capabilities, price)


def _efforts(reasoning: object) -> tuple[Thinking, ...]:
    """Return how much a model can think. No list of efforts means all of them; the word for no
    thinking is not always in it."""
    if not isinstance(reasoning, dict):
        return ()
    offered = reasoning.get("supported_efforts")
    named = _words(offered) if isinstance(offered, list) else _EFFORTS
    efforts = tuple(effort for effort in _EFFORTS if effort in named)
    return efforts if reasoning.get("mandatory") is True else ("off", *efforts)


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
    return _words(fields_of(parameters.get(name)).get("values"))


def _parameter_max(parameters: Mapping[str, Any], name: str, default: int) -> int:
    """Return the maximum of a range; at least 1 when the parameter is there without a range."""
    given = parameters.get(name)
    if not isinstance(given, dict):
        return default
    return _count(given.get("max")) or max(default, 1)


def image_model(entry: Mapping[str, Any], endpoints: object) -> ModelInfo:
    """Read an entry of `/images/models` with the model's endpoints; `endpoints` None: they could
    not be read, so the price is unknown."""
    known = fields_of(entry.get("supported_parameters"))
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
    items: dict[PriceItem, None] = {}
    for endpoint in items_of(fields_of(answer).get("endpoints")):
        for line in items_of(fields_of(endpoint).get("pricing")):
            if (item := _endpoint_line(fields_of(line))) is not None:
                items[item] = None
    return tuple(items) or None


def _endpoint_line(line: Mapping[str, Any]) -> PriceItem | None:
    billable, unit, variant = (line.get(name) for name in ("billable", "unit", "variant"))
    usd = _usd(line.get("cost_usd"))
    if not isinstance(billable, str) or not isinstance(unit, str) or usd is None:
        return None
    variant = variant if isinstance(variant, str) else None
    return PriceItem(billable=billable, unit=unit, usd=usd, variant=variant)


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
    items = []
    for key, value in fields_of(entry.get("pricing_skus")).items():
        if (usd := _usd(value)) is not None:
            items.append(PriceItem(billable=key, unit="sku", usd=usd))
    return ModelInfo(entry["id"], _name(entry), "video", capabilities, tuple(items) or None)
