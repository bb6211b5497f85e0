"""English and German: nothing is left untranslated, and the page speaks what the person speaks."""

import re
from pathlib import Path

import pytest
from jinja2 import nodes

import admin_web
from admin_web import catalogue
from admin_web.app import create_app
from admin_web.settings import WebSettings
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
