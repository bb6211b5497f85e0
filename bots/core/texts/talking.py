"""Questions and answers, the help."""

from collections.abc import Sequence

from bots.core.language import _

WRITING = " …"
"""Behind a streamed answer that is still growing."""


def new_conversation() -> str:
    return _("A new conversation. Your next question begins it; the old one is kept on the web page.")


def ask_what() -> str:
    return _("What would you like to know? For example: /ask Why is the sky blue?")


def describe_picture() -> str:
    """What the model is asked when somebody sends a picture without a word."""
    return _("Describe this picture.")


def one_moment() -> str:
    """Until there is something to show."""
    return _("One moment …")


def empty_answer() -> str:
    return _("The model gave no answer. Please try again.")


def stop_button() -> str:
    return _("⏹ Stop")


def stopped(text: str) -> str:
    """A streamed answer that its reader has ended; `text` may be empty."""
    return "\n\n".join([text, _("[Stopped.]")]) if text else _("Stopped.")


def nothing_to_stop() -> str:
    return _("That answer has ended already.")


def cut_short(text: str, why: str) -> str:
    """A streamed answer that broke off; `text` may be empty."""
    return "\n\n".join([text, _("[The answer stops here. %(why)s]", why=why)]) if text else why


def answer_as_file() -> str:
    return _("The answer is too long for a chat: all of it is in this file.")


def unreadable() -> str:
    return _("I can't read what was said there. Please mention me in the message, or use a command such as /ask.")


def help_page(commands: Sequence[tuple[str, str]], *, private: bool) -> str:
    """`commands`: usage and description of each."""
    lines = [f"{usage}: {description}" for usage, description in commands]
    return "\n".join([_("This is what I can do:"), *lines, "", _options_hint(), "", _here() if private else _in_groups()])


def _options_hint() -> str:
    return _(
        "Options go behind the prompt: --ar 16:9, --n 2, --seed 7, --size 1024x1024, --model name.\n"
        "For videos also: --duration 8, --res 720p, --audio."
    )


def _here() -> str:
    return _(
        "Just write, and I answer. Answer a picture with what should be different, and I change it; send one with /edit or /animate as its "
        "caption. In groups I only heed commands, answers to my messages and messages that mention me."
    )


def _in_groups() -> str:
    return _(
        "In groups I only heed commands, answers to my messages and messages that mention me; everything else I neither read nor keep. "
        "If mentions do not reach me, the group's operator has to switch my privacy mode off and add me again. "
        "Notes about your account and your budget are for you alone wherever the platform can do that."
    )
