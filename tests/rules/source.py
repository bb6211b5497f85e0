"""The project's Python files, parsed once."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PRODUCT = ["api", "bots", "admin_web", "cli"]


@dataclass(frozen=True)
class Source:
    """`name` is the path from the root, with slashes."""

    name: str
    text: str
    tree: ast.Module


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    found = []
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            found.append(Source(path.relative_to(ROOT).as_posix(), text, ast.parse(text)))
    return tuple(found)


def product() -> tuple[Source, ...]:
    return sources(*PRODUCT)


def imported(source: Source) -> Iterator[tuple[int, str]]:
    """Line and full name of each import: `from a import b` gives `a.b`."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def parse(text: str) -> Source:
    """For a rule's own test: a file that breaks it."""
    return Source("made/up.py", text, ast.parse(text))
