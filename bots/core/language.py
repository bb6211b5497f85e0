"""The language of the person who is answered, and its sentences.

English stands in the code. `locale/<language>.po` holds the others; they are read when the
process starts, so there is no compiled file that could be old. `python -m client.words.catalogue`
brings them up to date with the code and names the sentences that are not translated yet.

A `Reply` is made `with speaking(language)`: by `answer()` for questions, by the pump for
deliveries.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from client.words.language import DEFAULT, LANGUAGES, catalogue, filled

LOCALES = Path(__file__).parent / "locale"

_spoken: ContextVar[Callable[[], str]] = ContextVar("language", default=lambda: DEFAULT)


def chosen(*wanted: str | None) -> str:
    """The first of the wanted languages that there is, English otherwise. `de-AT` and `de_CH` are
    German."""
    short = ((one or "").replace("_", "-").partition("-")[0].lower() for one in wanted)
    return next((one for one in short if one in LANGUAGES), DEFAULT)


def spoken() -> str:
    return _spoken.get()()


@contextmanager
def speaking(language: str | Callable[[], str]) -> Iterator[None]:
    """Everything said inside is said in this language; a function is asked at each sentence. Not
    around a `yield` of an async generator:
    its steps may be in other tasks."""
    before = _spoken.set(language if callable(language) else lambda: language)
    try:
        yield
    finally:
        _spoken.reset(before)


def _(sentence: str, /, **values: object) -> str:
    """The sentence in the language that is spoken; `%(name)s` in it is filled from `values`."""
    return filled(catalogue(LOCALES, spoken()).gettext(sentence), values)


def sentence(words: str) -> Callable[[], str]:
    """A function that returns the words in the language that is spoken when it is called."""
    return lambda: _(words)


def ngettext(one: str, many: str, n: int, /, **values: object) -> str:
    """`%(n)s` is the number."""
    return filled(catalogue(LOCALES, spoken()).ngettext(one, many, n), {"n": n, **values})


def translated(sentence: str, language: str) -> str:
    """A sentence marked by `N_`, in that language."""
    return catalogue(LOCALES, language).gettext(sentence) if sentence else ""
