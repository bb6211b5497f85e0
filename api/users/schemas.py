"""Bodies and answers of `/users`."""

from typing import Literal

from pydantic import ConfigDict, EmailStr, Field, SecretStr

from api.schemas import In, Out, Time, Usd

Role = Literal["user", "admin"]
Status = Literal["active", "disabled"]


class UserOut(Out):
    """`email` is null for a guest account made by a chat. Budget figures are of this month (UTC)."""

    id: str
    email: str | None
    display_name: str
    role: Role
    status: Status
    language: str
    monthly_usd: Usd
    spent_usd: Usd
    held_usd: Usd
    created_at: Time


class PasswordBody(In):
    """A body that holds a password, which counts exactly as it was typed, blanks at its ends too."""

    model_config = ConfigDict(str_strip_whitespace=False)


class ProfileIn(PasswordBody):
    """A new e-mail or password needs `current_password`."""

    email: EmailStr | None = None
    display_name: str | None = Field(default=None, min_length=1, max_length=80)
    language: Literal["en", "de"] | None = None
    current_password: SecretStr | None = None
    new_password: SecretStr | None = None


class RoleIn(In):
    role: Role
