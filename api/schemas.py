"""Parts of all domains' schemas: base models, pages, money, the problem document."""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Generic, Literal, Self, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    model_validator,
)

from api import reasons

T = TypeVar("T")

MICRO = 1_000_000
"""Micro-dollars in one dollar: money is kept in integers of this unit."""

PROMPT_MAX = 10_000
"""The longest prompt, in characters."""

BATCH_MAX = 16
"""The most questions of one batch."""

Kind = Literal["text", "image", "video", "transcription", "speech"]
MediaKind = Literal["image", "video"]
Thinking = Literal["off", "low", "medium", "high"]
"""The effort that a model spends on thinking before it answers."""
Platform = Literal["telegram", "discord", "terminal"]
Reason = reasons.Reason


def _six_digits(value: Decimal) -> str:
    return f"{value:.6f}"


Usd = Annotated[Decimal, PlainSerializer(_six_digits, return_type=str)]
"""Dollars; a decimal string with 6 digits in JSON."""

Time = AwareDatetime
"""RFC 3339 in JSON, always UTC."""


def usd(micro: int) -> Decimal:
    """Return micro-dollars as dollars."""
    return Decimal(micro) / MICRO


def micro(dollars: Decimal) -> int:
    """Return dollars as micro-dollars, rounded up, so that no fraction of a cent is given away."""
    return math.ceil(dollars * MICRO)


_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
"""PostgreSQL takes no NUL, and UTF-8 has no lone surrogates."""


def is_text(value: object) -> bool:
    """Tell whether stores and encoders can keep every string in it, at any depth."""
    match value:
        case str():
            return _NO_TEXT.search(value) is None
        case SecretStr():
            return is_text(value.get_secret_value())
        case Mapping():
            return all(is_text(key) and is_text(held) for key, held in value.items())
        case list() | tuple() | set() | frozenset():
            return all(is_text(held) for held in value)
        case _:
            return True


class In(BaseModel):
    """A request body: a field we do not know is refused."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    @model_validator(mode="after")
    def _storable(self) -> Self:
        for name in type(self).model_fields:
            if not is_text(getattr(self, name)):
                raise ValueError(f"{name} holds characters that are not text")
        return self


class Out(BaseModel):
    """An answer. Clients ignore fields that they do not know yet."""

    model_config = ConfigDict(extra="ignore", from_attributes=True)


class Page(Out, Generic[T]):
    """One page of a keyset-paged list; `next_cursor` is null on the last page."""

    items: list[T]
    next_cursor: str | None = None


class FieldProblem(Out):
    """`reason` is a stable word for what is wrong, `params` are the facts in it: clients say it in
    other languages by them. It is one of the api's own reasons, or the kind of pydantic's error."""

    field: str
    message: str
    reason: str
    params: dict[str, str | int] | None = None


class Between(Out):
    """A range of whole numbers, both ends included."""

    least: int
    most: int


class Problem(Out):
    """RFC 9457 problem document; `code` is what clients switch on."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    reason: Reason
    """Closed: it says exactly what is wrong, and belongs to one code, except why something was not
    made."""
    params: dict[str, str | int] = Field(default_factory=dict)
    """The facts in the sentence of the reason. Names that end in `_usd` are dollars, `said` is
    quoted from the provider, a store or a platform."""
    charged_usd: Usd | None = None
    """With an error that ends something paid: what was booked for it all the same."""
    request_id: str | None = None
    """The name of the request, as in `X-Request-Id` and in the log."""
    retry_after: float | None = None
    fields: list[FieldProblem] | None = None
    cost_usd: Usd | None = None
    """With `confirm_cost`: what it may cost at most."""
    draft_id: str | None = None
    """With `confirm_cost`, when a chat asked: `POST /generations/drafts/{draft_id}/confirm` makes
    it, within a day."""
    model: str | None = None
    """With `option_unsupported` the model's name, with `model_unavailable` what was asked for."""
    option: str | None = None
    """With `option_unsupported`: the field."""
    allowed: list[str] | Between | None = None
    """With `option_unsupported` the values that the model takes, none if it has no such option;
    with `model_unavailable` ids of models."""


class CheckOut(Out):
    """One thing that the api needs. `detail` is the English sentence of the reason, or the name of
    what is used."""

    ok: bool
    detail: str = ""
    reason: Reason | None = None
    params: dict[str, str | int] = Field(default_factory=dict)
    """The facts in the sentence of the reason. `waiting` also beside others: files that the store
    has not taken yet."""


class ReadyOut(Out):
    """`/readyz`: each thing the api needs, named. 503 when one that is required is not ok."""

    ready: bool
    version: str
    checks: dict[str, CheckOut]
    setup_needed: bool
    """True until the first admin exists."""
    sandbox: bool
    """True when generations come from the local sandbox provider."""
    web_signup: Literal["invite", "open"] = "invite"
    """The rule for new accounts on the web."""
    mails_links: bool = False
    """True when a person can have a link for a new password mailed."""
    at: datetime


Target = Annotated[str, Field(min_length=1, max_length=4_000, pattern=r"^/[!-~]*$")]


class BatchIn(In):
    """`paths`: addresses of questions, each with its query, percent-encoded."""

    paths: Annotated[list[Target], Field(min_length=1, max_length=BATCH_MAX)]


class AnswerOut(Out):
    """`body`: the JSON of the answer, as text."""

    status: int
    body: str


class BatchOut(Out):
    """The answers, in the order of the questions."""

    answers: list[AnswerOut]
