"""An option that the model does not take is refused with its field and the allowed values; a
missing one gets its default."""

from dataclasses import replace
from typing import Any

import pytest

from api.catalog.options import checked_image_options, checked_video_options
from api.errors import InvalidRequest, OptionUnsupported
from api.generations.schemas import EstimateIn, ImageIn, VideoFromImageIn, VideoIn
from api.problems import problem_of
from api.provider.types import ModelInfo
from tests.api.catalog.samples import GPT_IMAGE, KLEIN, TOKENS, VEO, WAN, model


def image(info: ModelInfo, **asked: Any) -> dict[str, str | int | bool]:
    return checked_image_options(model(info), ImageIn(prompt="a fox", **asked))


def video(info: ModelInfo, **asked: Any) -> dict[str, str | int | bool]:
    return checked_video_options(model(info), VideoIn(prompt="waves", **asked))


def test_an_image_gets_the_models_defaults() -> None:
    assert image(KLEIN) == {"n": 1, "image_size": "1K", "aspect_ratio": "1:1"}
    assert image(GPT_IMAGE) == {"n": 1, "size": "1024x1024"}


def test_an_edit_keeps_the_shape_of_its_input() -> None:
    assert image(KLEIN, input_images=["an-id"]) == {"n": 1, "image_size": "1K"}


def test_a_video_gets_the_models_defaults() -> None:
    assert video(VEO) == {
        "duration": 4,
        "resolution": "720p",
        "aspect_ratio": "16:9",
        "generate_audio": True,
    }
    assert video(WAN) == {"duration": 5, "resolution": "480p", "aspect_ratio": "1:1"}
    assert video(TOKENS) == {"duration": 5}


def test_options_are_taken_in_the_models_spelling() -> None:
    asked = image(KLEIN, n=3, aspect_ratio="16:9", image_size="2k", seed=7)
    assert asked == {"n": 3, "aspect_ratio": "16:9", "image_size": "2K", "seed": 7}
    assert image(KLEIN, negative_prompt="dogs")["negative_prompt"] == "dogs", (
        "every model can be told in words"
    )
    fine = replace(
        KLEIN,
        capabilities=KLEIN.capabilities.model_copy(update={"qualities": ("auto", "low", "high")}),
    )
    assert image(fine, quality="High")["quality"] == "high"
    assert "quality" not in image(fine)
    with pytest.raises(
        OptionUnsupported, match=r"take quality like that. Possible: auto, low, high"
    ):
        image(fine, quality="max")
    silent = video(VEO, duration=8, resolution="1080P", aspect_ratio="9:16", generate_audio=False)
    assert silent == {
        "duration": 8,
        "resolution": "1080p",
        "aspect_ratio": "9:16",
        "generate_audio": False,
    }


@pytest.mark.parametrize(
    ("info", "asked", "field", "says"),
    [
        (KLEIN, {"n": 5}, "n", "FLUX.2 Klein 4B does not take n like that. Possible: 1 to 4."),
        (KLEIN, {"size": "1024x1024"}, "size", "FLUX.2 Klein 4B does not take the option size."),
        (
            KLEIN,
            {"aspect_ratio": "3:2"},
            "aspect_ratio",
            "FLUX.2 Klein 4B does not take aspect_ratio like that. Possible: 1:1, 16:9.",
        ),
        (
            KLEIN,
            {"image_size": "4K"},
            "image_size",
            "FLUX.2 Klein 4B does not take image_size like that. Possible: 1K, 2K.",
        ),
        (
            KLEIN,
            {"quality": "high"},
            "quality",
            "FLUX.2 Klein 4B does not take the option quality.",
        ),
        (
            KLEIN,
            {"input_images": ["a", "b"]},
            "input_images",
            "FLUX.2 Klein 4B does not take input_images like that. Possible: 0 to 1.",
        ),
        (
            GPT_IMAGE,
            {"input_images": ["a"]},
            "input_images",
            "GPT Image 2 does not take the option input_images.",
        ),
        (GPT_IMAGE, {"seed": 1}, "seed", "GPT Image 2 does not take the option seed."),
        (
            GPT_IMAGE,
            {"size": "640x480"},
            "size",
            "GPT Image 2 does not take size like that. Possible: 1536x1024, 1024x1024.",
        ),
    ],
)
def test_an_image_option_that_the_model_lacks(
    info: ModelInfo, asked: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(OptionUnsupported) as refused:
        image(info, **asked)
    assert (refused.value.field, refused.value.detail) == (field, says)


@pytest.mark.parametrize(
    ("info", "asked", "allowed"),
    [
        (KLEIN, {"aspect_ratio": "3:2"}, ["1:1", "16:9"]),
        (KLEIN, {"n": 5}, {"least": 1, "most": 4}),
        (KLEIN, {"input_images": ["a", "b"]}, {"least": 0, "most": 1}),
        (GPT_IMAGE, {"seed": 1}, []),
    ],
)
def test_the_answer_tells_what_is_allowed_as_facts_too(
    info: ModelInfo, asked: dict[str, Any], allowed: object
) -> None:
    with pytest.raises(OptionUnsupported) as refused:
        image(info, **asked)
    facts = problem_of(refused.value).model_dump(mode="json")
    assert (facts["model"], facts["option"], facts["allowed"]) == (info.name, min(asked), allowed)


@pytest.mark.parametrize(
    ("info", "asked", "field"),
    [
        (VEO, {"duration": 5}, "duration"),
        (VEO, {"resolution": "4K"}, "resolution"),
        (VEO, {"aspect_ratio": "1:1"}, "aspect_ratio"),
        (VEO, {"seed": 1}, "seed"),
        (WAN, {"generate_audio": True}, "generate_audio"),
        (TOKENS, {"resolution": "720p"}, "resolution"),
    ],
)
def test_a_video_option_that_the_model_lacks(
    info: ModelInfo, asked: dict[str, Any], field: str
) -> None:
    with pytest.raises(OptionUnsupported) as refused:
        video(info, **asked)
    assert refused.value.field == field


def test_silence_may_be_asked_of_a_silent_model() -> None:
    assert "generate_audio" not in video(WAN, generate_audio=False)


def test_size_and_aspect_ratio_exclude_each_other() -> None:
    with pytest.raises(InvalidRequest):
        image(GPT_IMAGE, size="1024x1024", aspect_ratio="1:1")


def test_an_image_starts_a_video_only_where_the_model_can() -> None:
    body = VideoFromImageIn(prompt="it moves", image_id="x")
    assert "aspect_ratio" not in checked_video_options(model(VEO), body)
    for asked in (body, EstimateIn(kind="video", input_images=["x"])):
        with pytest.raises(OptionUnsupported):
            checked_video_options(model(WAN), asked)


def test_only_some_models_end_a_video_with_an_image() -> None:
    for asked in (
        VideoFromImageIn(prompt="it moves", image_id="x", last_image_id="y"),
        EstimateIn(kind="video", image_id="x", last_image_id="y"),
    ):
        both = VEO.capabilities.model_copy(update={"frame_images": ("first_frame", "last_frame")})
        assert checked_video_options(model(replace(VEO, capabilities=both)), asked)
        with pytest.raises(OptionUnsupported) as refused:
            checked_video_options(model(VEO), asked)
        assert refused.value.field == "last_image_id"


def test_an_estimate_takes_the_same_options() -> None:
    assert checked_image_options(model(KLEIN), EstimateIn(kind="image", n=2)) == image(KLEIN, n=2)
    found = checked_video_options(model(VEO), EstimateIn(kind="video", duration=6))
    assert found == video(VEO, duration=6)
