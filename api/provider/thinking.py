"""A model's text, split into its answer and its thinking.

Some suppliers send the thinking between tags before the answer, some send only the closing tag: by
then the thinking has been passed on as the answer, and is taken back.
"""

import re
from typing import Literal

from api.provider.types import TextDelta, TextThinking
from api.unicode import storable

_OPENING = ("<think>", "<thinking>", "<thought>")
_CLOSING = re.compile(r"</(?:think|thinking|thought)>", re.IGNORECASE)
_LONE_CLOSING = re.compile(r"</(?:think|thinking|thought)>[ \t]*(?:\r?\n|\Z)", re.IGNORECASE)
"""A closing tag alone counts at the end of a line only: a model may also write about such tags."""
_LONGEST = len("</thinking>")

Parts = list[TextDelta | TextThinking]
_State = Literal["start", "thinking", "writing"]


class Halves:
    """Text in parts that may be cut inside a character."""

    def __init__(self) -> None:
        self._half = ""

    def whole(self, text: str) -> str:
        """Return the whole characters; the first half of one waits for its second."""
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return storable(text)

    def rest(self) -> str:
        return storable(self._half)


class ThinkingSplitter:
    """Splits text as it comes. A possible beginning of a tag waits for the next part."""

    def __init__(self) -> None:
        self._halves = Halves()
        self._held = ""
        self._said = ""
        self._state: _State = "start"
        self._may_be_thinking = True

    def feed(self, text: str) -> Parts:
        return self._parts(self._halves.whole(text))

    def end(self) -> Parts:
        parts = self._parts(self._halves.rest(), last=True)
        if self._held:
            thinks = self._state == "thinking"
            parts.append(TextThinking(len(self._held)) if thinks else TextDelta(self._held))
            self._held = ""
        return parts

    def _parts(self, text: str, *, last: bool = False) -> Parts:
        self._held += text
        parts: Parts = []
        while self._held:
            before = self._state
            if before == "writing":
                part: TextDelta | TextThinking | None = self._write(last)
            else:
                part = self._begin(last) if before == "start" else self._think(last)
            if part is not None:
                parts.append(part)
            if self._state == before:
                break
        return parts

    def _begin(self, last: bool) -> TextThinking | None:
        """Look for a tag before the first word."""
        self._held = self._held.lstrip()
        begins = self._held.lower()
        tag = next((tag for tag in _OPENING if begins.startswith(tag)), None)
        if tag is not None:
            self._held, self._state = self._held[len(tag) :], "thinking"
            return TextThinking(0)
        if last or (begins and not any(tag.startswith(begins) for tag in _OPENING)):
            self._state = "writing"
        return None

    def _think(self, last: bool) -> TextThinking | None:
        closing = _CLOSING.search(self._held)
        if closing is not None:
            thought, self._held = closing.start(), self._held[closing.end() :]
            self._state, self._may_be_thinking = "start", False
        else:
            thought = len(self._held) if last else max(0, len(self._held) - _LONGEST)
            self._held = self._held[thought:]
        return TextThinking(thought) if thought else None

    def _write(self, last: bool) -> TextDelta | TextThinking | None:
        if self._may_be_thinking:
            closing = _LONE_CLOSING.search(self._held)
            # a tag at the end of the text may go on in the next part
            if closing is not None and (last or closing.group().endswith("\n")):
                before = self._said + self._held[: closing.start()]
                self._may_be_thinking = False
                if before.count("`") % 2 == 0 and not any(
                    tag in before.lower() for tag in _OPENING
                ):
                    self._held, self._said, self._state = self._held[closing.end() :], "", "start"
                    return TextThinking(len(before), forget=True)
        cut = self._held.rfind("<") if self._may_be_thinking and not last else -1
        waits = cut >= 0 and (
            _LONE_CLOSING.match(self._held, cut) is not None or _is_beginning(self._held[cut:])
        )
        said, self._held = (self._held[:cut], self._held[cut:]) if waits else (self._held, "")
        if self._may_be_thinking:
            self._said += said
        return TextDelta(said) if said else None


def _is_beginning(text: str) -> bool:
    return any(f"</{name}>".startswith(text.lower()) for name in ("think", "thinking", "thought"))
