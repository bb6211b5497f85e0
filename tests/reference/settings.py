"""The page of settings: explanations from `.env.example`, values from the settings classes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from admin_web.settings import WebSettings
from api.settings import Settings
from bots.settings import BotSettings
from cli.settings import EXAMPLE, LaunchSettings, environment_names
from sandbox.settings import SandboxSettings
from telemetry.settings import TelemetrySettings

READERS: dict[str, type[BaseSettings]] = {
    "api": Settings,
    "web": WebSettings,
    "bots": BotSettings,
    "sandbox": SandboxSettings,
    "`./run`": LaunchSettings,
    "all": TelemetrySettings,
}
HEAD = """# Settings

Settings come from the environment or from the file `.env` in the folder of the product. The
environment wins. An empty value counts as not set. A value that cannot be used, or a name that is
nearly one of these, stops the start with one line that names it. Copy `.env.example` to `.env` to
begin; changes take effect at the next start.

Any setting may be read from a file, as containers and service managers hand out secrets:
`NAME_FILE=/run/secrets/name` instead of `NAME=value`. This also goes for `AWS_ACCESS_KEY_ID`,
`AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and the names of proxies. An empty file counts as not
set. `NAME` and `NAME_FILE` together, or a file that cannot be read, stop the start with one line.

`AWS_*` (for S3), `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and `SSL_CERT_DIR` are
passed on from either place.
"""

_GROUP = re.compile(r"# --- (.+?) -+")
_SETTING = re.compile(r"#?([A-Z][A-Z0-9_]+)=(.*)")
_NUMBERS = {int: "whole number", float: "number", Decimal: "amount"}


@dataclass(frozen=True)
class Entry:
    """One setting as `.env.example` has it."""

    name: str
    default: str
    explanation: str


def groups() -> dict[str, list[Entry]]:
    """Return the groups of `.env.example` in their order. A comment explains every setting down to
    the next comment."""
    found: dict[str, list[Entry]] = {}
    title, comment, is_open = "", "", False
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if group := _GROUP.fullmatch(line):
            title, comment, is_open = group[1], "", False
        elif setting := _SETTING.fullmatch(line):
            found.setdefault(title, []).append(Entry(setting[1], setting[2], comment))
            is_open = False
        elif line.startswith("# "):
            comment = f"{comment} {line[2:]}" if is_open else line[2:]
            is_open = True
    return found


def fields() -> dict[str, dict[str, FieldInfo]]:
    """Return the settings' fields by name in the environment, from all processes that read them."""
    found: dict[str, dict[str, FieldInfo]] = {}
    for reader, settings in READERS.items():
        for name, variable in environment_names(settings).items():
            found.setdefault(variable, {})[reader] = settings.model_fields[name]
    return found


def values(annotation: Any, rules: Iterable[Any]) -> str:
    """Return the values that a setting takes, in words."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in {Union, UnionType}:
        return values(next(part for part in parts if part is not NoneType), rules)
    if origin is Annotated:
        inside = [rule for part in parts[1:] for rule in part.metadata]
        return values(parts[0], [*rules, *inside])
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if annotation is SecretStr:
        return "secret"
    if annotation in _NUMBERS:
        least = next((rule.ge for rule in rules if isinstance(rule, Ge)), None)
        most = next((rule.le for rule in rules if isinstance(rule, Le)), None)
        return f"{_NUMBERS[annotation]}, {least} to {most}"
    if annotation is Path:
        return "path"
    return "JSON list" if origin is list else "text"


def page() -> str:
    known = fields()
    lines = [HEAD]
    for title, entries in groups().items():
        lines += [f"## {title}", "", "| setting | default | values | read by | what it does |"]
        lines += ["|---|---|---|---|---|"]
        lines += [_row(entry, known.get(entry.name, {})) for entry in entries]
        lines.append("")
    return "\n".join(lines)


def _row(entry: Entry, readers: dict[str, FieldInfo]) -> str:
    default = f"`{entry.default}`" if entry.default else "not set"
    info = next(iter(readers.values()))
    taken = values(info.annotation, info.metadata)
    who = ", ".join(readers)
    return f"| `{entry.name}` | {default} | {taken} | {who} | {entry.explanation} |"
