"""Which language is spoken, and its sentences.

English is what stands in the code. `locale/<language>.po` holds the others; they are read when the
process starts, so there is no compiled file that could be old. `python -m bots.core.catalogue`
brings them up to date with the code and names what is not translated yet.

Whoever makes a `Reply` does so `with speaking(language)`: `answer()` for what people ask, the pump
for what is delivered.
"""

import gettext as std
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALES = Path(__file__).parent / "locale"
LANGUAGES = {"en": "English", "de": "Deutsch"}
DEFAULT = "en"

_spoken: ContextVar[str] = ContextVar("language", default=DEFAULT)


def chosen(*wanted: str | None) -> str:
    """The first of the wanted languages that there is, English otherwise. `de-AT` and `de_CH` are
    German."""
    short = ((one or "").replace("_", "-").partition("-")[0].lower() for one in wanted)
    return next((one for one in short if one in LANGUAGES), DEFAULT)


def spoken() -> str:
    return _spoken.get()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Everything said inside is said in this language. Not around a `yield` of an async generator:
    its steps may be in other tasks."""
    before = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(before)


def _(sentence: str, /, **values: object) -> str:
    """The sentence in the language that is spoken; `%(name)s` in it is filled from `values`."""
    return _filled(_catalogue(spoken()).gettext(sentence), values)


def ngettext(one: str, many: str, n: int, /, **values: object) -> str:
    """`%(n)s` is the number."""
    return _filled(_catalogue(spoken()).ngettext(one, many, n), {"n": n, **values})


def N_(sentence: str) -> str:  # noqa: N802 - gettext's own name for a sentence that is translated where it is shown
    return sentence


def translated(sentence: str, language: str) -> str:
    """A sentence marked by `N_`, in that language."""
    return _catalogue(language).gettext(sentence) if sentence else ""


def _filled(text: str, values: Mapping[str, object]) -> str:
    return text % values if values else text


@cache
def _catalogue(language: str) -> std.NullTranslations:
    path = LOCALES / f"{language}.po"
    if language == DEFAULT or not path.exists():
        return std.NullTranslations()
    compiled = io.BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return std.GNUTranslations(compiled)
