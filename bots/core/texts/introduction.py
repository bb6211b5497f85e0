"""What a chat platform shows of the bot before anybody talks to it."""

from bots.core.language import N_, _, translated

ABOUT = N_(
    "I make images and videos and answer questions. Write what you would like to see or know, or "
    "choose a command from the menu. "
    "Results arrive here, however long they take, and in your gallery on the web page."
)
ABOUT_SHORT = N_("Images, videos and answers, made to order in this chat.")


def about(language: str) -> str:
    return translated(ABOUT, language)


def about_short(language: str) -> str:
    """Fits into 120 characters in every language."""
    return translated(ABOUT_SHORT, language)


def more_choices() -> str:
    """On a menu with what is no button."""
    return _("More …")


def comes_here_or_there(link: str) -> str:
    """On the card of a job, where the bot can only answer for a quarter of an hour."""
    return _(
        "It comes here if it is ready within 15 minutes, otherwise to our direct messages: "
        "%(link)s",
        link=link,
    )


def is_there(link: str) -> str:
    return _("You find it in our direct messages: %(link)s", link=link)


def answered_in_private() -> str:
    """In a group, to whoever asked for something that is nobody else's business."""
    return _("I answered you in our own chat, because that is only for you.")
