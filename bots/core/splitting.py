"""Texts cut into messages that a platform takes."""

from collections.abc import Callable

SEPARATORS = ("\n\n", "\n", " ")
"""Places to cut, the best first: between paragraphs, lines, words."""

LEAST_FILL = 0.5
"""A message is at least this full before a better place to cut is worth one message more."""


def utf16_units(text: str) -> int:
    """The length of a text on platforms that are built on UTF-16: most emoji count two."""
    return len(text) + sum(ord(letter) > 0xFFFF for letter in text)


def split(text: str, limit: int, length: Callable[[str], int] = len) -> list[str]:
    """Parts of at most `limit`, measured by `length`, none of them blank; an empty list for a blank
    text."""
    parts = []
    rest = text.strip()
    while rest:
        if length(rest) <= limit:
            parts.append(rest)
            break
        cut = _cut(rest, _fitting(rest, limit, length))
        parts.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip("\n" if rest[cut : cut + 1] == "\n" else " ")
    return [part for part in parts if part]


def shorten(text: str, limit: int, length: Callable[[str], int] = len) -> str:
    """The text on one line, cut at a word with an ellipsis if it is longer than `limit`."""
    line = " ".join(text.split())
    if length(line) <= limit:
        return line
    room = _fitting(line, limit - 1, length)
    space = line.rfind(" ", 0, room + 1)
    return line[: space if space > room * LEAST_FILL else room].rstrip() + "…"


def _fitting(text: str, limit: int, length: Callable[[str], int]) -> int:
    """The number of characters from the start that fit into `limit`; at least one, so that
    splitting always ends."""
    low, high = 1, min(len(text), max(limit, 1))
    while low < high:
        middle = (low + high + 1) // 2
        if length(text[:middle]) <= limit:
            low = middle
        else:
            high = middle - 1
    return low


def _cut(text: str, room: int) -> int:
    """The place to cut, with at most `room` characters before it."""
    for separator in SEPARATORS:
        place = text.rfind(separator, int(room * LEAST_FILL), room + len(separator))
        if place > 0:
            return place
    return room
