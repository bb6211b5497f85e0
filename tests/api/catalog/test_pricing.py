"""The worst case of a request is never below the possible charge, and unknown rather than wrong."""

from dataclasses import replace
from decimal import Decimal

import pytest

from api.catalog.model import Model, Options
from api.catalog.pricing import image_micro, price_out, text_micro, used_text_micro
from api.catalog.video_pricing import video_micro
from api.provider.schemas import PriceItem
from tests.api.catalog.samples import GPT_IMAGE, KLEIN, MINI, TOKENS, VEO, WAN, model, price, skus


@pytest.mark.parametrize(
    ("lines", "options", "micro"),
    [
        (price(("output_image", "image", "0.04")), {"n": 3}, 120_000),
        (price(("image_output", "image", "0.04"), ("image_output", "image", "0.05")), {}, 50_000),
        (KLEIN.price, {"image_size": "1K"}, 14_000),
        (KLEIN.price, {"image_size": "2K", "n": 2}, 34_000),
        (KLEIN.price, {"size": "1536x1024"}, 15_000),
        (price(("output_image", "megapixel", "0.03")), {"image_size": "2K"}, 120_000),
        (
            price(("output_image", "image", "0.1", "1k"), ("output_image", "image", "0.2", "2k")),
            {"image_size": "1K"},
            100_000,
        ),
        (
            price(("output_image", "image", "0.1", "1k"), ("output_image", "image", "0.2", "2k")),
            {"image_size": "2K"},
            200_000,
        ),
        (price(("output_image", "token", "0.00004")), {}, 168_000),
        (price(("image_output", "image", "0.00003")), {"n": 2}, 252_000),
        (price(("image_output", "image", "0")), {"n": 2}, None),
        (
            price(("output_image", "megapixel", "0", "first"), ("request", "request", "0.01")),
            {},
            10_000,
        ),
        (price(("image_output", "image", "0"), ("completion", "token", "0.00001")), {}, 52_000),
        (price(("completion", "token", "0.00001"), ("prompt", "token", "0")), {}, 52_000),
        (
            price(("output_image", "image", "0.008"), ("completion", "token", "0.000002")),
            {"n": 2},
            20_000,
        ),
        (
            price(("output_image", "image", "0.00"), ("request", "request", "0.01")),
            {"n": 2},
            20_000,
        ),
        (price(("output_image", "request", "0.01")), {"n": 2}, 20_000),
        (price(("output_image", "megapixel", "0")), {"image_size": "4K"}, None),
        (price(("input_text", "token", "0.000005")), {}, None),
        (price(("output_image", "image", "-1")), {}, None),
        (None, {}, None),
    ],
)
def test_images(lines: tuple[PriceItem, ...] | None, options: Options, micro: int | None) -> None:
    assert image_micro(model(replace(GPT_IMAGE, price=lines)), options) == micro


def test_input_images_and_long_prompts_cost_too() -> None:
    lines = price(
        ("output_image", "image", "0.05"),
        ("input_text", "token", "0.000005"),
        ("input_image", "image", "0.01"),
    )
    assert (
        image_micro(model(replace(GPT_IMAGE, price=lines)), {}, input_images=2, prompt_chars=3_000)
        == 75_000
    )


