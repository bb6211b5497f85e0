"""The words of a text that are read aloud, in pieces that a model takes."""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

_READ = MarkdownIt("commonmark").enable("table")
_ENDS = re.compile(r"(?<=[.!?…。！？])\s+|\n+")
_BLANKS = re.compile(r"[ \t]+")
_ADDRESS = re.compile(r"https?://\S+")


def spoken(markdown: str) -> str:
    """Return the words without marks, addresses and program text, a line for each block."""
    lines = [_words(token) for token in _READ.parse(markdown) if token.type == "inline"]
    text = "\n".join(line for line in map(str.strip, lines) if line)
    return _BLANKS.sub(" ", _ADDRESS.sub("", text)).strip()


def _words(token: Token) -> str:
    kept = []
    for one in token.children or ():
        if one.type in {"text", "code_inline"}:
            kept.append(one.content)
        elif one.type in {"softbreak", "hardbreak"}:
            kept.append(" ")
    return "".join(kept)


def pieces(text: str, most: int) -> list[str]:
    """Cut at the ends of sentences; a longer sentence at a blank, or in the middle of a word."""
    found: list[str] = []
    for part in _parts(text, most):
        if found and len(found[-1]) + 1 + len(part) <= most:
            found[-1] = f"{found[-1]} {part}"
        else:
            found.append(part)
    return found


def _parts(text: str, most: int) -> Iterator[str]:
    for sentence in _ENDS.split(text):
        left = sentence.strip()
        while len(left) > most:
            at = left.rfind(" ", 1, most + 1)
            at = at if at > 0 else most
            yield left[:at].strip()
            left = left[at:].strip()
        if left:
            yield left
