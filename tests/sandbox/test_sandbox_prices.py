"""What is held before a call is never less than what the sandbox bills for it, whatever its models
are priced by."""

from copy import deepcopy
from itertools import product

import pytest

from api.catalog.pricing import image_micro
from api.catalog.video_pricing import video_micro
from api.provider.model_lists import chat_models, image_model, video_model
from api.schemas import micro
from sandbox import models
from sandbox.models import IMAGE_MODELS, VIDEO_MODELS, ImageModel, VideoModel
from tests.api.catalog.samples import model


@pytest.mark.parametrize("listed", VIDEO_MODELS, ids=lambda listed: listed.id)
def test_a_video(listed: VideoModel) -> None:
    offered = model(video_model(listed.listing()))
    sounds = (True, False) if listed.audio else (False,)
    for seconds, resolution, ratio, sound in product(
        listed.durations, listed.resolutions, listed.ratios, sounds
    ):
        options: dict[str, str | int | bool] = {
            "duration": seconds,
            "resolution": resolution,
            "aspect_ratio": ratio,
        }
        held = video_micro(offered, options | ({"generate_audio": sound} if listed.audio else {}))
        billed = listed.cost(seconds, resolution, sound, models.video_size(resolution, ratio))
        assert held is not None
        assert micro(billed) <= held <= 3 * micro(billed)


@pytest.mark.parametrize("listed", IMAGE_MODELS, ids=lambda listed: listed.id)
def test_an_image(listed: ImageModel) -> None:
    offered = model(image_model(listed.listing(), listed.endpoints()))
    for tier, ratio, count in product(("1K", "2K"), ("1:1", "21:9"), (1, 2)):
        held = image_micro(
            offered,
            {"n": count, "image_size": tier, "aspect_ratio": ratio},
            input_images=1,
            prompt_chars=3_000,
        )
        billed = listed.cost(count, models.image_size(ratio, tier), 1_000, 1)
        assert held is not None
        assert micro(billed) <= held


def test_prices_that_hold_at_certain_times_and_not_those_of_long_prompts() -> None:
    entry = deepcopy(models.CHAT_MODELS[0].listing())
    entry["pricing"]["overrides"] = [
        {"utc_start": 100, "utc_end": 400, "completion": "0.000004"},
        {"min_prompt_tokens": 200_000, "prompt": "9"},
        "nothing that can be read",
    ]
    (info,) = chat_models([entry], frozenset())
    assert info.price is not None
    assert max(item.usd for item in info.price if item.billable == "completion") * 1_000_000 == 4
    assert all(item.usd < 1 for item in info.price)
