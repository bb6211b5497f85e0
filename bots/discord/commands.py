"""The core's commands as Discord's slash commands and entries in the menu of a message, in every
language the core speaks."""

from collections.abc import Callable, Sequence
from typing import Any

from bots.core.commands import ALIASES, Command
from bots.core.options import Option
from client.words.language import DEFAULT, LANGUAGES

CHAT_INPUT, ON_MESSAGE = 1, 3
STRING, INTEGER, BOOLEAN, ATTACHMENT = 3, 4, 5, 11
TYPES = {"text": STRING, "number": INTEGER, "switch": BOOLEAN}
EVERYWHERE, PRIVATE = [0, 1, 2], [1]
"""In a server, in a direct message with the bot, in other direct messages; or only with the bot."""
GUILD_AND_USER_INSTALL = [0, 1]
TITLE, DESCRIPTION, CHOICES, TEXT_MAX = 32, 100, 25, 6000
IMAGE, FILE = "image", "file"
ALSO = ("imagine", "chat")
"""Aliases that are in the menu, too: it is all that people see of other names here."""

Payload = dict[str, Any]


def registered(commands: Sequence[Command]) -> list[Payload]:
    """Everything to register: each command, a few of them under another name, and the commands of
    a message's menu once more."""
    aliases = [(alias, one) for alias in ALSO for one in commands if ALIASES[alias] == one.name]
    return [
        *(_slash(one) for one in commands),
        *(_slash(one) | {"name": alias} for alias, one in aliases),
        *(_on_message(one) for one in commands if one.on_message),
    ]


def on_message(title: str, commands: Sequence[Command]) -> Command | None:
    """The command behind an entry in a message's menu."""
    return next((one for one in commands if one.on_message[:TITLE] == title and title), None)


def changed(theirs: Sequence[Payload], wanted: Sequence[Payload]) -> bool:
    """Whether Discord has other commands. It adds ids, versions and defaults of its own, which do
    not count."""
    by_name = {(one.get("type", CHAT_INPUT), one["name"]): one for one in theirs}
    return len(by_name) != len(wanted) or any(
        not _within(one, by_name.get((one["type"], one["name"]))) for one in wanted
    )


def _within(wanted: object, has: object) -> bool:
    """Whether everything wanted is there. An empty or false value may be missing: Discord leaves
    those out."""
    if isinstance(wanted, dict):
        fields = has if isinstance(has, dict) else {}
        return all(_within(value, fields.get(name)) for name, value in wanted.items())
    if isinstance(wanted, list):
        rest = has if isinstance(has, list) else []
        return len(wanted) == len(rest) and all(
            _within(one, other) for one, other in zip(wanted, rest, strict=True)
        )
    return wanted == has or (not wanted and has is None)


def _slash(command: Command) -> Payload:
    return {
        "name": command.name,
        "type": CHAT_INPUT,
        **_described(command.described, command.name),
        "options": _options(command),
        "integration_types": GUILD_AND_USER_INSTALL,
        "contexts": PRIVATE if command.private_only else EVERYWHERE,
    }


def _on_message(command: Command) -> Payload:
    return {
        "name": command.on_message[:TITLE],
        "name_localizations": _localized(command.on_message_described, TITLE),
        "type": ON_MESSAGE,
        "integration_types": GUILD_AND_USER_INSTALL,
        "contexts": EVERYWHERE,
    }


def _options(command: Command) -> list[Payload]:
    options: list[Payload] = []
    if command.argument is not None:
        argument: Payload = {
            "name": command.argument,
            "type": STRING,
            **_described(command.argument_described, command.argument.capitalize()),
            # A form asks for what is missing, and has room for more.
            "required": command.argument_required and not command.asks,
            "max_length": TEXT_MAX,
        }
        options.append(argument | ({"autocomplete": True} if command.argument_models else {}))
    if command.image:
        options.append(_optional(IMAGE, ATTACHMENT, command.image_described))
    if command.file:
        options.append(_optional(FILE, ATTACHMENT, command.file_described))
    return [*options, *(_option(one) for one in command.options)]


def _option(option: Option) -> Payload:
    made = _optional(option.name, TYPES[option.type], option.described)
    if option.models:
        made["autocomplete"] = True
    elif option.choices:
        made["choices"] = [{"name": choice, "value": choice} for choice in option.choices[:CHOICES]]
    if option.least is not None:
        made["min_value"] = option.least
    if option.most is not None:
        made["max_value"] = option.most
    return made


def _optional(name: str, kind: int, in_language: Callable[[str], str]) -> Payload:
    return {"name": name, "type": kind, **_described(in_language, name), "required": False}


def _described(in_language: Callable[[str], str], name: str) -> Payload:
    return {
        "description": (in_language(DEFAULT) or name)[:DESCRIPTION],
        "description_localizations": _localized(in_language, DESCRIPTION),
    }


def _localized(in_language: Callable[[str], str], most: int) -> dict[str, str]:
    """The texts by Discord's locales, which have the same names as our languages."""
    others = {other: in_language(other)[:most] for other in LANGUAGES if other != DEFAULT}
    return {language: said for language, said in others.items() if said}
