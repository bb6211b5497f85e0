"""The start of a process' log, metrics, traces and error reports."""

from collections.abc import Iterable

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from telemetry import logs
from telemetry.error_reports import error_reports
from telemetry.exporter import exporter
from telemetry.settings import TelemetrySettings
from telemetry.spans import collector


def start(name: str, version: str, settings: TelemetrySettings, *others: BaseSettings) -> None:
    """Start all that is set for the process of this name. `others` are the settings whose secrets
    no line may show."""
    logs.know_secrets(_secrets(settings, *others))
    logs.configure(name, settings.log_format, settings.log_level)
    exporter.prepare(name, settings)
    if settings.otel_exporter_otlp_endpoint is not None:
        headers = settings.otel_exporter_otlp_headers
        collector.start(
            settings.otel_exporter_otlp_endpoint,
            headers.get_secret_value() if headers else "",
            name,
            version,
        )
    if settings.sentry_dsn is not None:
        dsn = settings.sentry_dsn.get_secret_value()
        error_reports.start(dsn, settings.sentry_environment, name, version)


def _secrets(*given: BaseSettings) -> Iterable[str]:
    for settings in given:
        for value in vars(settings).values():
            if isinstance(value, SecretStr):
                yield value.get_secret_value()
