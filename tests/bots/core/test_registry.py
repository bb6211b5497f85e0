"""The registry, as adapters rely on it when they register the commands with their platform."""

import re
from decimal import Decimal

import pytest

from api.generations.schemas import ImageIn, VideoIn
from bots.core.cards import delete_question, price_question, result_buttons, waiting_card
from bots.core.commands import ACTIONS, ALIASES, COMMANDS, resolve
from bots.core.commands.image_video import IMAGE_OPTIONS, VIDEO_OPTIONS
from bots.core.options import Option
from bots.core.types import Reply
from client.words.language import LANGUAGES
from tests.bots.core.samples import generation, media


def test_names_and_aliases_lead_to_their_command() -> None:
    making = {
        "ask",
        "say",
        "transcribe",
        "image",
        "video",
        "edit",
        "animate",
        "again",
        "new",
        "model",
        "settings",
        "jobs",
        "cancel",
        "gallery",
        "find",
    }
    assert {command.name for command in COMMANDS} == making | {
        "start",
        "help",
        "link",
        "unlink",
        "privacy",
        "balance",
        "studio",
    }
    for alias, name in ALIASES.items():
        found = resolve(alias)
        assert found is not None
        assert found.name == name
    assert resolve("IMAGE") is resolve("image")
    assert resolve("nothing") is None


def test_names_descriptions_and_choices_fit_the_platforms() -> None:
    for command in COMMANDS:
        assert re.fullmatch("[a-z]{1,32}", command.name)
        for language in LANGUAGES:
            assert 1 <= len(command.described(language)) <= 100
            assert len(command.argument_described(language)) <= 100
            assert len(command.on_message_described(language)) <= 32
        assert len(command.options) <= 24
        for option in command.options:
            assert re.fullmatch("[a-z_]{1,32}", option.name)
            assert all(1 <= len(option.described(language)) <= 100 for language in LANGUAGES)
            assert len(option.choices) <= 25


def test_options_are_fields_of_the_api() -> None:
    assert {option.name for option in IMAGE_OPTIONS} <= set(ImageIn.model_fields)
    assert {option.name for option in VIDEO_OPTIONS} <= set(VideoIn.model_fields)


@pytest.mark.parametrize("options", [IMAGE_OPTIONS, VIDEO_OPTIONS])
def test_flags_are_not_ambiguous_and_choices_fit_their_own_pattern(
    options: tuple[Option, ...],
) -> None:
    flags = [flag for option in options for flag in option.flags]
    assert len(flags) == len(set(flags))
    for option in options:
        for said in (*option.choices, *([option.example] if option.pattern else [])):
            assert re.fullmatch(option.pattern or ".+", said)


def test_buttons_lead_to_something_and_are_short_enough() -> None:
    made, video = generation(), generation(kind="video")
    many = made.model_copy(update={"images": [media()] * 10, "larger_size": "4K"})
    replies = [
        waiting_card(made),
        price_question(Decimal(1), made.id, "1" * 20, fresh=False),
        delete_question(made),
        *(Reply("", buttons=result_buttons(one)) for one in (made, video, many)),
    ]
    for button in (one for reply in replies for row in reply.buttons for one in row):
        assert resolve(button.action) is not None, button
        assert len(f"{button.action}:{button.value}".encode()) <= 60
    for action in ACTIONS:
        assert len(f"{action.name}:{made.id}".encode()) <= 60


def test_a_command_that_wants_a_text_can_ask_for_it_in_a_form() -> None:
    for command in COMMANDS:
        assert command.asks == (command.name in {"ask", "image", "video", "edit", "animate", "say"})
        assert len(f"{command.name}:@{generation().id}".encode()) <= 60


def test_no_two_commands_have_one_name() -> None:
    names = [command.name for command in (*COMMANDS, *ACTIONS)]
    assert len(names) == len(set(names))
    assert not set(ALIASES) & set(names)
