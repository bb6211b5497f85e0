"""The choice of a model from a few words, or from none."""

import re
from collections.abc import Sequence

from api.catalog.model import Model
from api.catalog.pricing import image_micro, text_micro
from api.catalog.sound_pricing import MINUTE, THOUSAND, speech_micro, transcription_micro
from api.catalog.video_pricing import video_micro
from api.schemas import Kind

PREFERRED: dict[Kind, tuple[str, ...]] = {
    "text": (
        "openai/gpt-5-mini",
        "google/gemini-3-flash-preview",
        "google/gemini-2.5-flash",
        "openai/gpt-5.4-mini",
    ),
    "image": (
        "black-forest-labs/flux.2-klein-4b",
        "bytedance-seed/seedream-4.5",
        "google/gemini-2.5-flash-image",
    ),
    "video": (
        "google/veo-3.1-lite",
        "google/veo-3.1-fast",
        "alibaba/wan-2.6",
        "kwaivgi/kling-v3.0-std",
    ),
    "transcription": (
        "openai/whisper-large-v3-turbo",
        "openai/whisper-large-v3",
        "openai/gpt-4o-mini-transcribe",
    ),
    "speech": ("openai/gpt-4o-mini-tts-2025-12-15", "hexgrad/kokoro-82m"),
}
"""Cheap and good: the default of a fresh server is the first of these that the lists have, else the
cheapest."""


def matching(models: Sequence[Model], wanted: str) -> list[Model]:
    """Return the models that the strictest successful reading finds: whole id or name, its part
    behind the slash, every word."""
    text = wanted.strip().lower()
    exact = [model for model in models if text in {model.id.lower(), model.name.lower()}]
    if exact:
        return exact[:1]
    slugs = [model for model in models if text == model.id.rpartition("/")[2].lower()]
    if slugs:
        return slugs
    words = re.split(r"[\s/_-]+", text)
    by_words = [
        model
        for model in models
        if all(word in f"{model.id} {model.name}".lower() for word in words)
    ]
    return [model for model in by_words if model.is_default] or by_words


NAMED = 5


def first_ids(models: Sequence[Model]) -> list[str]:
    return [model.id for model in models[:NAMED]]


def names(models: Sequence[Model]) -> str:
    shown = ", ".join(first_ids(models))
    return (
        f"{shown} and {len(models) - NAMED} more" if len(models) > NAMED else shown or "again later"
    )


def best(kind: Kind, models: Sequence[Model]) -> Model:
    for wanted in PREFERRED[kind]:
        for model in models:
            if model.id == wanted and price_of(model) is not None:
                return model
    return min(
        models, key=lambda model: (price if (price := price_of(model)) else float("inf"), model.id)
    )


def price_of(model: Model) -> int | None:
    """Return the price of a typical request, for comparing; a free model counts as unknown, as it
    is slow and soon refuses."""
    if model.kind == "image":
        return image_micro(model, {})
    if model.kind == "video":
        resolutions = model.info.capabilities.resolutions
        options: dict[str, str | int | bool] = {"duration": 5}
        return video_micro(
            model, options | ({"resolution": "720p"} if "720p" in resolutions else {})
        )
    if model.kind == "transcription":
        return transcription_micro(model, MINUTE)
    if model.kind == "speech":
        return speech_micro(model, "x" * THOUSAND)
    return text_micro(model, chars=1_000, max_tokens=1_000)
