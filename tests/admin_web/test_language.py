"""English and German: nothing is left untranslated, and a page is in the language of its reader."""

import re
from pathlib import Path

import httpx
import pytest
from jinja2 import nodes

import admin_web
from admin_web.app import create_app
from admin_web.settings import WebSettings
from admin_web.words.errors import in_words
from admin_web.words.formats import price_words
from api.catalog.schemas import PriceOut
from api.reasons import SENTENCES
from client.errors import refused
from tests.admin_web.browser import Browser

TEMPLATES = Path(admin_web.__file__).parent / "templates"
SPOKEN = re.compile(r'\b(?:aria-label|title|placeholder|alt)="([^"{]*)')
NAMES = (
    "All You Can",
    "GET",
    "AI",
    "Telegram",
    "Discord",
    "Terminal",
    "Sandbox",
    "sandbox",
    "/link",
    "API",
    "HTTP",
    "Web",
    "English",
    "Deutsch",
    "utf-8",
    " ms",
)


def bare(text: str) -> str:
    """Return the words of a template outside of `_`; names and commands are the same in every
    language."""
    spoken = " ".join(SPOKEN.findall(text))
    shown = re.sub(
        r"<code>.*?</code>|<!doctype html>|<[^>]*>|^[^<]*>|<[^>]*$|&\w+;",
        " ",
        text,
        flags=re.DOTALL,
    )
    said = f"{shown} {spoken}"
    for name in NAMES:
        said = said.replace(name, "")
    return " ".join(re.findall(r"[A-Za-z]{2,}", said))


def test_templates_say_nothing_without_translating_it(settings: WebSettings) -> None:
    environment = create_app(settings).jinja_env
    said = {}
    for path in TEMPLATES.rglob("*.html"):
        tree = environment.parse(path.read_text())
        # the output between two tags of the template language can start or end inside an HTML tag:
        # joined it is whole again
        text = "".join(
            part.data if isinstance(part, nodes.TemplateData) else "{" for part in _pieces(tree)
        )
        if words := bare(text):
            said[str(path.relative_to(TEMPLATES))] = words
    assert said == {}


def _pieces(tree: nodes.Template) -> list[nodes.Node]:
    """Return the parts of the template, except the names of classes that a page gives its body."""
    classes = {
        id(output)
        for block in tree.find_all(nodes.Block)
        if block.name == "body_class"
        for output in block.find_all(nodes.Output)
    }
    return [
        part
        for output in tree.find_all(nodes.Output)
        if id(output) not in classes
        for part in output.nodes
    ]


@pytest.mark.parametrize(
    ("asked", "title"),
    [("de-AT,de;q=0.9,en;q=0.5", "Anmelden"), ("fr", "Sign in"), ("en, de", "Sign in")],
)
def test_a_visitor_reads_the_language_of_the_browser(
    visitor: Browser, asked: str, title: str
) -> None:
    page = visitor.get("/login", {"Accept-Language": asked}).text
    assert f"<h2>{title}</h2>" in page
    assert f'lang="{"de" if title == "Anmelden" else "en"}"' in page


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (
            {"params": {"option": "aspect_ratio", "model": "Veo"}, "allowed": ["16:9", "1:1"]},
            "Veo unterstützt Seitenverhältnis so nicht. Möglich: 16:9, 1:1.",
        ),
        (
            {"params": {"option": "n", "model": "Veo"}, "allowed": {"least": 1, "most": 4}},
            "Veo unterstützt Wie viele so nicht. Möglich: 1 bis 4.",
        ),
    ],
)
def test_a_missing_capability_is_said_with_its_facts_in_german(
    settings: WebSettings, facts: dict[str, object], said: str
) -> None:
    fields = [{"field": "x", "message": "In English.", "reason": "option_value"}]
    problem = {
        "code": "option_unsupported",
        "reason": "option_value",
        "title": "No",
        "status": 422,
        "detail": "In English.",
        "fields": fields,
        **facts,
    }
    error = refused(httpx.Response(422, json=problem))
    with create_app(settings).test_request_context(headers={"Accept-Language": "de"}):
        told = in_words(error)
    assert (told.message, told.fields) == (said, {"x": said})


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (
            {"reason": "password_short", "params": {"least": "12"}},
            "Das Passwort braucht mindestens 12 Zeichen.",
        ),
        ({"reason": "model_reads_less", "params": {"model": "Veo"}}, "Das ist zu lang für Veo."),
        (
            {"reason": "string_too_long", "params": {"max_length": "80"}},
            "Das ist zu lang: höchstens 80 Zeichen.",
        ),
        ({"reason": "newer_than_the_web"}, "Das sieht nicht richtig aus."),
    ],
)
def test_a_mistake_in_a_field_is_said_in_german(
    settings: WebSettings, reason: dict[str, object], said: str
) -> None:
    fields = [{"field": "x", "message": "In English.", **reason}]
    problem = {
        "code": "invalid_request",
        "title": "No",
        "status": 422,
        "detail": "In English.",
        "reason": reason["reason"] if reason["reason"] in SENTENCES else "fields_wrong",
        "params": reason.get("params", {}),
        "fields": fields,
    }
    error = refused(httpx.Response(422, json=problem))
    with create_app(settings).test_request_context(headers={"Accept-Language": "de"}):
        assert in_words(error).fields == {"x": said}


@pytest.mark.parametrize(
    ("facts", "english", "german"),
    [
        (
            {"usd": "0.014", "per": "image", "is_about": True},
            "about $0.014 an image",
            "etwa 0,014 $ je Bild",
        ),
        (
            {"usd": "0.08", "per": "second", "is_least": True},
            "from $0.08 a second",
            "ab 0,08 $ je Sekunde",
        ),
        ({"usd": "3", "per": "video"}, "$3.00 a video", "3,00 $ je Video"),
        ({"usd": "0", "per": "answer"}, "free", "kostenlos"),
        (
            {"usd": "0.25", "output_usd": "2", "per": "tokens"},
            "$0.25 in, $2.00 out per million tokens",
            "0,25 $ gelesen, 2,00 $ geschrieben je Million Token",
        ),
        ({}, "price not known", "Preis unbekannt"),
    ],
)
def test_prices_are_said_in_both_languages(
    settings: WebSettings, facts: dict[str, object], english: str, german: str
) -> None:
    price = PriceOut.model_validate({"items": [], "summary": "", **facts})
    for language, words in (("en", english), ("de", german)):
        with create_app(settings).test_request_context(headers={"Accept-Language": language}):
            assert price_words(price) == words
