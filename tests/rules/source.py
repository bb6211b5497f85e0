"""The project's Python files, read and parsed once."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PRODUCT = ["api", "bots", "admin_web", "cli", "client", "sandbox", "telemetry"]


@dataclass(frozen=True)
class Source:
    """One Python file; `name` is the path from the root, with slashes."""

    name: str
    text: str

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        return tuple(ast.walk(ast.parse(self.text)))


@cache
def _folder(name: str) -> tuple[Source, ...]:
    paths = sorted((ROOT / name).rglob("*.py"))
    return tuple(
        Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in paths
    )


def sources(*folders: str) -> tuple[Source, ...]:
    return tuple(source for folder in folders for source in _folder(folder))


def product() -> tuple[Source, ...]:
    return sources(*PRODUCT)


def imported(source: Source) -> Iterator[tuple[int, str]]:
    """Yield line and full name of each import: `from a import b` gives `a.b`."""
    for node in source.nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def parse(text: str) -> Source:
    """Return a file with this text, for a rule's own test."""
    return Source("made/up.py", text)
