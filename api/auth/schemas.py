"""Bodies and answers of `/auth`."""

from typing import Literal

from pydantic import EmailStr, Field, SecretStr

from api.schemas import In, Out, Time
from api.users.schemas import PasswordBody, UserOut

PASSWORD_MIN = 12
ADMIN_PASSWORD_MIN = 15
PASSWORD_MAX_BYTES = 1024


class SetupIn(PasswordBody):
    token: str = Field(min_length=1, max_length=200)
    email: EmailStr
    password: SecretStr


class RegisterIn(PasswordBody):
    email: EmailStr
    password: SecretStr
    invite: str | None = Field(default=None, max_length=200)


class LoginIn(PasswordBody):
    email: str = Field(min_length=1, max_length=320)
    password: SecretStr


class RefreshIn(In):
    refresh_token: str = Field(min_length=1, max_length=200)


class TokensOut(Out):
    """`expires_in` is the access token's life in seconds."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - OAuth's word for the kind of token
    expires_in: int
    user: UserOut


class SessionOut(Out):
    id: str
    client: str
    ip: str
    created_at: Time
    last_seen_at: Time
    current: bool
