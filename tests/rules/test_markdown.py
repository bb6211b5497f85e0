"""House rules for documents: their width, and the existence of every path, link, module, test,
command and setting that they name."""

import importlib.util
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import typer

from cli.__main__ import app
from tests.reference.settings import groups
from tests.rules.source import PRODUCT, ROOT, Source, parse, product

WIDTH = 100
ON_TOP = sorted(path.name for path in ROOT.glob("*.md"))
GUIDES = ["ARCHITECTURE.md", "README.md", "docs"]
OF_OTHERS = {"LICENSE.md"}
IN_RUN = {"test", "check", "lock"}
"""Commands that the script `run` has beside those of the command line."""

_FENCE = re.compile(r"^ *```")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"[A-Za-z0-9_.*-]+(?:/[A-Za-z0-9_.*-]+)*/?")
_MODULE = re.compile(r"python -m ([a-z_]+(?:\.[a-z_]+)*)")
_TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
_COMMAND = re.compile(r"\./run(?: (?!-)([a-z][a-z-]*))?")
_SETTING = re.compile(r"(?<![A-Z_$])[A-Z]+(?:_[A-Z]+)+(?![A-Z_])")
SETTINGS = {entry.name for group in groups().values() for entry in group}
FOREIGN = re.compile(
    r"AWS_\w*|(?:HTTPS?|ALL|NO)_PROXY|SSL_CERT_(?:FILE|DIR)|FAULT_POINT|OPENROUTR_API_KEY"
    r"|NAME_FILE|COMPOSE_[A-Z]+|(?:CADDY|POSTGRES|PYTHON|SEAWEEDFS)_IMAGE"
)
"""Read by libraries, by containers or by tests, and names that are examples."""
_SUFFIXES = (".md", ".toml", ".yml", ".txt", ".html", ".po")


@dataclass(frozen=True)
class Page:
    """One Markdown file; `name` is its path from the root."""

    name: str
    text: str

    def prose(self) -> Iterator[tuple[int, str]]:
        """Yield the lines outside of code blocks, with their numbers."""
        in_code = False
        for number, line in enumerate(self.text.splitlines(), 1):
            if _FENCE.match(line):
                in_code = not in_code
            elif not in_code:
                yield number, line


