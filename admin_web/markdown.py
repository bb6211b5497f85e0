"""A model's answer as HTML: Markdown with highlighted code.

Two guards, because a model may write the words of a stranger: the parser passes no HTML on, and its
output is cut down to a list of harmless tags.
"""

from functools import cache

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

TAGS = {
    *("p", "br", "hr", "h3", "h4", "h5", "h6", "strong", "em", "s", "blockquote", "ul", "ol", "li"),
    *("a", "code", "pre", "span", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"a": {"href", "title"}, "span": {"class"}, "code": {"class"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto"}
HIGHEST_HEADING = 3
"""The page and the conversation have headings of their own above an answer's."""
CODE_MAX = 100_000
"""Longer code is shown without colours: they would take the page's time."""


def as_html(text: str) -> Markup:
    return Markup(  # noqa: S704 - the cleaner's output
        nh3.clean(
            _parser().render(text),
            tags=TAGS,
            attributes=ATTRIBUTES,
            url_schemes=SCHEMES,
            link_rel="noopener noreferrer nofollow",
            set_tag_attribute_values={"a": {"target": "_blank"}},
        )
    )


@cache
def _parser() -> MarkdownIt:
    """A picture becomes a link: an address chosen by a model must not be opened by looking at the
    page."""
    parser = MarkdownIt(
        "commonmark", {"html": False, "breaks": True, "highlight": _coloured}
    ).enable(["table", "strikethrough"])
    parser.disable("image")
    parser.core.ruler.push("lower_headings", lambda state: _lower(state.tokens))
    return parser


def _lower(tokens: list[Token]) -> None:
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + HIGHEST_HEADING - 1)}"


def _coloured(code: str, name: str, _attributes: str) -> str:
    """An empty answer lets the parser escape the code itself."""
    if not name or len(code) > CODE_MAX:
        return ""
    try:
        lexer = get_lexer_by_name(name)
    except ClassNotFound:
        return ""
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))
