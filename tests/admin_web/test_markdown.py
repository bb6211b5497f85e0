"""A model's Markdown becomes HTML without scripts, forms or foreign addresses."""

import re
from html.parser import HTMLParser

import pytest

from admin_web.markdown import as_html
from tests.admin_web.hostile_texts import ATTACKS


class _Seen(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.addresses: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add((tag, name))
            if name in {"href", "src"}:
                self.addresses.add(value or "")


@pytest.mark.parametrize(
    "attack",
    [
        *ATTACKS,
        "[x](javascript:alert(1))",
        "[x](data:text/html,<script>)",
        "![x](https://evil.example/a.png)",
    ],
)
@pytest.mark.parametrize(
    "frame",
    ["{}", "# {}", "* {}", "> {}", "| a |\n|---|\n| {} |", "[a {}](https://example.org '{}')"],
)
def test_nothing_that_acts_or_loads_comes_out(attack: str, frame: str) -> None:
    seen = _Seen(as_html(frame.replace("{}", attack)))
    assert seen.tags <= {
        "p",
        "br",
        "h3",
        "ul",
        "li",
        "blockquote",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "a",
        "em",
        "strong",
        "code",
    }
    assert seen.attributes <= {("a", "href"), ("a", "rel"), ("a", "target"), ("a", "title")}
    assert all(address.startswith(("https://", "http://")) for address in seen.addresses)


def test_headings_emphasis_tables_and_links_are_kept() -> None:
    html = as_html(
        "# Title\n\nSome *words* and `code`.\n\n1. one\n2. two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
        "\n[there](https://example.org)"
    )
    assert "<h3>Title</h3>" in html
    assert "<em>words</em>" in html
    assert "<td>2</td>" in html
    assert re.search(r'<a href="https://example.org"[^>]*rel="noopener noreferrer nofollow"', html)
    assert 'target="_blank"' in html


def test_html_is_shown_as_it_was_written_and_a_picture_is_a_link() -> None:
    assert "&lt;b&gt;bold&lt;/b&gt;" in as_html("<b>bold</b>")
    assert '<a href="https://example.org/a.png"' in as_html("![x](https://example.org/a.png)")


def test_code_is_coloured_and_unknown_code_is_plain() -> None:
    assert '<span class="k">def</span>' in as_html("```python\ndef f(): pass\n```")
    assert "&lt;b&gt;" in as_html("```nonsense\n<b>\n```")
    assert "<span" not in as_html("```python\n" + "x = 1\n" * 30_000 + "```")
