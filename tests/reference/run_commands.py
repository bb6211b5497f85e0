"""The page of the commands of `./run`."""

import inspect
from collections.abc import Iterator
from typing import Any, get_args

import typer

from cli.__main__ import app

HEAD = """# Commands of `./run`

Without a command, `./run` starts everything. The first start of each command installs what it needs
into `.venv` or `.venv-dev`. Every command except `test`, `check`, `bench`, `faults` and `lock`
works in a container as well, as `python -m cli COMMAND`.

| command | what it does |
|---|---|
| `./run` | Start every process that has something to do, and keep it alive |
| `./run test [PYTEST OPTIONS]` | Install what the tests need and run them |
| `./run test quick [PYTEST OPTIONS]` | Only those that need no server, process or browser |
| `./run test coverage [PYTEST OPTIONS]` | The same, and the share of the lines they run |
| `./run check` | Format, lint, types, import rules, unused code, container files |
| `./run lock [UV OPTIONS]` | Write `locks/` anew; `--upgrade` takes the newest versions |
| `./run --version` | Print the version |
"""


def page() -> str:
    rows = _commands(typer.main.get_command(app), "./run")
    return HEAD + "".join(f"| `{usage}` | {text} |\n" for usage, text in rows)


def _commands(command: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield usage and help of a command, or of each command in a group."""
    if getattr(command, "invoke_without_command", False):
        yield path, " ".join(inspect.cleandoc(command.help).split())
    for name, one in getattr(command, "commands", {}).items():
        yield from _commands(one, f"{path} {name}")
    if not hasattr(command, "commands"):
        pieces = [_piece(one) for one in command.params if one.name != "help"]
        yield " ".join([path, *pieces]), " ".join(inspect.cleandoc(command.help).split())


def _piece(parameter: Any) -> str:
    if parameter.param_type_name == "option":
        return f"[{parameter.opts[0]}]"
    choices = [
        one for one in get_args(parameter.type_descriptor.annotation) if isinstance(one, str)
    ]
    return "\\|".join(choices) or str(parameter.metavar or parameter.name.upper())
