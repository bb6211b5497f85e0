"""The readers of `/metrics`."""

import pytest
from pydantic import ValidationError

from telemetry.access import Readers
from telemetry.settings import TelemetrySettings

TOKEN = "0123456789abcdef"


def access(**given: str) -> Readers:
    return Readers.of(TelemetrySettings.model_validate(given))


@pytest.mark.parametrize(
    ("host", "headers", "bearer", "allowed"),
    [
        ("10.1.2.3", [], None, True),
        ("::ffff:10.1.2.3", [], None, True),
        ("fd00::1", [], None, True),
        ("127.0.0.1", [], None, False),
        ("192.0.2.1", [], None, False),
        ("", [], None, False),
        ("10.1.2.3", ["x-forwarded-for"], None, False),
        ("10.1.2.3", ["forwarded"], None, False),
        ("192.0.2.1", ["x-forwarded-for"], TOKEN, True),
        ("192.0.2.1", [], TOKEN + "0", False),
        ("192.0.2.1", [], "", False),
        ("10.1.2.3", [], "ä", False),
    ],
)
def test_networks_and_token(
    host: str, headers: list[str], bearer: str | None, allowed: bool
) -> None:
    known = access(METRICS_ALLOW="10.0.0.0/8, fd00::/8", METRICS_TOKEN=TOKEN)
    assert known.is_allowed(host, headers, bearer) is allowed


def test_without_settings_only_this_machine_reads() -> None:
    assert Readers().is_allowed("127.0.0.1", [], None)
    assert Readers().is_allowed("::1", [], None)
    assert not Readers().is_allowed("10.0.0.1", [], TOKEN)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"METRICS_ALLOW": "10.0.0.1/8"}, "should be networks such as 10.0.0.0/8"),
        ({"METRICS_ALLOW": "everybody"}, "should be networks"),
        ({"METRICS_TOKEN": "short"}, "at least 16 characters"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "must be an http://"),
        ({"SENTRY_DSN": "https://sentry.example.org"}, "must be a DSN"),
    ],
)
def test_a_mistake_is_named(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TelemetrySettings.model_validate(given)
