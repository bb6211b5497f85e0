"""Questions and answers, the help."""

from collections.abc import Sequence

from bots.core.language import _

WRITING = " …"
"""Behind a streamed answer that is still growing."""


def new_conversation() -> str:
    return _("A new conversation. Your next question begins it; the old one is kept on the web page.")


def ask_what() -> str:
    return _("What would you like to know? For example: /ask Why is the sky blue?")


def empty_answer() -> str:
    return _("The model gave no answer. Please try again.")


def cut_short(text: str, why: str) -> str:
    """A streamed answer that broke off; `text` may be empty."""
    return f"{text}\n\n{_('[The answer stops here. %(why)s]', why=why)}" if text else why


def help_page(commands: Sequence[tuple[str, str]]) -> str:
    """`commands`: usage and description of each."""
    lines = [f"{usage}: {description}" for usage, description in commands]
    return "\n".join([_("This is what I can do:"), *lines, "", _options_hint()])


def _options_hint() -> str:
    return _(
        "Options go behind the prompt: --ar 16:9, --n 2, --seed 7, --size 1024x1024, --model name.\n"
        "For videos also: --duration 8, --res 720p, --audio."
    )
