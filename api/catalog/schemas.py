"""Bodies and answers of `/models` and `/admin/models`."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from api.provider.schemas import Capabilities, PriceItem
from api.schemas import In, Kind, Out, Time, Usd
from api.users.schemas import Role

Per = Literal["image", "second", "video", "answer", "tokens", "minute", "characters"]
"""`characters`: a thousand of them."""

ModelSort = Literal["kind", "name", "cheapest", "dearest", "used"]


class PriceOut(Out):
    """`summary` is a short sentence for people, such as `about $0.014 an image`; the rest are its
    facts. `usd` null: not known; 0: free. `output_usd`: of a million tokens written, `usd` is then
    of a million read. `is_least`: many cost more; `is_about`: some do."""

    items: list[PriceItem]
    summary: str
    usd: Usd | None = None
    per: Per | None = None
    output_usd: Usd | None = None
    is_about: bool = False
    is_least: bool = False


class ModelOut(Out):
    id: str
    name: str
    kind: Kind
    capabilities: Capabilities
    price: PriceOut
    default: bool


class AdminModelOut(ModelOut):
    """`vanished`: the provider's lists do not have it any more, so nobody is offered it. `by_hand`:
    an admin added it without a list. `price_override_usd` is for an image, a second of video, a
    text answer, a minute of a recording, or 1,000 characters read aloud. `roles` null: everybody.
    `seen_at`: when the lists had it last. `used`: how many requests were booked on it in the last
    7 days; only in the list of all.
    """

    enabled: bool
    vanished: bool
    by_hand: bool
    price_known: bool
    price_override_usd: Usd | None
    roles: list[Role] | None
    seen_at: Time
    used: int | None = None


Price = Annotated[Decimal, Field(ge=0, le=10_000, max_digits=11, decimal_places=6)]


class ModelChangeIn(In):
    """Fields that are left out stay as they are. `default` can only be given, not taken: make
    another model the default. `price_override_usd` null: the provider's price; `roles` null:
    everybody."""

    enabled: bool | None = None
    default: bool | None = None
    price_override_usd: Price | None = None
    roles: list[Role] | None = Field(default=None, min_length=1, max_length=2)


class NewModelIn(In):
    """A model that the provider's lists do not have. Without a price it is shown, and refused as
    `price_unknown`."""

    id: Annotated[str, Field(max_length=200, pattern=r"^[\w.~-]+/[\w.:-]+$")]
    kind: Kind
    price_override_usd: Price | None = None


class RefreshedOut(Out):
    """The number of models offered now."""

    count: int
