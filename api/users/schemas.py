"""Bodies and answers of `/users`."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import ConfigDict, EmailStr, Field, SecretStr, StrictBool, StringConstraints

from api.schemas import PROMPT_MAX, In, Out, Thinking, Time, Usd

Role = Literal["user", "admin"]
Status = Literal["active", "disabled"]
Standings = Literal["active", "disabled", "invited"]
"""The standing by which a list of accounts is filtered; `invited`: the invitation was not taken up
yet."""
Sort = Literal["newest", "oldest", "name", "spent", "limit", "used"]
Language = Literal["auto", "en", "de"]
"""`auto`: the one of the platform or the browser."""
Dollars = Annotated[Decimal, Field(ge=0, le=1_000_000, max_digits=13, decimal_places=6)]


class UserOut(Out):
    """`email` is null for a guest account made by a chat. `invited` is true until the invitation is
    taken up. Budget figures are of this month (UTC)."""

    id: str
    email: str | None
    display_name: str
    role: Role
    status: Status
    invited: bool = False
    guest: bool = False
    language: Language
    monthly_usd: Usd
    spent_usd: Usd
    held_usd: Usd
    confirm_above_usd: Usd | None = None
    """A generation that may cost more needs `confirm: true`; null = none does."""
    created_at: Time


class PasswordBody(In):
    """A body that holds a password, which counts exactly as it was typed, blanks at its ends
    too."""

    model_config = ConfigDict(str_strip_whitespace=False)


class ProfileIn(PasswordBody):
    """A new e-mail or password needs `current_password`. `confirm_above_usd` null: never ask."""

    email: EmailStr | None = None
    display_name: str | None = Field(default=None, min_length=1, max_length=80)
    language: Language | None = None
    confirm_above_usd: Dollars | None = None
    current_password: SecretStr | None = None
    new_password: SecretStr | None = None


OptionName = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")]
OptionValue = Annotated[str, StringConstraints(max_length=200)] | StrictBool | int
Options = Annotated[dict[OptionName, OptionValue], Field(max_length=20)]
PreferredModel = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class PreferencesIn(In):
    """Fields that are left out stay as they are; null takes a choice back. A model by its id, or by
    words that only one model has. `image_options`, `video_options` and `text_system` are the ones
    used last, for forms; they do not fill a request. `spoiler`: results in groups are hidden until
    they are tapped. `voice`: the id of one, used by the models that have it. `voice_answers`: chats
    read the answer to a voice message aloud. `digest`: how often an admin is told the figures of
    the studio in the chat used last; null: never. `time_zone` by its IANA name, null: the one of
    the browser. `web_search` and `effort`: for questions that do not say it, as far as their model
    can."""

    text_model: PreferredModel | None = None
    image_model: PreferredModel | None = None
    video_model: PreferredModel | None = None
    transcription_model: PreferredModel | None = None
    speech_model: PreferredModel | None = None
    image_options: Options | None = None
    video_options: Options | None = None
    text_system: Annotated[str, StringConstraints(max_length=PROMPT_MAX)] | None = None
    web_search: bool | None = None
    effort: Thinking | None = None
    spoiler: bool | None = None
    digest: Literal["daily", "weekly"] | None = None
    voice: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    voice_answers: bool | None = None
    time_zone: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None


class PreferencesOut(Out):
    """A model is null when none was chosen, or when it cannot be used (any more): then the default
    is used."""

    text_model: str | None = None
    image_model: str | None = None
    video_model: str | None = None
    transcription_model: str | None = None
    speech_model: str | None = None
    image_options: dict[str, str | bool | int] = Field(default_factory=dict)
    video_options: dict[str, str | bool | int] = Field(default_factory=dict)
    text_system: str | None = None
    web_search: bool = False
    effort: Thinking | None = None
    spoiler: bool = False
    digest: Literal["daily", "weekly"] | None = None
    voice: str | None = None
    voice_answers: bool = False
    time_zone: str | None = None


class RoleIn(In):
    role: Role


class StatusIn(In):
    status: Status


class UserBudgetIn(In):
    monthly_usd: Dollars


class NewUserIn(In):
    """Without `monthly_usd` the account gets the default budget."""

    email: EmailStr
    role: Role = "user"
    monthly_usd: Dollars | None = None


class SecretLinkOut(Out):
    """A one-time secret, shown now and never again. `link` is null when PUBLIC_URL is not set: the
    web then makes its own, `/register?invite=TOKEN` or `/reset?token=TOKEN`. `mailed`: it was sent
    to the user, too."""

    token: str
    link: str | None
    expires_at: Time
    mailed: bool = False


class InvitedOut(SecretLinkOut):
    user: UserOut
