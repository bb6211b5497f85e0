"""Bodies and answers of `/auth`."""

from typing import Literal

from pydantic import EmailStr, Field, SecretStr

from api.schemas import In, Out, Time
from api.users.schemas import Language, PasswordBody, Role, UserOut

PASSWORD_MIN = 12
ADMIN_PASSWORD_MIN = 15
PASSWORD_MAX_BYTES = 1024


class SetupIn(PasswordBody):
    token: str = Field(min_length=1, max_length=200)
    email: EmailStr
    password: SecretStr


class RegisterIn(PasswordBody):
    """With `invite`, the e-mail address has to be the invited one."""

    email: EmailStr
    password: SecretStr
    invite: str | None = Field(default=None, max_length=200)


class LoginIn(PasswordBody):
    """`device` is the `device_token` of an earlier sign-in from the same place."""

    email: str = Field(min_length=1, max_length=320)
    password: SecretStr
    device: str | None = Field(default=None, max_length=200)


class InviteIn(In):
    invite: str = Field(min_length=1, max_length=200)


class InviteeOut(Out):
    """The address that an invitation is for."""

    email: str
    role: Role
    password_min: int
    expires_at: Time


class ResetIn(PasswordBody):
    token: str = Field(min_length=1, max_length=200)
    password: SecretStr


class ForgotIn(In):
    """`language` is that of the page, for a person who has chosen none."""

    email: str = Field(min_length=1, max_length=320)
    language: Language = "auto"


class ReauthIn(PasswordBody):
    current_password: SecretStr


class RefreshIn(In):
    refresh_token: str = Field(min_length=1, max_length=200)


class TokensOut(Out):
    """`expires_in` is the access token's life in seconds. `device_token`, where there is one, is to
    be kept for the next login: whoever shows it is not held up when a stranger guesses at the
    account."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - OAuth's word for the kind of token
    expires_in: int
    user: UserOut
    device_token: str | None = None


SessionSort = Literal["newest", "oldest", "seen"]


class SessionOut(Out):
    id: str
    client: str
    ip: str
    created_at: Time
    last_seen_at: Time
    current: bool
