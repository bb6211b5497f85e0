"""The api's settings: environment or `.env`, checked once at start. `.env.example` explains
each."""

import socket
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Security = Literal["starttls", "tls", "off"]
"""The encryption of mail on its way."""

OPENROUTER = "https://openrouter.ai/api/v1"
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
Port = Annotated[int, Field(ge=1, le=65535)]


def reachable(host: str) -> str:
    """Return the host, ready for a URL, at which this machine reaches a server that listens on
    `host`."""
    host = _REACHED_AT.get(host, host)
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True, slots=True)
class MailServer:
    """`sender` is the address that mails come from; `user` None: no login."""

    host: str
    port: int
    sender: str
    security: Security = "starttls"
    user: str | None = None
    password: str = ""


def _networks(value: str | None) -> list[IPv4Network | IPv6Network]:
    """Raises `ValueError`."""
    return [ip_network(part.strip()) for part in (value or "").split(",") if part.strip()]


class Settings(BaseSettings):
    """An empty value in the environment or in `.env` counts as not set."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", env_ignore_empty=True, str_strip_whitespace=True
    )

    openrouter_api_key: SecretStr | None = None
    openrouter_base_url: str | None = None
    openrouter_webhook_secret: SecretStr | None = None
    sandbox_host: str = "127.0.0.1"
    sandbox_port: Port = 8010

    data_dir: Path = Path("data")
    database_url: str | None = None
    database_pool: Annotated[int, Field(ge=2, le=1000)] = 10
    database_pooler: Literal["none", "session", "transaction"] = "none"
    database_listen_url: str | None = None
    media_url: str | None = None

    api_host: str = "127.0.0.1"
    api_port: Port = 8000
    trusted_proxies: str = "127.0.0.1,::1"
    public_url: str | None = None
    public_api_url: str | None = None
    public_media_url: str | None = None
    telegram_bot_token: SecretStr | None = None
    operator_networks: str | None = None

    telegram_bot_key: SecretStr | None = None
    discord_bot_key: SecretStr | None = None
    secret_key: SecretStr | None = None
    secret_key_previous: SecretStr | None = None
    chat_signup: Literal["link", "open"] = "link"
    web_signup: Literal["invite", "open"] = "invite"
    default_monthly_usd: Annotated[Decimal, Field(ge=0, le=1_000_000)] = Decimal(10)
    guest_monthly_usd: Annotated[Decimal, Field(ge=0, le=1_000_000)] = Decimal(1)
    global_monthly_usd: Annotated[Decimal, Field(ge=0, le=10_000_000)] | None = None
    text_fallbacks: str = ""
    worker: Literal["inside", "off"] = "inside"

    drain_seconds: Annotated[int, Field(ge=0, le=3600)] = 120
    disk_floor_mb: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    backup_hours: Annotated[int, Field(ge=0, le=8760)] = 24
    backup_keep: Annotated[int, Field(ge=1, le=1000)] = 14
    backup_url: str | None = None

    smtp_host: str | None = None
    smtp_port: Port = 587
    smtp_tls: Security = "starttls"
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    smtp_from: str | None = None

    @field_validator("secret_key", "secret_key_previous", "telegram_bot_key", "discord_bot_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < 32:
            raise ValueError("must be at least 32 bytes long")
        return value

    @field_validator("operator_networks", "trusted_proxies")
    @classmethod
    def _networks(cls, value: str | None) -> str | None:
        try:
            _networks(None if value == "*" else value)
        except ValueError as error:
            raise ValueError("must be addresses or networks, such as 10.0.0.0/8") from error
        return value

    @field_validator("database_url")
    @classmethod
    def _known_engine(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(
            ("duckdb:///", "postgresql://", "postgres://")
        ):
            raise ValueError("must begin with duckdb:/// or postgresql://")
        return value

    @field_validator("database_listen_url")
    @classmethod
    def _of_server(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql://")
        return value

    @field_validator("media_url", "backup_url")
    @classmethod
    def _known_store(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("file:///", "s3://")):
            raise ValueError("must begin with file:/// or s3://")
        return value

    @field_validator("public_url", "public_api_url", "public_media_url", "openrouter_base_url")
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

    @field_validator("smtp_from")
    @classmethod
    def _one_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        # only where mail is used: it takes a tenth of every process' start
        from api.mail_address import plain_address

        try:
            return plain_address(value)
        except ValueError as error:
            raise ValueError(
                "must be one plain e-mail address, such as studio@example.org"
            ) from error

    @model_validator(mode="after")
    def _mail_is_whole(self) -> "Settings":
        if self.smtp_host is not None and self.smtp_from is None:
            raise ValueError("SMTP_HOST needs SMTP_FROM, the address that mails come from")
        if (
            self.smtp_tls == "off"
            and self.smtp_password is not None
            and self.smtp_host not in LOOPBACK
        ):
            raise ValueError("SMTP_TLS=off would send SMTP_PASSWORD readable: use starttls or tls")
        return self

    @model_validator(mode="after")
    def _direct_downloads_need_s3(self) -> "Settings":
        if self.public_media_url is not None and not self.media_root.startswith("s3://"):
            raise ValueError("PUBLIC_MEDIA_URL needs MEDIA_URL=s3://...")
        return self

    @model_validator(mode="after")
    def _worker_needs_postgres(self) -> "Settings":
        if self.worker == "off" and not self.is_postgres:
            raise ValueError(
                "WORKER=off needs DATABASE_URL=postgresql://...: with DuckDB the worker runs "
                "inside the api"
            )
        return self

    @property
    def bot_keys(self) -> dict[str, str]:
        """Return the bots' credentials that are given as settings, by platform."""
        given = {"telegram": self.telegram_bot_key, "discord": self.discord_bot_key}
        return {name: key.get_secret_value() for name, key in given.items() if key is not None}

    @property
    def shell_networks(self) -> list[IPv4Network | IPv6Network]:
        """Return the networks in which the operator's shell may be, beside this machine."""
        return _networks(self.operator_networks)

    @property
    def mail_server(self) -> MailServer | None:
        """None: mail is switched off."""
        if self.smtp_host is None or self.smtp_from is None:
            return None
        password = self.smtp_password.get_secret_value() if self.smtp_password else ""
        return MailServer(
            self.smtp_host, self.smtp_port, self.smtp_from, self.smtp_tls, self.smtp_user, password
        )

    @property
    def is_postgres(self) -> bool:
        return self.database_url is not None and self.database_url.startswith("postgres")

    @property
    def listen_url(self) -> str | None:
        """The address at which rings are heard; None: a pooler would lose them."""
        lost = self.database_pooler == "transaction"
        return self.database_listen_url or (None if lost else self.database_url)

    @property
    def is_sandbox(self) -> bool:
        """Without a provider key the local sandbox makes everything."""
        return self.openrouter_api_key is None

    @property
    def provider_url(self) -> str:
        if self.openrouter_base_url is not None:
            return self.openrouter_base_url
        return (
            f"http://{reachable(self.sandbox_host)}:{self.sandbox_port}/api/v1"
            if self.is_sandbox
            else OPENROUTER
        )

    @property
    def disk_floor(self) -> int | None:
        """Bytes; None: chosen by the size of the disk."""
        return None if self.disk_floor_mb is None else self.disk_floor_mb * 1_000_000

    @property
    def backups(self) -> Path:
        """The folder in which backups are made, and stay unless there is a bucket."""
        if self.backup_url is not None and self.backup_url.startswith("file:///"):
            return Path(unquote(urlsplit(self.backup_url).path))
        return self.data_dir / "backups"

    @property
    def backup_bucket(self) -> str | None:
        """The bucket and prefix to which backups are moved."""
        url = self.backup_url
        return url if url is not None and url.startswith("s3://") else None

    @property
    def database(self) -> str | Path:
        """The database for `open_db`."""
        return self.database_url if self.is_postgres and self.database_url else self.duckdb_path

    @property
    def media_root(self) -> str:
        return self.media_url or (self.data_dir / "media").absolute().as_uri()

    @property
    def duckdb_path(self) -> Path:
        if self.database_url is not None and self.database_url.startswith("duckdb:///"):
            return Path(self.database_url.removeprefix("duckdb://"))
        return self.data_dir / "app.duckdb"


def host_names(settings: Settings) -> list[str]:
    """Return the names under which this server is known: `studio.example.org`, and `example` and
    `studio` alone."""
    urls = (settings.public_url, settings.public_api_url)
    found = [urlsplit(url).hostname or "" for url in urls if url]
    return sorted(
        {word for host in (*found, socket.gethostname()) for word in (host, *host.split(".")[:-1])}
    )
