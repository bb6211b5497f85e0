"""Answers of `/models` and bodies of the estimate."""

from api.provider.schemas import Capabilities, PriceItem
from api.schemas import Kind, Out


class PriceOut(Out):
    """`summary` is a short sentence for people, such as `about $0.014 an image`; null price list = unknown."""

    items: list[PriceItem]
    summary: str


class ModelOut(Out):
    id: str
    name: str
    kind: Kind
    capabilities: Capabilities
    price: PriceOut
    default: bool
