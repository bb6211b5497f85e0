"""`python -m admin_web.catalogue`: brings `locale/<language>/*.po` up to date with the sentences of
code and templates, and names those that are not translated yet. Sentences of admin pages are in
`admin.po`, all others in `member.po`."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from admin_web.words.language import DEFAULT, LANGUAGES, LOCALES

ROOT = Path(__file__).parent
PARTS = ("member", "admin")
KEYWORDS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)}
OPTIONS = {"newstyle_gettext": "true", "trimmed": "true", "silent": "false"}
HEADER = (
    "# What the web says. Written by python -m admin_web.catalogue; only the translations "
    "are written by hand."
)
SOMEDAY = datetime(2026, 1, 1, tzinfo=UTC)
"""Real dates would change the file at each run."""
Sentence = str | tuple[str, ...]


def sentences() -> dict[str, dict[Sentence, None]]:
    """By part, in the order of the files. What members see too belongs to the members' part
    only."""
    found: dict[str, dict[Sentence, None]] = {part: {} for part in PARTS}
    for path in sorted([*ROOT.rglob("*.py"), *ROOT.rglob("*.html")]):
        for sentence in _of(path):
            found[_part(path)][sentence] = None
    for sentence in found["member"]:
        found["admin"].pop(sentence, None)
    return found


def read(language: str, part: str) -> Catalog:
    path = LOCALES / language / f"{part}.po"
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def problems() -> list[str]:
    """One line for each sentence that is not translated, is not said any more, or lost one of its
    values on the way."""
    wrong = []
    for language in LANGUAGES.keys() - {DEFAULT}:
        for part, said in sentences().items():
            held = {message.id: message for message in read(language, part) if message.id}
            where = f"{language}/{part}.po"
            wrong += [
                f"{where}: not translated: {sentence!r}"
                for sentence in said
                if not _is_done(held.get(sentence))
            ]
            wrong += [
                f"{where}: said nowhere: {sentence!r}" for sentence in held if sentence not in said
            ]
            wrong += [
                f"{where}: {error}: {message.id!r}"
                for message in held.values()
                for error in message.check()
            ]
    return wrong


def update() -> None:
    for language in LANGUAGES.keys() - {DEFAULT}:
        for part, said in sentences().items():
            old = read(language, part)
            new = Catalog(
                locale=language,
                header_comment=HEADER,
                creation_date=SOMEDAY,
                revision_date=SOMEDAY,
                fuzzy=False,
            )
            for sentence in said:
                held = old.get(sentence if isinstance(sentence, str) else sentence[0])
                new.add(sentence, held.string if held is not None else None)
            path = LOCALES / language / f"{part}.po"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                write_po(file, new, width=0, omit_header=False)


def _of(path: Path) -> Iterator[Sentence]:
    method = "python" if path.suffix == ".py" else "jinja2"
    with path.open("rb") as file:
        for _line, sentence, _comments, _context in extract(method, file, KEYWORDS, (), OPTIONS):
            yield tuple(sentence) if isinstance(sentence, (list, tuple)) else sentence


def _part(path: Path) -> str:
    is_admin = (
        path.name.startswith(("admin_", "audit_")) or "admin" in path.relative_to(ROOT).parts[:-1]
    )
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
