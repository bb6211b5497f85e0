"""The next size above that of a picture, among those that its model offers."""

import re

from api.generations.schemas import MediaOut
from api.provider.schemas import Capabilities

_TIER = re.compile(r"(\d+(?:\.\d+)?)([Kk]?)")
MORE = 1.4
"""A size counts as larger when its side is longer by this: pictures of one tier differ by their
ratio."""


def larger_size(able: Capabilities | None, picture: MediaOut) -> str | None:
    """Return the smallest size that is larger. None where the model makes none, or can't begin with
    a picture."""
    if able is None or able.max_input_images < 1 or not (picture.width and picture.height):
        return None
    side = (picture.width * picture.height) ** 0.5 * MORE
    sizes = sorted((_side(one), one) for one in able.image_sizes)
    return next((name for length, name in sizes if length > side), None)


def _side(tier: str) -> float:
    """Return the pixels of a square's side: `2K` has 2,048."""
    found = _TIER.fullmatch(tier)
    return 0.0 if found is None else float(found[1]) * (1024 if found[2] else 1)
