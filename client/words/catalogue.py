"""`python -m client.words.catalogue`: brings all translations up to date with the sentences of code
and templates, and names the sentences that are not translated yet.

Four sets: reasons (`client/words`), chats (`bots`), and the web's pages for members and for admins.
A sentence that members see too is in their set only.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from api.reasons import NO_REASON, NOT_REPEATED, SENTENCES
from client.words.language import DEFAULT, LANGUAGES

ROOT = Path(__file__).parents[2]
FILES = {
    "client": "client/words/locale/{language}.po",
    "bots": "bots/core/locale/{language}.po",
    "member": "admin_web/locale/{language}/member.po",
    "admin": "admin_web/locale/{language}/admin.po",
}
FOLDERS = {"client": "client/words", "bots": "bots", "admin_web": "admin_web"}
KEYWORDS = {"_": None, "N_": None, "sentence": None, "gettext": None, "ngettext": (1, 2)}
OPTIONS = {"newstyle_gettext": "true", "trimmed": "true", "silent": "false"}
HEADER = "# Written by python -m client.words.catalogue; only the translations are written by hand."
SOMEDAY = datetime(2026, 1, 1, tzinfo=UTC)
"""Real dates would change the file at each run."""
Sentence = str | tuple[str, ...]


def sentences() -> dict[str, dict[Sentence, None]]:
    """By set, in the order of the files."""
    found: dict[str, dict[Sentence, None]] = {name: {} for name in FILES}
    found["client"] |= dict.fromkeys([*SENTENCES.values(), NOT_REPEATED, NO_REASON])
    for folder in FOLDERS.values():
        for path in sorted([*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.html")]):
            for sentence in _of(path):
                found[_set(path.relative_to(ROOT))][sentence] = None
    for sentence in found["member"]:
        found["admin"].pop(sentence, None)
    return found


def problems() -> list[str]:
    """One line for each sentence that is not translated, is not said any more, or lost one of its
    values on the way."""
    wrong = []
    for where, said in _files():
        held = {message.id: message for message in _read(where) if message.id}
        name = where.relative_to(ROOT)
        wrong += [
            f"{name}: not translated: {sentence!r}"
            for sentence in said
            if not _is_done(held.get(sentence))
        ]
        wrong += [
            f"{name}: said nowhere: {sentence!r}" for sentence in held if sentence not in said
        ]
        wrong += [
            f"{name}: {error}: {message.id!r}"
            for message in held.values()
            for error in message.check()
        ]
    return wrong


def update() -> None:
    for where, said in _files():
        old = _read(where)
        new = Catalog(
            locale=old.locale,
            header_comment=HEADER,
            creation_date=SOMEDAY,
            revision_date=SOMEDAY,
            fuzzy=False,
        )
        for sentence in said:
            held = old.get(sentence if isinstance(sentence, str) else sentence[0])
            new.add(sentence, held.string if held is not None else None)
        where.parent.mkdir(parents=True, exist_ok=True)
        with where.open("wb") as file:
            write_po(file, new, width=0, omit_header=False)


def _files() -> Iterator[tuple[Path, dict[Sentence, None]]]:
    found = sentences()
    for language in LANGUAGES.keys() - {DEFAULT}:
        for name, path in FILES.items():
            yield ROOT / path.format(language=language), found[name]


def _read(path: Path) -> Catalog:
    language = path.stem if path.stem in LANGUAGES else path.parent.name
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def _of(path: Path) -> Iterator[Sentence]:
    method = "python" if path.suffix == ".py" else "jinja2"
    with path.open("rb") as file:
        for _line, sentence, _comments, _context in extract(method, file, KEYWORDS, (), OPTIONS):
            yield tuple(sentence) if isinstance(sentence, (list, tuple)) else sentence


def _set(path: Path) -> str:
    if path.parts[0] != "admin_web":
        return path.parts[0]
    is_admin = path.name.startswith(("admin_", "audit_")) or "admin" in path.parts[1:-1]
    return "admin" if is_admin else "member"


def _is_done(message: Message | None) -> bool:
    if message is None or message.fuzzy:
        return False
    return (
        all(message.string) if isinstance(message.string, (list, tuple)) else bool(message.string)
    )


def main() -> int:
    update()
    wrong = problems()
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
