"""The settings of the chat processes: environment or `.env`, checked once at start. `.env.example`
explains each."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class BotSettings(BaseSettings):
    """An empty value counts as not set. `bot_key` is the credential of this one process; its
    launcher sets it."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", env_ignore_empty=True, str_strip_whitespace=True
    )

    api_url: str = "http://127.0.0.1:8000"
    public_url: str | None = None
    bot_key: SecretStr | None = None
    data_dir: Path = Path("data")

    telegram_bot_token: SecretStr | None = None
    telegram_api_url: str = "https://api.telegram.org"
    telegram_updates: Literal["poll", "webhook"] = "poll"
    telegram_webhook_host: str = "127.0.0.1"
    telegram_webhook_port: int = Field(default=8081, ge=1, le=65_535)
    discord_shards: Literal["auto"] | Annotated[int, Field(ge=1, le=1000)] = "auto"
    discord_bot_token: SecretStr | None = None
    discord_api_url: str = "https://discord.com/api"
    discord_gateway_url: str | None = Field(
        default=None, description="unset: Discord says where its gateway is"
    )

    @field_validator("api_url", "public_url", "telegram_api_url", "discord_api_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        return value if value is None else _address(value, ("http", "https"), "http://")

    @field_validator("discord_gateway_url")
    @classmethod
    def _socket_address(cls, value: str | None) -> str | None:
        return value if value is None else _address(value, ("ws", "wss"), "wss://")


def _address(value: str, schemes: tuple[str, ...], example: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError(f"must be an address that begins with {example}")
    return value.rstrip("/")
