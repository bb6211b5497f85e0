"""The core's commands as Discord's slash commands."""

from collections.abc import Sequence
from typing import Any

from bots.core.commands import Command
from bots.core.options import Option

CHAT_INPUT = 1
STRING, INTEGER, BOOLEAN, ATTACHMENT = 3, 4, 5, 11
TYPES = {"text": STRING, "number": INTEGER, "switch": BOOLEAN}
EVERYWHERE, PRIVATE = [0, 1, 2], [1]
"""In a server, in a direct message with the bot, in other direct messages; or only with the bot."""
GUILD_AND_USER_INSTALL = [0, 1]
DESCRIPTION, CHOICES, TEXT_MAX = 100, 25, 6000
IMAGE = "image"

Payload = dict[str, Any]


def slash_commands(commands: Sequence[Command]) -> list[Payload]:
    return [_command(one) for one in commands]


def changed(registered: Sequence[Payload], wanted: Sequence[Payload]) -> bool:
    """Whether what Discord has is something else. It adds ids, versions and defaults of its own, which do not count."""
    by_name = {one["name"]: one for one in registered}
    return len(by_name) != len(wanted) or any(not _within(one, by_name.get(one["name"])) for one in wanted)


def _within(wanted: object, has: object) -> bool:
    """Everything that is wanted is there. An empty or false value may be missing, for Discord leaves those out."""
    if isinstance(wanted, dict):
        return isinstance(has, dict) and all(_within(value, has.get(name)) for name, value in wanted.items())
    if isinstance(wanted, list):
        rest = has if isinstance(has, list) else []
        return len(wanted) == len(rest) and all(_within(one, other) for one, other in zip(wanted, rest, strict=True))
    return wanted == has or (not wanted and has is None)


def _command(command: Command) -> Payload:
    return {
        "name": command.name,
        "type": CHAT_INPUT,
        "description": _described(command.description, command.name),
        "options": _options(command),
        "integration_types": GUILD_AND_USER_INSTALL,
        "contexts": PRIVATE if command.private_only else EVERYWHERE,
    }


def _options(command: Command) -> list[Payload]:
    options: list[Payload] = []
    if command.argument is not None:
        options.append(
            {
                "name": command.argument,
                "type": STRING,
                "description": command.argument.capitalize(),
                "required": command.argument_required,
                "max_length": TEXT_MAX,
            }
        )
    if command.image:
        options.append({"name": IMAGE, "type": ATTACHMENT, "description": "An image to start from", "required": False})
    return [*options, *(_option(one) for one in command.options)]


def _option(option: Option) -> Payload:
    made: Payload = {
        "name": option.name,
        "type": TYPES[option.type],
        "description": _described(option.description, option.name),
        "required": False,
    }
    if option.choices:
        made["choices"] = [{"name": choice, "value": choice} for choice in option.choices[:CHOICES]]
    if option.least is not None:
        made["min_value"] = option.least
    if option.most is not None:
        made["max_value"] = option.most
    return made


def _described(description: str, name: str) -> str:
    return (description or name)[:DESCRIPTION]
