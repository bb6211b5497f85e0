"""The texts of people and the secrets that no log may hold.

The fakes of the chats tell here what people say. When processes end, their whole output is searched
for it. In the tests' own process each line is looked at as it is written.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from structlog.typing import EventDict, WrappedLogger

WORDS_LEAST = 3
"""A shorter text stands in many lines by chance."""
FIELDS = {"prompt", "text", "question", "answer", "content", "password", "token", "authorization"}
"""Names that no field of a line has."""
_KEYS = re.compile(r"TOKEN|KEY|PASSWORD|SECRET")
_SECRET = re.compile(
    r"\d{6,}:[A-Za-z0-9_-]{30,}|sk-or-[A-Za-z0-9_-]{8,}|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\."
    r"|Bearer [A-Za-z0-9._-]{8,}|[?&]sig=[A-Za-z0-9_-]{8,}"
)
_said: set[str] = set()
_seen: list[str] = []


def said(text: str) -> None:
    """Hear what a person writes, with or without a command in front."""
    words = text.partition(" ")[2] if text.startswith("/") else text
    if len(words.split()) >= WORDS_LEAST:
        # the first line, as it stands in JSON
        _said.add(json.dumps(words.splitlines()[0], ensure_ascii=False)[1:-1])


def watch(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Look at a line of the tests' own process."""
    if FIELDS & event.keys() or _SECRET.search(line := repr(event)) or _texts_in(line):
        _seen.append(repr(event))
    return event


def seen() -> list[str]:
    """Return the lines that should not have been written, once."""
    found = list(_seen)
    _seen.clear()
    return found


def found_in(folder: Path, env: Mapping[str, str]) -> list[str]:
    """Return what the logs of a folder hold of texts and of the secrets of its processes."""
    secrets = {value for name, value in env.items() if _KEYS.search(name) and len(value) >= 8}
    kept = folder / "secrets.json"
    if kept.exists():
        secrets |= set(_values(json.loads(kept.read_text())))
    found = []
    for log in sorted(folder.glob("*.log")):
        text = log.read_text(errors="replace")
        found += [f"{log.name}: {secret}" for secret in sorted(secrets) if secret in text]
        found += [f"{log.name}: {match[0]}" for match in _SECRET.finditer(text)]
        found += [f"{log.name}: {words}" for words in _texts_in(text)]
    return found


def _texts_in(text: str) -> list[str]:
    return [words for words in _said if words in text]


def _values(given: object) -> Iterator[str]:
    if isinstance(given, dict):
        for name, value in given.items():
            if name != "installation":  # a mark in the store, no secret
                yield from _values(value)
    elif isinstance(given, str) and len(given) >= 16:
        yield given
