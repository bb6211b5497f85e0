"""The amount held before a call is never less than the sandbox bills for it, for every kind of
price."""

from copy import deepcopy
from itertools import product

import pytest

from api.catalog.pricing import image_micro
from api.catalog.sound_pricing import speech_micro, transcription_micro
from api.catalog.video_pricing import video_micro
from api.provider.model_lists import chat_models, image_model, video_model
from api.schemas import micro
from sandbox.models import MODELS, ChatModel, ImageModel, VideoModel
from sandbox.prices import image_cost, speech_cost, transcription_cost, video_cost
from sandbox.sizes import image_size, video_size
from tests.api.catalog.samples import model


@pytest.mark.parametrize("listed", MODELS.video_models, ids=lambda listed: listed.id)
def test_a_video(listed: VideoModel) -> None:
    offered = model(video_model(listed.listing()))
    sounds = (True, False) if listed.generate_audio else (False,)
    for seconds, resolution, ratio, sound in product(
        listed.supported_durations,
        listed.supported_resolutions,
        listed.supported_aspect_ratios,
        sounds,
    ):
        options: dict[str, str | int | bool] = {
            "duration": seconds,
            "resolution": resolution,
            "aspect_ratio": ratio,
        }
        held = video_micro(
            offered, options | ({"generate_audio": sound} if listed.generate_audio else {})
        )
        billed = video_cost(listed, seconds, resolution, sound, video_size(resolution, ratio))
        assert held is not None
        assert micro(billed) <= held <= 3 * micro(billed)


@pytest.mark.parametrize("listed", MODELS.image_models, ids=lambda listed: listed.id)
def test_an_image(listed: ImageModel) -> None:
    found = MODELS.endpoints(listed.id)
    assert found is not None
    offered = model(image_model(listed.listing(), found.listing()))
    for tier, ratio, count in product(("1K", "2K"), ("1:1", "21:9"), (1, 2)):
        held = image_micro(
            offered,
            {"n": count, "image_size": tier, "aspect_ratio": ratio},
            input_images=1,
            prompt_chars=3_000,
        )
        billed = image_cost(found.endpoints[0], count, image_size(ratio, tier), 1_000, 1)
        assert held is not None
        assert micro(billed) <= held


def test_prices_that_hold_at_certain_times_and_not_those_of_long_prompts() -> None:
    entry = deepcopy(MODELS.chat_models[0].listing())
    entry["pricing"]["overrides"] = [
        {"utc_start": 100, "utc_end": 400, "completion": "0.000004"},
        {"min_prompt_tokens": 200_000, "prompt": "9"},
        "nothing that can be read",
    ]
    (info,) = chat_models([entry], frozenset())
    assert info.price is not None
    assert max(item.usd for item in info.price if item.billable == "completion") * 1_000_000 == 4
    assert all(item.usd < 1 for item in info.price)


SOUNDS = [
    row
    for row in MODELS.chat_models
    if {"speech", "transcription"} & set(row.architecture.output_modalities)
]


@pytest.mark.parametrize("listed", SOUNDS, ids=lambda listed: listed.id)
def test_sound(listed: ChatModel) -> None:
    (info,) = chat_models([listed.listing()], frozenset())
    offered = model(info)
    for text in ("tea", "What do foxes eat in winter? " * 20, "Füchse fressen Mäuse 🦊"):
        seconds = len(text) / 15
        if info.kind == "speech":
            held, billed = speech_micro(offered, text), speech_cost(listed, text, seconds)
        else:
            held = transcription_micro(offered, seconds)
            billed = transcription_cost(listed, seconds, text)
        assert held is not None
        assert micro(billed) <= held


@pytest.mark.parametrize(
    ("usd", "micro_of_a_minute"),
    [("0.00000125", 3_750), ("0.0001", 6_000), ("0.006", 6_000), ("0", None)],
)
def test_a_price_of_a_recording_without_its_unit(usd: str, micro_of_a_minute: int | None) -> None:
    entry = {
        "id": "a/b",
        "architecture": {"output_modalities": ["transcription"]},
        "pricing": {"prompt": usd, "completion": "0"},
    }
    (info,) = chat_models([entry], frozenset())
    assert transcription_micro(model(info), 60) == micro_of_a_minute
    assert transcription_micro(model(info, override=9_000), 90) == 13_500
