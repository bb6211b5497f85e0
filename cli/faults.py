"""`./run faults`: the product broken on purpose, each kind of fault by a module of its name in
`tests/faults` with `main(arguments) -> int`."""

from collections.abc import Sequence
from importlib import import_module

from cli.errors import CommandRefused

KINDS = {
    "calls": "Break the provider and the chats at each call of a scripted day.",
    "files": "Give damaged and forged pictures and videos to the decoders.",
    "fuzz": "Call the HTTP API with made-up requests, as everybody.",
    "kill": "Kill and stop processes by chance under a crowd, then count the promises.",
    "mutants": "Take the guards of the product away, one at a time: tests have to notice.",
    "soak": "Hold half of the load for hours with faults and deaths, then look what grew.",
}
"""By the name of the command: its line in the help. The options are those of the module."""


def run(kind: str, arguments: Sequence[str]) -> int:
    """Return the exit code of the faults of a kind. Raises `CommandRefused`."""
    try:
        module = import_module(f"tests.faults.{kind}")
    except ModuleNotFoundError as error:
        raise CommandRefused(
            "./run faults needs the tests and their packages, which are in a clone of the "
            f"repository only ({error})."
        ) from error
    code: int = module.main(arguments)
    return code
