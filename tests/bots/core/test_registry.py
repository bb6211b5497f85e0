"""What adapters rely on when they register the commands with their platform."""

import re

import pytest

from api.generations.schemas import ImageIn, VideoIn
from bots.core.cards import waiting_card
from bots.core.commands import ACTIONS, ALIASES, COMMANDS, resolve
from bots.core.commands.making import IMAGE_OPTIONS, VIDEO_OPTIONS
from bots.core.options import Option
from tests.bots.core.samples import generation


def test_names_and_aliases_lead_to_their_command() -> None:
    making = {"ask", "new", "image", "video", "jobs", "cancel"}
    assert {command.name for command in COMMANDS} == making | {"start", "help", "link", "unlink", "privacy", "balance"}
    for alias, name in ALIASES.items():
        found = resolve(alias)
        assert found is not None
        assert found.name == name
    assert resolve("IMAGE") is resolve("image")
    assert resolve("nothing") is None


def test_names_descriptions_and_choices_fit_the_platforms() -> None:
    for command in COMMANDS:
        assert re.fullmatch("[a-z]{1,32}", command.name)
        assert 1 <= len(command.description) <= 100
        assert len(command.options) <= 24
        for option in command.options:
            assert re.fullmatch("[a-z_]{1,32}", option.name)
            assert 1 <= len(option.description) <= 100
            assert len(option.choices) <= 25


def test_options_are_fields_of_the_api() -> None:
    assert {option.name for option in IMAGE_OPTIONS} <= set(ImageIn.model_fields)
    assert {option.name for option in VIDEO_OPTIONS} <= set(VideoIn.model_fields)


@pytest.mark.parametrize("options", [IMAGE_OPTIONS, VIDEO_OPTIONS])
def test_flags_are_not_ambiguous_and_choices_fit_their_own_pattern(options: tuple[Option, ...]) -> None:
    flags = [flag for option in options for flag in option.flags]
    assert len(flags) == len(set(flags))
    for option in options:
        for said in (*option.choices, *([option.example] if option.pattern else [])):
            assert re.fullmatch(option.pattern or ".+", said)


def test_buttons_lead_to_something_and_are_short_enough() -> None:
    (button,) = waiting_card(generation(status="queued")).buttons[0]
    assert resolve(button.action) is not None
    for action in ACTIONS:
        assert len(f"{action.name}:{generation().id}".encode()) <= 60
