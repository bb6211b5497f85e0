"""A model as this server offers it: the provider's facts and the operator's decisions."""

from collections.abc import Mapping
from dataclasses import dataclass

from api.provider.schemas import PriceItem
from api.provider.types import ModelInfo
from api.schemas import Kind
from api.users.schemas import Role

Options = Mapping[str, str | int | bool]
"""Of a request, checked: an option that is not there is the model's own choice."""


@dataclass(frozen=True, slots=True)
class Model:
    """`price_override_micro` beats the price list: per image, per second of video, per text answer,
    per minute of a recording, per 1,000 characters that are read aloud.

    `listed` is False for a model that an operator added by hand because the provider's lists do not
    know it. `roles`: who may use it; None = everybody.
    """

    info: ModelInfo
    enabled: bool
    is_default: bool
    price_override_micro: int | None = None
    listed: bool = True
    roles: tuple[Role, ...] | None = None

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def kind(self) -> Kind:
        return self.info.kind

    @property
    def place(self) -> str:
        """The cursor of a list behind this model."""
        return f"{self.kind}:{self.id}"

    @property
    def price_lines(self) -> tuple[PriceItem, ...] | None:
        """None without a price list, and for one with a negative price, which is the provider's way
        to say that it varies."""
        items = self.info.price
        return None if items is None or any(item.usd < 0 for item in items) else items

    def allows(self, role: Role | None) -> bool:
        """None: asked for no person, as the worker does for a generation that was accepted
        before."""
        return role is None or self.roles is None or role in self.roles
