"""The bot's introduction, which a chat platform shows before anybody talks to it."""

from bots.core.language import _, sentence, translated
from client.words.language import N_

ABOUT = N_(
    "I make images and videos and answer questions. Write what you would like to see or know, or "
    "choose a command from the menu. "
    "Results arrive here, however long they take, and in your gallery on the web page."
)
ABOUT_SHORT = N_("Images, videos and answers, made to order in this chat.")


def about(language: str) -> str:
    return translated(ABOUT, language)


def about_short(language: str) -> str:
    """A short introduction, which fits into 120 characters in every language."""
    return translated(ABOUT_SHORT, language)


more_choices = sentence("More …")
"""The words on a menu of choices that found no room as buttons."""


def comes_here_or_there(link: str) -> str:
    """The words on a waiting card in a place where the bot can answer only for a quarter of an
    hour."""
    return _(
        "It comes here if it is ready within 15 minutes, otherwise to our direct messages: "
        "%(link)s",
        link=link,
    )


def is_there(link: str) -> str:
    return _("You find it in our direct messages: %(link)s", link=link)


answered_in_private = sentence("I answered you in our own chat, because that is only for you.")
"""The pointer in a group for a person whose answer is nobody else's business."""
