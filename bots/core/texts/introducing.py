"""What a chat platform shows of the bot before anybody talks to it."""

from bots.core.language import N_, _, translated

ABOUT = N_(
    "I make images and videos and answer questions. Write what you would like to see or know, or choose a command from the menu. "
    "Results arrive here, however long they take, and in your gallery on the web page."
)
ABOUT_SHORT = N_("Images, videos and answers, made to order in this chat.")


def about(language: str) -> str:
    return translated(ABOUT, language)


def about_short(language: str) -> str:
    """Fits into 120 characters in every language."""
    return translated(ABOUT_SHORT, language)


def answered_in_private() -> str:
    """In a group, to whoever asked for something that is nobody else's business."""
    return _("I answered you in our own chat, because that is only for you.")
