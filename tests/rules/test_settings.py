"""`.env.example` and the settings classes name the same settings, with the same defaults."""

import re

import pytest
from pydantic_settings import BaseSettings

from admin_web.settings import WebSettings
from api.settings import Settings
from bots.settings import BotSettings
from cli.settings import LaunchSettings, environment_names
from sandbox.settings import SandboxSettings
from telemetry.settings import TelemetrySettings
from tests.reference.settings import groups
from tests.rules.source import ROOT

CLASSES: list[type[BaseSettings]] = [
    Settings,
    WebSettings,
    BotSettings,
    SandboxSettings,
    LaunchSettings,
    TelemetrySettings,
]
SENTENCE = 20


def listed() -> dict[str, str]:
    """Return name and example value of each setting in `.env.example`."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return {
        found[1]: found[2]
        for line in lines
        if (found := re.fullmatch(r"#?([A-Z][A-Z0-9_]+)=(.*)", line))
    }


def names() -> set[str]:
    return {name for settings in CLASSES for name in environment_names(settings).values()}


def test_every_setting_is_listed_and_nothing_else() -> None:
    assert set(listed()) == names()


def test_every_setting_is_commented_out_and_explained() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []
    entries = [entry for group in groups().values() for entry in group]
    assert [entry.name for entry in entries if len(entry.explanation) < SENTENCE] == []


@pytest.mark.parametrize("settings", CLASSES, ids=lambda settings: settings.__name__)
def test_listed_values_are_the_defaults(settings: type[BaseSettings]) -> None:
    given = listed()
    for field, name in environment_names(settings).items():
        default = settings.model_fields[field].default
        if given[name] and default is not None and not isinstance(default, list):
            assert type(default)(given[name]) == default, name
