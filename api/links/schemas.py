"""Bodies and answers of linking a chat identity to an account."""

from typing import Literal

from pydantic import Field

from api.schemas import In, Out, Platform, Time

LinkState = Literal["waiting", "redeemed", "confirmed", "expired", "burned"]


class ReportIn(In):
    """A report of something that went wrong in a chat: a generation of the caller, or an error's
    code or reason."""

    generation_id: str | None = Field(default=None, max_length=64)
    code: str | None = Field(default=None, pattern=r"^[a-z_]{1,40}$")


class ReportedOut(Out):
    """`chats`: the number of admins' chats that hear of it; the audit log has it in any case."""

    chats: int


class CodeIn(In):
    platform: Platform


class CodeOut(Out):
    """`code` is shown once. `deep_link` opens the bot with the code, where the platform has such
    links."""

    id: str
    code: str
    deep_link: str | None = None
    expires_at: Time


class CodeStateOut(Out):
    """`chat_accepted` becomes true when the chat answered Yes; only then can the web confirm."""

    id: str
    platform: Platform
    state: LinkState
    chat_accepted: bool
    platform_user_id: str | None = None
    display_name: str | None = None
    expires_at: Time


class BotsOut(Out):
    """`connected`: the platforms whose bot is running now, so that a code can be redeemed there."""

    connected: list[Platform]


class LinkOut(Out):
    platform: Platform
    platform_user_id: str
    display_name: str
    created_at: Time


class RedeemIn(In):
    """`private` is false when others could read the code: it is then burned."""

    code: str = Field(min_length=1, max_length=100)
    platform_user_id: str = Field(min_length=1, max_length=64)
    display_name: str = Field(default="", max_length=120)
    chat_id: str = Field(min_length=1, max_length=64)
    private: bool


class RedeemOut(Out):
    """`account_hint` is the masked e-mail of the account, such as `al***@example.org`."""

    state: LinkState
    code_id: str | None = None
    account_hint: str | None = None


class AnswerIn(In):
    code_id: str = Field(min_length=1, max_length=64)
    platform_user_id: str = Field(min_length=1, max_length=64)
    accept: bool


class ActIn(In):
    """The speaker, as the platform vouches for it. Results may go to `chat_id`; `language` is the
    person's by the platform. `place` is the platform's id of the group, channel or server; null in
    a private chat."""

    platform_user_id: str = Field(min_length=1, max_length=64)
    display_name: str = Field(default="", max_length=120)
    chat_id: str = Field(min_length=1, max_length=64)
    update_id: str | None = Field(default=None, max_length=100)
    language: Literal["en", "de"] | None = None
    place: str | None = Field(default=None, min_length=1, max_length=64)


class ActOut(Out):
    """A token that acts for the linked user in this chat; `expires_in` seconds. `language` null:
    none was chosen. `new_guest`: this call has made the account. `place_id`: the place of the
    call."""

    access_token: str
    expires_in: int
    user_id: str
    language: Literal["en", "de"] | None = None
    new_guest: bool = False
    place_id: str | None = None


class BotProfileIn(In):
    """A bot's own name and link, sent when it has connected. `link_template` opens it with a code
    in place of `{code}`."""

    name: str = Field(min_length=1, max_length=120)
    link_template: str | None = Field(default=None, max_length=300)
