"""`.env.example` and the settings classes name the same settings, with the same defaults."""

import re

import pytest
from pydantic_settings import BaseSettings

from admin_web.settings import WebSettings
from api.settings import Settings
from bots.settings import BotSettings
from cli.settings import LaunchSettings, environment_names
from sandbox.app import SandboxSettings
from tests.rules.source import ROOT

CLASSES: list[type[BaseSettings]] = [
    Settings,
    WebSettings,
    BotSettings,
    SandboxSettings,
    LaunchSettings,
]
# read by the PostgreSQL image of docker-compose.yml
NOT_OURS = {"POSTGRES_PASSWORD"}


def listed() -> dict[str, str]:
    """Name and example value of each setting in `.env.example`."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return {
        found[1]: found[2]
        for line in lines
        if (found := re.fullmatch(r"#?([A-Z][A-Z0-9_]+)=(.*)", line))
    }


def names() -> set[str]:
    return {name for settings in CLASSES for name in environment_names(settings).values()}


def test_every_setting_is_listed_and_nothing_else() -> None:
    assert set(listed()) - NOT_OURS == names()


def test_every_setting_is_commented_out_and_explained() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []
    for block in (ROOT / ".env.example").read_text().split("\n# "):
        first = re.search(r"^#[A-Z_]+=", block, re.MULTILINE)
        if first:
            assert len(block[: first.start()].strip()) > 20, f"no explanation above {first[0]}"


@pytest.mark.parametrize("settings", CLASSES, ids=lambda settings: settings.__name__)
def test_listed_values_are_the_defaults(settings: type[BaseSettings]) -> None:
    given = listed()
    for field, name in environment_names(settings).items():
        default = settings.model_fields[field].default
        if given[name] and default is not None and not isinstance(default, list):
            assert type(default)(given[name]) == default, name
