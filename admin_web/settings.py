"""The web's settings: environment or `.env`, checked once at start. `.env.example` explains
each."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
KEY_MIN_BYTES = 32
AGENT = "allucanget-web"
"""The API tells by it what was asked for on the web."""


class WebSettings(BaseSettings):
    """An empty value in the environment or in `.env` counts as not set."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", env_ignore_empty=True, str_strip_whitespace=True
    )

    web_host: str = "127.0.0.1"
    web_port: Annotated[int, Field(ge=1, le=65535)] = 8080
    api_url: str = "http://127.0.0.1:8000"
    public_url: str | None = None
    public_api_url: str | None = None
    public_media_url: str | None = None
    drain_seconds: Annotated[int, Field(ge=0, le=3600)] = 120
    web_session_key: SecretStr
    """Seals the cookies of sessions; a new key signs everybody out."""
    web_session_key_previous: SecretStr | None = None
    """Opens cookies and seals none."""

    @field_validator("web_session_key", "web_session_key_previous")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < KEY_MIN_BYTES:
            raise ValueError(f"must be at least {KEY_MIN_BYTES} bytes long")
        return value

    @field_validator("api_url")
    @classmethod
    def _http(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be an http:// or https:// address")
        return value.rstrip("/")

    @field_validator("public_url", "public_api_url", "public_media_url")
    @classmethod
    def _https_outside(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.query or parts.fragment or len(value.split()) > 1:
            raise ValueError("must be an address without ?, # and spaces")
        if parts.scheme == "https" and parts.hostname:
            return value.rstrip("/")
        if parts.scheme == "http" and parts.hostname in LOOPBACK:
            return value.rstrip("/")
        raise ValueError("must be an https:// address (http:// only for this machine)")

    @property
    def is_https(self) -> bool:
        """True when browsers reach the web over https: cookies are then Secure and HSTS is sent."""
        return self.public_url is not None and self.public_url.startswith("https://")
