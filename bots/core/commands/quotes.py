"""Quotes: the words that a question answers, put before it, because the model sees no chat."""

from bots.core import texts
from bots.core.commands.sources import quoted_result
from bots.core.types import Inbound
from client.schemas import PROMPT_MAX

CUT = "…"
LEAST = 200
"""A quote with less room says nothing: it is left out."""


def with_quoted(inbound: Inbound, question: str) -> str:
    """The question behind the words that it answers and their author; empty when there is
    neither."""
    words = _quoted_words(inbound)
    if not words:
        return question
    quoted, asked = inbound.quoted, question or texts.ask_about_words()
    assert quoted is not None
    who = texts.quoted_own() if quoted.mine else texts.quoted_of(quoted.author)
    room = PROMPT_MAX - len(asked) - len(who) - len(CUT) - 4
    marked = "\n".join(f"> {line}".rstrip() for line in words.splitlines())
    if room < min(LEAST, len(marked)):
        return question or asked
    shown = marked if len(marked) <= room else marked[:room].rstrip() + CUT
    return f"{who}\n{shown}\n\n{asked}"


def _quoted_words(inbound: Inbound) -> str:
    """The quoted words, except an answer of the bot to the same person: the conversation holds that
    already, unless a part of it was marked."""
    quoted = inbound.quoted
    if quoted is None or quoted_result(inbound) is not None:
        return ""
    known = quoted.mine and inbound.address.private and not quoted.picked
    return "" if known else quoted.text.strip()
