"""The language and the time zone of a page, and its sentences in that language.

English is what stands in the code and in the templates. `locale/<language>/*.po` holds the others;
they are read when the web starts, so there is no compiled file that could be old. `python -m
client.words.catalogue` finds what is not translated yet.
"""

from datetime import UTC, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import Literal, cast
from zoneinfo import ZoneInfo

from babel import Locale
from flask import Flask, g, has_request_context, request, session
from markupsafe import Markup

from client.words.language import DEFAULT, LANGUAGES, catalogue, filled

LOCALES = Path(__file__).parents[1] / "locale"
Language = Literal["en", "de"]


def prepare(app: Flask) -> None:
    for language in LANGUAGES:
        catalogue(LOCALES, language)
    app.jinja_env.add_extension("jinja2.ext.i18n")
    # the extension adds the method, so no type knows it
    app.jinja_env.install_gettext_callables(_, ngettext, newstyle=True)  # type: ignore[attr-defined]
    # the extension's own `_` takes a third of the time of a page with a table
    app.jinja_env.globals.update(language=chosen, _=_in_template)


def _(sentence: str, /, **values: object) -> str:
    """The sentence in the language of this request; `%(name)s` in it is filled from `values`."""
    return filled(catalogue(LOCALES, chosen()).gettext(sentence), values)


def _in_template(sentence: str, /, **values: object) -> Markup:
    """Translate a sentence of a template. Values are escaped when they are filled in; `%%` is a
    percent sign."""
    if not values:
        return _plain(chosen(), sentence)
    return Markup(catalogue(LOCALES, chosen()).gettext(sentence)) % values  # noqa: S704 - our own sentences


@lru_cache(4096)
def _plain(language: str, sentence: str) -> Markup:
    return Markup(catalogue(LOCALES, language).gettext(sentence)) % {}  # noqa: S704 - our own sentences


def ngettext(one: str, many: str, n: int, /, **values: object) -> str:
    return filled(catalogue(LOCALES, chosen()).ngettext(one, many, n), {"n": n, "num": n, **values})


def speak(language: str) -> None:
    """The signed-in person's own language, for this page and, without asking again, for the
    fragments that follow it."""
    g.language = language if language in LANGUAGES else asked_for()
    if session.get("language") != g.language:
        session["language"] = g.language


def chosen() -> str:
    """The person's language; of a visitor the one that the browser asks for."""
    try:
        language: str | None = g.get("language")
    except RuntimeError:
        return DEFAULT  # no page is being made
    if language is None and has_request_context():
        held = session.get("language")
        g.language = language = held if held in LANGUAGES else asked_for()
    return language or DEFAULT


def asked_for() -> Language:
    """By the browser."""
    return "de" if request.accept_languages.best_match(LANGUAGES) == "de" else "en"


def zone() -> tzinfo:
    """The person's time zone as the profile has it, else as the browser has said it."""
    if "zone" not in g:
        held = session.get("time_zone")
        g.zone = (
            _zone(held if isinstance(held, str) else "")
            or _zone(request.cookies.get("tz", ""))
            or UTC
        )
    return cast("tzinfo", g.zone)


def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (
        KeyError,
        ValueError,
        OSError,
    ):  # an unknown name, one that is no name, one that is a folder
        return None


def locale() -> Locale:
    return Locale(chosen())
