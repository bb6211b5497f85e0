"""Sentences of a screen of lines, around the messages."""

from collections.abc import Sequence

from bots.core.language import _, sentence

welcome = sentence(
    "All You Can GET AI · terminal chat\nTab completes, @file.png attaches an image, Ctrl-C "
    "stops an answer, Ctrl-D leaves.\n"
)
choose = sentence("type the number to choose")
saved = sentence("saved:")
removed = sentence("(That message is taken back.)")


def write_next(default: str) -> str:
    if default:
        return _("Your next line is the answer; an empty one takes: %(default)s", default=default)
    return _("Your next line is the answer.")


def not_finished(ids: Sequence[str]) -> str:
    return _("Not finished yet: %(ids)s", ids=", ".join(ids))
