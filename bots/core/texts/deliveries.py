"""Sentences around a result on its way."""

from bots.core.language import _


def maybe_second() -> str:
    return _("You may have this already: whether my first try arrived is not known.")


def moved() -> str:
    return _("This is here because the chat in which you asked for it did not take it.")
