"""The languages that people are spoken to, and where the sentences of each are read.

English stands in the code. A folder of translations holds `<language>.po` or `<language>/*.po`,
read when the process starts, so there is no compiled file that could be old.
"""

import gettext
import io
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES = {"en": "English", "de": "Deutsch"}
DEFAULT = "en"


def N_(sentence: str) -> str:  # noqa: N802 - gettext's own name for a sentence that is translated where it is shown
    return sentence


@cache
def catalogue(folder: Path, language: str) -> gettext.NullTranslations:
    """The folder's sentences in that language. No sentence is in two of its files."""
    merged = gettext.NullTranslations()
    for path in files(folder, language):
        compiled = io.BytesIO()
        with path.open("rb") as file:
            write_mo(compiled, read_po(file, locale=language))
        compiled.seek(0)
        found = gettext.GNUTranslations(compiled)
        found.add_fallback(merged)
        merged = found
    return merged


def files(folder: Path, language: str) -> list[Path]:
    return sorted([*folder.glob(f"{language}.po"), *folder.glob(f"{language}/*.po")])


def filled(text: str, values: Mapping[str, object]) -> str:
    """`%(name)s` in the text is filled from `values`."""
    return text % values if values else text
