"""The answer to a command that nobody knows: the command that was probably meant, one touch
away."""

from dataclasses import replace
from difflib import get_close_matches

from bots.core import texts
from bots.core.activity import ACTIVITY
from bots.core.commands import ALIASES, COMMANDS, Command, resolve
from bots.core.types import Button, Inbound, Reply

ALIKE = 0.7
"""Least likeness of a mistyped name: one swapped, missing or additional letter in five."""


def guessed(name: str) -> Command | None:
    """The command whose name, or one of whose aliases, is nearly this."""
    known = [*(command.name for command in COMMANDS), *ALIASES]
    near = get_close_matches(name.lower(), known, n=1, cutoff=ALIKE)
    return resolve(near[0]) if near else None


def unknown(inbound: Inbound) -> Reply:
    """The reply to an unknown command. Its button does what was probably meant, with the same words
    and files."""
    command = guessed(inbound.command)
    if command is None:
        return Reply(texts.unknown_command(inbound.command), secret=True)
    meant = ACTIVITY.remember(replace(inbound, command=command.name))
    button = Button(f"/{command.name}", "repeat", meant, "primary")
    said = texts.did_you_mean(inbound.command, command.name)
    return Reply(said, buttons=((button,),), secret=True)
