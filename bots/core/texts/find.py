"""Sentences of the search."""

from collections.abc import Sequence

from bots.core.language import _, sentence
from bots.core.splitting import shorten
from bots.core.texts.words import PROMPT_IN_LIST, kind
from client.schemas.generations import GenerationOut
from client.schemas.text import ConversationOut

find_what = sentence("What shall I look for? For example: /find fox")
find_less = sentence("That is too much to look for. A few words are enough.")
only_to_you = sentence(
    "That is for you alone, and I can't reach you: please write to me in a private chat first."
)


def found(words: str, made: Sequence[GenerationOut], talks: Sequence[ConversationOut]) -> str:
    lines = [_("Found for “%(words)s”:", words=shorten(words, PROMPT_IN_LIST))]
    lines += [
        f"#{one.short_id} · {kind(one.kind)} · {shorten(one.prompt, PROMPT_IN_LIST)}"
        for one in made
    ]
    lines += [f"💬 {shorten(one.title, PROMPT_IN_LIST)}" for one in talks]
    return "\n".join(lines)


def found_nothing(words: str) -> str:
    return _("Nothing of yours has “%(words)s” in it.", words=shorten(words, PROMPT_IN_LIST))


def go_on_with(title: str, most: int) -> str:
    return f"💬 {shorten(title, most)}"


def taken_up(title: str) -> str:
    return _(
        "Your next question here goes on with “%(title)s”.", title=shorten(title, PROMPT_IN_LIST)
    )
