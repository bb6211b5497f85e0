"""Places: groups, channels and servers with settings of their own."""

import re
from decimal import Decimal
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from api.schemas import In, Kind, Out, Platform, Time, Usd

Audience = Literal["server", "linked", "everybody"]
"""`server`: as the server takes people in chats (`CHAT_SIGNUP`); `linked`: people with an account;
`everybody`: also guests, where an admin of the server allows guests in this place."""
PlaceLanguage = Literal["en", "de"]
_Id = Annotated[str, Field(min_length=1, max_length=64)]
_Name = Annotated[str, Field(max_length=120)]
_Word = Annotated[str, Field(min_length=2, max_length=60)]
_ModelId = Annotated[str, Field(min_length=1, max_length=200)]
Amount = Annotated[Decimal, Field(ge=0, le=10_000_000, max_digits=14, decimal_places=6)]
_HOUR = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class Named(In):
    """A channel, a topic or a role: its id on the platform, and its name when it was chosen."""

    id: _Id
    name: _Name = ""


class QuietHours(In):
    """Hours of each day, `HH:MM` in the time zone; `until` may be on the next day."""

    since: str
    until: str
    time_zone: str = Field(max_length=64)

    @field_validator("since", "until")
    @classmethod
    def _is_hour(cls, value: str) -> str:
        if _HOUR.fullmatch(value) is None:
            raise ValueError("an hour is HH:MM")
        return value

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, OSError, KeyError) as error:
            raise ValueError("there is no such time zone") from error
        return value

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.since == self.until:
            raise ValueError("quiet hours have a beginning and another end")
        return self


class PlaceSettings(In):
    """`roles`: only people with one of them may use the bot; none: everybody of the audience.
    `channels`: channels or topics in which it works; none: all. `kinds_off`: not made here.
    `models`: the only ones; none: all. `blocked_words` count while `safe` is on. `guests_allowed`
    is for admins of the server alone, because guests spend its money."""

    audience: Audience = "server"
    guests_allowed: bool = False
    roles: list[Named] = Field(default_factory=list, max_length=20)
    channels: list[Named] = Field(default_factory=list, max_length=50)
    kinds_off: list[Kind] = Field(default_factory=list, max_length=10)
    models: list[_ModelId] = Field(default_factory=list, max_length=50)
    monthly_usd: Amount | None = None
    daily_usd: Amount | None = None
    spoiler: bool = False
    safe: bool = False
    blocked_words: list[_Word] = Field(default_factory=list, max_length=200)
    quiet: QuietHours | None = None
    language: PlaceLanguage | None = None


class PlaceIn(PlaceSettings):
    """A change: what is not given stays. Amounts null: no limit."""


class SeenIn(In):
    """A place in which somebody just speaks to the bot, and the chat of it."""

    platform_place_id: _Id
    name: _Name = ""
    chat_id: _Id
    chat_name: _Name = ""


class ActorIn(In):
    """The admin of the place by the platform's word, who changes it in the chat."""

    platform_user_id: _Id
    name: _Name = ""


class ChatChangeIn(In):
    """`change` as by `PlaceIn`, of the place that has this id on the bot's platform."""

    platform_place_id: _Id
    by: ActorIn
    change: PlaceIn


class MovedIn(In):
    """The same place has another id on its platform from now on."""

    before: _Id
    after: _Id


class PlaceOut(Out):
    """`spent_usd` and `held_usd`: this month (UTC)."""

    id: str
    platform: Platform
    platform_place_id: str
    name: str
    settings: PlaceSettings
    spent_usd: Usd
    held_usd: Usd
    created_at: Time
    seen_at: Time


class PlaceResultOut(Out):
    """A job that was asked for in the place, without its content."""

    id: str
    short_id: str
    kind: Kind
    model_name: str
    status: str
    cost_usd: Usd | None
    user: str | None
    created_at: Time


class PlaceSpenderOut(Out):
    user_id: str
    user: str | None
    spent_usd: Usd


class PlaceDetailOut(PlaceOut):
    """`results`: the last ones, newest first. `spenders`: of this month, the dearest first.
    `chats`: those in which the bot was used."""

    results: list[PlaceResultOut]
    spenders: list[PlaceSpenderOut]
    chats: list[Named]
