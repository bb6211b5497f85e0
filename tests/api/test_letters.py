"""The mails that people get: whole in each language, the same in text and HTML, and without
anything from elsewhere."""

import re
from html.parser import HTMLParser
from typing import get_args

import pytest

from api.letters import WORDS, LetterLanguage, Occasion, letter

LINK = "https://studio.example.org/reset?token=a-b_c&x=<1>"
EVERY = [(one, language) for one in get_args(Occasion) for language in get_args(LetterLanguage)]


class Read(HTMLParser):
    """The text, the tags and the addresses of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.links: list[str] = []
        self.tags: list[str] = []
        self.styles: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.styles.append(given.get("style") or "")
        self.links += [value for name, value in attrs if name in {"href", "src"} and value]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(("occasion", "language"), EVERY)
def test_a_letter_is_whole(occasion: Occasion, language: LetterLanguage) -> None:
    made = letter(occasion, language, LINK)
    page = Read(made.html)
    words = WORDS[language][occasion]
    assert made.subject == words.subject
    for said in (words.lead, words.button, words.ending, LINK):
        assert said in made.text
        assert said in page.text
    assert page.links == [LINK, LINK]
    assert f'<html lang="{language}">' in made.html
    assert "{" not in made.text


@pytest.mark.parametrize(("occasion", "language"), EVERY)
def test_a_letter_loads_nothing_and_can_be_read_in_the_dark(
    occasion: Occasion, language: LetterLanguage
) -> None:
    page = Read(letter(occasion, language, LINK).html)
    assert not {"img", "link", "script", "style", "iframe"} & set(page.tags)
    assert not any("url(" in style for style in page.styles)
    for style in page.styles:
        text = re.search(r"(?<!-)color: (?!inherit)", style)
        ground = re.search(r"background", style)
        assert bool(text) == bool(ground), "a colour of text without one of its ground, or reversed"


def test_each_language_says_something_of_its_own() -> None:
    english, german = (WORDS[language] for language in get_args(LetterLanguage))
    for occasion in get_args(Occasion):
        for name in ("subject", "lead", "button", "ending"):
            assert getattr(english[occasion], name) != getattr(german[occasion], name)


def test_an_unknown_language_is_english() -> None:
    assert letter("reset", "auto", LINK) == letter("reset", "en", LINK)
