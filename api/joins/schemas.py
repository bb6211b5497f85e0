"""Requests of people in chats who have no account and ask to be let in."""

from typing import Literal

from pydantic import Field

from api.schemas import In, Out, Platform, Time

JoinState = Literal["waiting", "approved", "declined"]


class JoinIn(In):
    """A person as the platform vouches for them; they are told in `chat_id`. `place` is the name of
    the group or server in which they ask, empty in a private chat."""

    platform_user_id: str = Field(min_length=1, max_length=64)
    name: str = Field(default="", max_length=120)
    chat_id: str = Field(min_length=1, max_length=64)
    place: str = Field(default="", max_length=120)
    language: Literal["en", "de"] | None = None


class JoinedOut(Out):
    """`approved`: the person has an account already. `new`: the admins were told by this call."""

    state: JoinState
    new: bool


class DecisionIn(In):
    approve: bool


class JoinOut(Out):
    """`decided_by`: e-mail address or name of the admin."""

    id: str
    platform: Platform
    platform_user_id: str
    name: str
    place: str
    state: JoinState
    created_at: Time
    decided_at: Time | None
    decided_by: str | None


class JoinsOut(Out):
    """The waiting ones, the oldest first; then those decided last."""

    waiting: list[JoinOut]
    decided: list[JoinOut]