def _pages(*places: str) -> list[Page]:
    found = []
    for place in places:
        path = ROOT / place
        files = [path] if path.is_file() else sorted(path.rglob("*.md"))
        found += [
            Page(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8"))
            for file in files
            if file.name not in OF_OTHERS
        ]
    return found


def _top() -> set[str]:
    return {path.name for path in ROOT.iterdir()}


def too_wide(page: Page) -> Iterator[str]:
    """Find lines that are too long. A table's row and a link that is long by itself cannot be
    broken."""
    for number, line in page.prose():
        text = _LINK.sub("]", line)
        if len(text) > WIDTH and not line.startswith("|") and " " in text.strip():
            yield f"line {number} has {len(text)} characters"


def lost_paths(page: Page) -> Iterator[str]:
    """Find missing files among the names of documents, and the names in backticks that begin with a
    folder or file of the tree."""
    top = _top()
    for number, line in page.prose():
        for code in _CODE.findall(line):
            for name in code.split():
                if not _PATH.fullmatch(name):
                    continue
                first, _, rest = name.partition("/")
                beside = (ROOT / page.name).parent / name
                is_file = name[0].isalnum() and "/" not in name and name.endswith(_SUFFIXES)
                is_ours = is_file or (first in top and rest)
                if is_ours and not (any(ROOT.glob(name.rstrip("/"))) or beside.exists()):
                    yield f"line {number} names {name}"


def lost_links(page: Page) -> Iterator[str]:
    for number, line in page.prose():
        for target in _LINK.findall(line):
            name = target.partition("#")[0]
            here = (ROOT / page.name).parent
            if name and "://" not in name and not (here / name).exists():
                yield f"line {number} links to {target}"


def lost_tests(page: Page) -> Iterator[str]:
    for file, name in _TEST.findall(page.text):
        path = ROOT / file
        if not (path.exists() and f"def {name}(" in path.read_text(encoding="utf-8")):
            yield f"{file}::{name}"


def lost_modules(page: Page) -> Iterator[str]:
    for name in _MODULE.findall(page.text):
        if importlib.util.find_spec(name) is None:
            yield f"python -m {name}"


def lost_commands(page: Page) -> Iterator[str]:
    known = IN_RUN | set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    for name in _COMMAND.findall(page.text):
        if name and name not in known:
            yield f"./run {name}"


def lost_settings(page: Page) -> Iterator[str]:
    for number, line in page.prose():
        for code in _CODE.findall(line):
            for name in _SETTING.findall(code):
                known = name.removesuffix("_FILE") in SETTINGS
                if not known and not FOREIGN.fullmatch(name):
                    yield f"line {number} names {name}"


Rule = Callable[[Page], Iterator[str]]
RULES: list[tuple[Rule, list[str], str]] = [
    (
        too_wide,
        [*ON_TOP, *PRODUCT, "docs", "tests", ".github"],
        "word " * 21 + "\n",
    ),
    (lost_paths, GUIDES, "See `api/nothing.py`.\n"),
    (lost_links, [*ON_TOP, "docs", "tests"], "See [this](docs/nothing.md).\n"),
    (lost_tests, GUIDES, "See `tests/rules/test_markdown.py::test_nothing`.\n"),
    (lost_modules, GUIDES, "    python -m cli.nothing\n"),
    (lost_commands, GUIDES, "    ./run nothing\n"),
    (lost_settings, GUIDES, "Set `NO_SUCH_NAME=1`.\n"),
]


@pytest.mark.parametrize(
    ("rule", "places", "bad"), RULES, ids=[rule.__name__ for rule, *_ in RULES]
)
def test_rule(rule: Rule, places: list[str], bad: str) -> None:
    assert list(rule(Page("MADE_UP.md", bad))), "the rule does not see what it forbids"
    assert {page.name: found for page in _pages(*places) if (found := list(rule(page)))} == {}


def test_tables_code_and_long_links_may_be_wide() -> None:
    wide = "word " * 30
    allowed = f"| {wide} |\n```\n{wide}\n```\n[a](https://{'x' * 200}) is there\n{'x' * 120}\n"
    assert list(too_wide(Page("MADE_UP.md", allowed))) == []


NO_FILES_OF_OURS = {"answer.md"}
"""Names of files that users get."""


def lost_files(source: Source) -> Iterator[str]:
    """Find missing modules and documents named in a docstring, a comment or a text of the code."""
    for number, line in enumerate(source.text.splitlines(), 1):
        for name in re.findall(r"[\w/-]+\.(?:py|md)\b", line):
            if name not in NO_FILES_OF_OURS and not any(
                file.endswith(f"/{name}") for file in _files()
            ):
                yield f"line {number} names {name}"


@cache
def _files() -> frozenset[str]:
    folders = [*PRODUCT, "docs", "tests"]
    found = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    return frozenset(f"/{path.relative_to(ROOT).as_posix()}" for path in [*found, *ROOT.iterdir()])


def test_code_names_only_files_that_are_there() -> None:
    assert list(lost_files(parse('"""See docs/nothing.md."""\n')))
    assert {source.name: found for source in product() if (found := list(lost_files(source)))} == {}


DECISION_LINES = 50
DECISION = re.compile(
    r"# (\d{4}): .+\n\nDate: \d{4}-\d\d-\d\d\n\n## Context\n.+\n## Decision\n.+\n"
    r"## Alternatives\n.+\n## Consequences\n.+",
    re.DOTALL,
)


def _decisions() -> list[Page]:
    return [page for page in _pages("docs/decisions") if not page.name.endswith("README.md")]


def test_each_decision_has_its_parts_and_its_number() -> None:
    for page in _decisions():
        found = DECISION.fullmatch(page.text)
        assert found, f"{page.name} does not have the parts of a decision"
        assert Path(page.name).name.startswith(f"{found[1]}-"), page.name
        assert len(page.text.splitlines()) < DECISION_LINES, page.name


def test_decisions_are_numbered_and_listed() -> None:
    names = [Path(page.name).name for page in _decisions()]
    assert len({name[:4] for name in names}) == len(names)
    index = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    assert _LINK.findall(index) == names
