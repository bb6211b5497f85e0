"""`python -m bots.core.catalogue`: brings `locale/*.po` up to date with the code and names the
sentences that are not translated."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from bots.core.language import DEFAULT, LANGUAGES, LOCALES

ROOT = Path(__file__).parent.parent
KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}
Sentence = str | tuple[str, ...]


def sentences() -> dict[Sentence, None]:
    """All there are, in the order of the files."""
    return {sentence: None for path in sorted(ROOT.rglob("*.py")) for sentence in _of(path)}


def read(language: str) -> Catalog:
    path = LOCALES / f"{language}.po"
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def problems() -> list[str]:
    """One line for each sentence that is not translated, is not said any more, or lost one of its
    values on the way."""
    wrong = []
    said = sentences()
    for language in LANGUAGES.keys() - {DEFAULT}:
        held = {message.id: message for message in read(language) if message.id}
        wrong += [
            f"{language}: not translated: {sentence!r}"
            for sentence in said
            if not _is_done(held.get(sentence))
        ]
        wrong += [
            f"{language}: said nowhere: {sentence!r}" for sentence in held if sentence not in said
        ]
        wrong += [
            f"{language}: {error}: {message.id!r}"
            for message in held.values()
            for error in message.check()
        ]
    return wrong


def update() -> None:
    for language in LANGUAGES.keys() - {DEFAULT}:
        old = read(language)
        new = Catalog(
            locale=language,
            project="All You Can GET AI",
            version="1",
            creation_date=datetime(2026, 1, 1, tzinfo=UTC),
        )
        new.revision_date = new.creation_date
        for sentence in sentences():
            held = old.get(sentence if isinstance(sentence, str) else sentence[0])
            new.add(sentence, held.string if held is not None else None)
        LOCALES.mkdir(exist_ok=True)
        with (LOCALES / f"{language}.po").open("wb") as file:
            write_po(file, new, width=0)


def _of(path: Path) -> Iterator[Sentence]:
    for _line, sentence, _comments, _context in extract_from_file("python", path, KEYWORDS):
        yield tuple(sentence) if isinstance(sentence, (list, tuple)) else sentence


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
