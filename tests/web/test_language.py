"""English and German: nothing is left untranslated, and the page speaks what the person speaks."""

import re
from pathlib import Path

import httpx
import pytest
from jinja2 import nodes

import admin_web
from admin_web import catalogue
from admin_web.api_http import ApiError, check
from admin_web.app import create_app
from admin_web.settings import WebSettings
from admin_web.words import in_words
from tests.web.browser import Browser

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
    """The words that a template says without `_`; names and commands are the same in every language."""
    spoken = " ".join(SPOKEN.findall(text))
    shown = re.sub(r"<code>.*?</code>|<!doctype html>|<[^>]*>|^[^<]*>|<[^>]*$|&\w+;", " ", text, flags=re.DOTALL)
    said = f"{shown} {spoken}"
    for name in NAMES:
        said = said.replace(name, "")
    return " ".join(re.findall(r"[A-Za-z]{2,}", said))


def test_every_sentence_has_its_translation() -> None:
    assert catalogue.problems() == []


def test_templates_say_nothing_without_translating_it(settings: WebSettings) -> None:
    environment = create_app(settings).jinja_env
    said = {}
    for path in TEMPLATES.rglob("*.html"):
        tree = environment.parse(path.read_text())
        # the output between two tags of the template language can start or end inside an HTML tag: joined it is whole again
        text = "".join(part.data if isinstance(part, nodes.TemplateData) else "{" for part in _pieces(tree))
        if words := bare(text):
            said[str(path.relative_to(TEMPLATES))] = words
    assert said == {}


def _pieces(tree: nodes.Template) -> list[nodes.Node]:
    """All but the names of classes that a page gives its body."""
    classes = {id(output) for block in tree.find_all(nodes.Block) if block.name == "body_class" for output in block.find_all(nodes.Output)}
    return [part for output in tree.find_all(nodes.Output) if id(output) not in classes for part in output.nodes]


@pytest.mark.parametrize(("asked", "title"), [("de-AT,de;q=0.9,en;q=0.5", "Anmelden"), ("fr", "Sign in"), ("en, de", "Sign in")])
def test_a_visitor_reads_the_language_of_the_browser(visitor: Browser, asked: str, title: str) -> None:
    page = visitor.get("/login", {"Accept-Language": asked}).text
    assert f"<h2>{title}</h2>" in page
    assert f'lang="{"de" if title == "Anmelden" else "en"}"' in page


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"option": "aspect_ratio", "allowed": ["16:9", "1:1"]}, "Veo unterstützt „Seitenverhältnis“ so nicht. Möglich: 16:9, 1:1."),
        ({"option": "n", "allowed": {"least": 1, "most": 4}}, "Veo unterstützt „Wie viele“ so nicht. Möglich: 1 bis 4."),
        ({"option": "seed", "allowed": []}, "Veo unterstützt die Option „Startwert“ nicht."),
        ({"code": "model_unavailable", "allowed": ["a/b"]}, "Das Modell „Veo“ lässt sich nicht verwenden. Möglich: a/b."),
    ],
)
def test_what_a_model_lacks_is_said_with_its_facts_in_german(settings: WebSettings, facts: dict[str, object], said: str) -> None:
    fields = [{"field": "x", "message": "In English."}]
    problem = {
        "code": "option_unsupported",
        "title": "No",
        "status": 422,
        "detail": "In English.",
        "model": "Veo",
        "fields": fields,
        **facts,
    }
    with pytest.raises(ApiError) as refused:
        check(httpx.Response(422, json=problem), (200,))
    for language, words in (("de", said), ("en", "In English.")):
        with create_app(settings).test_request_context(headers={"Accept-Language": language}):
            error = in_words(refused.value)
        assert (error.message, error.fields) == (words, {"x": words})