@pytest.mark.parametrize(
    ("lines", "options", "micro"),
    [
        (VEO.price, {"duration": 4, "resolution": "720p", "generate_audio": True}, 400_000),
        (VEO.price, {"duration": 8, "resolution": "1080p", "generate_audio": False}, 800_000),
        (VEO.price, {"duration": 4, "generate_audio": True}, 480_000),
        (VEO.price, {"duration": 4, "resolution": "4K", "generate_audio": True}, None),
        (VEO.price, {"resolution": "720p", "generate_audio": True}, None),
        (
            skus(duration_seconds="0.3", duration_seconds_720p="0.1"),
            {"duration": 5, "resolution": "720p"},
            500_000,
        ),
        (
            skus(duration_seconds="0.3", duration_seconds_720p="0.1"),
            {"duration": 5, "resolution": "480p"},
            1_500_000,
        ),
        (
            skus(cents_per_video_output_second_480p="5"),
            {"duration": 2, "resolution": "480p"},
            100_000,
        ),
        (
            skus(duration_seconds_with_audio="0.2"),
            {"duration": 2, "generate_audio": False},
            400_000,
        ),
        (skus(duration_seconds_without_audio="0.2"), {"duration": 2, "generate_audio": True}, None),
        (skus(generate="0.25"), {}, 250_000),
        (
            price(("per-video-second-1080p", "sku", "0.2"), ("per-video-second", "sku", "0.1")),
            {"duration": 3, "resolution": "1080p"},
            600_000,
        ),
        (None, {"duration": 5}, None),
        (skus(duration_seconds="0"), {"duration": 5}, None),
        (skus(generate="0", minimum_cents_per_generation="5"), {}, None),
        (
            skus(duration_seconds="0.01", minimum_cents_per_generation="20"),
            {"duration": 5},
            200_000,
        ),
        (
            skus(cents_per_second_output="3", cents_per_second_output_1080p="7"),
            {"duration": 2, "resolution": "1080p"},
            140_000,
        ),
        (
            skus(cents_per_second_video_continuation_1080p="7"),
            {"duration": 2, "resolution": "1080p"},
            None,
        ),
        (skus(reference_duration_seconds_480p="0.1"), {"duration": 2, "resolution": "480p"}, None),
        (
            skus(cents_per_megapixel_second_precise="2", cents_per_megapixel_second_creative="4"),
            {"duration": 5, "resolution": "720p"},
            184_320,
        ),
        # by token: what the maker's own documents bill for 5 s at 1920 x 1088
        (skus(video_tokens="0.000001"), {"duration": 5, "resolution": "1080p"}, 246_840),
        (skus(video_tokens="0.000001"), {"duration": 5}, 246_840),
        (
            skus(video_tokens="0.000001"),
            {"duration": 5, "resolution": "720p", "aspect_ratio": "1:1"},
            108_900,
        ),
        (
            skus(video_tokens="0.000002", video_tokens_without_audio="0.000001"),
            {"duration": 5, "resolution": "720p"},
            108_900,
        ),
        (
            skus(video_tokens="0.000002", video_tokens_4k="0.000009"),
            {"duration": 5, "resolution": "720p", "generate_audio": True},
            217_800,
        ),
        (
            skus(video_tokens_with_video_input="0.000001"),
            {"duration": 5, "resolution": "720p"},
            None,
        ),
    ],
)
def test_videos(lines: tuple[PriceItem, ...] | None, options: Options, micro: int | None) -> None:
    assert video_micro(model(replace(VEO, price=lines)), options) == micro


def test_a_video_from_an_image_has_its_own_price() -> None:
    lines = skus(
        text_to_video_duration_seconds_720p="0.1",
        image_to_video_duration_seconds_720p="0.2",
        duration_seconds="9",
        cents_per_image_input="0.2",
    )
    options: Options = {"duration": 5, "resolution": "720p"}
    priced = model(replace(VEO, price=lines))
    found = [video_micro(priced, options, images=images) for images in range(3)]
    assert found == [500_000, 1_002_000, 1_004_000]


def test_text_is_priced_for_its_longest_answer() -> None:
    assert text_micro(model(MINI), chars=3_000, max_tokens=1_000) == 2_250
    assert text_micro(model(MINI), chars=0, max_tokens=0, images=1) == 500
    assert text_micro(model(replace(MINI, price=None)), chars=1, max_tokens=1) is None
    assert (
        text_micro(
            model(
                replace(MINI, price=price(("prompt", "token", "-1"), ("completion", "token", "-1")))
            ),
            chars=1,
            max_tokens=1,
        )
        is None
    )
    assert used_text_micro(model(MINI), prompt_tokens=1_000, completion_tokens=100) == 450


def test_an_operators_price_beats_the_list() -> None:
    assert image_micro(model(GPT_IMAGE, override=7), {"n": 3}) == 21
    assert video_micro(model(TOKENS, override=7), {"duration": 5}) == 35
    assert text_micro(model(MINI, override=7), chars=9_000, max_tokens=9) == 7


def test_summaries_are_for_people() -> None:
    def summary(of: Model) -> str:
        return price_out(of).summary

    shown = price_out(model(MINI))
    assert (shown.usd, shown.output_usd, shown.per) == (Decimal("0.25"), Decimal(2), "tokens")
    assert summary(model(KLEIN)) == "about $0.014 an image"
    assert summary(model(GPT_IMAGE, override=40_000)) == "$0.04 an image"
    assert summary(model(VEO)) == "from $0.08 a second"
    assert summary(model(WAN)) == "from $0.04 a second"
    assert summary(model(TOKENS)) == "from $0.0122 a second"
    assert summary(model(replace(VEO, price=skus(duration="1")))) == "price not known"
    found = summary(model(replace(KLEIN, price=price(("output_image", "image", "0")))))
    assert found == "price not known"
    assert summary(model(MINI)) == "$0.25 in, $2.00 out per million tokens"
    seen = summary(
        model(replace(MINI, price=price(("prompt", "token", "0"), ("completion", "token", "0"))))
    )
    assert seen == "free"
