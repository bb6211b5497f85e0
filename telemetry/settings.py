"""The settings of logs, metrics, traces and error reports, which every process reads."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LogFormat = Literal["auto", "console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
Network = IPv4Network | IPv6Network
TOKEN_MIN = 16


class TelemetrySettings(BaseSettings):
    """An empty value in the environment or in `.env` counts as not set."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", env_ignore_empty=True, str_strip_whitespace=True
    )

    log_format: LogFormat = "auto"
    log_level: LogLevel = "info"

    metrics_token: SecretStr | None = None
    metrics_allow: str = "127.0.0.1/32,::1/128"
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=1, le=65_000)] | None = None

    otel_exporter_otlp_endpoint: str | None = None
    otel_exporter_otlp_headers: SecretStr | None = None
    sentry_dsn: SecretStr | None = None
    sentry_environment: str = "production"

    @field_validator("metrics_token")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < TOKEN_MIN:
            raise ValueError(f"must be at least {TOKEN_MIN} characters long")
        return value

    @field_validator("metrics_allow")
    @classmethod
    def _networks(cls, value: str) -> str:
        for each in _listed(value):
            try:
                ip_network(each)
            except ValueError as error:
                raise ValueError(
                    f"should be networks such as 10.0.0.0/8, with commas between: {error}"
                ) from error
        return value

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _collector(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(
                "must be an http:// or https:// address, such as http://127.0.0.1:4318"
            )
        return value.rstrip("/")

    @field_validator("sentry_dsn")
    @classmethod
    def _dsn(cls, value: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(value.get_secret_value()) if value is not None else None
        if parts is not None and not (
            parts.scheme in {"http", "https"} and parts.username and parts.path.strip("/").isdigit()
        ):
            raise ValueError("must be a DSN, such as https://KEY@sentry.example.org/PROJECT")
        return value

    @property
    def networks(self) -> tuple[Network, ...]:
        return tuple(ip_network(each) for each in _listed(self.metrics_allow))


def _listed(value: str) -> list[str]:
    return [each.strip() for each in value.split(",") if each.strip()]
