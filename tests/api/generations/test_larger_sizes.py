"""The next larger size of a picture."""

import pytest

from api.generations.larger_sizes import larger_size
from api.generations.schemas import MediaOut
from api.provider.schemas import Capabilities

TIERS = ("0.5K", "1K", "2K", "4K")


def picture(width: int, height: int) -> MediaOut:
    return MediaOut(id="m", content_type="image/png", size=1, width=width, height=height, url="/m")


@pytest.mark.parametrize(
    ("width", "height", "next_size"),
    [(512, 512, "1K"), (1024, 1024, "2K"), (1344, 768, "2K"), (2048, 2048, "4K")],
)
def test_the_next_tier_is_offered(width: int, height: int, next_size: str) -> None:
    able = Capabilities(image_sizes=TIERS, max_input_images=1)
    assert larger_size(able, picture(width, height)) == next_size


def test_nothing_is_offered_without_a_larger_size_or_a_model_that_takes_pictures() -> None:
    able = Capabilities(image_sizes=TIERS, max_input_images=1)
    assert larger_size(able, picture(4096, 4096)) is None
    assert larger_size(Capabilities(image_sizes=TIERS), picture(1024, 1024)) is None
    assert larger_size(Capabilities(max_input_images=1), picture(1024, 1024)) is None
    assert larger_size(None, picture(1024, 1024)) is None
