"""Sentences around a result on its way."""

from bots.core.language import sentence

maybe_second = sentence("You may have this already: whether my first try arrived is not known.")
moved = sentence("This is here because the chat in which you asked for it did not take it.")
