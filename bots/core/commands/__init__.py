"""The registry of every command, alias and button action, listed by hand. Adapters register
commands with their platform from here."""

from bots.core.commands import (
    account,
    ask,
    find,
    image_video,
    jobs,
    joining,
    preferences,
    recordings,
    results,
    speech,
    studio,
)
from bots.core.commands.command import Command, Context, Replies

__all__ = ["ACTIONS", "ALIASES", "COMMANDS", "Command", "Context", "Replies", "resolve"]

COMMANDS: tuple[Command, ...] = (
    ask.ASK,
    image_video.IMAGE,
    image_video.VIDEO,
    image_video.EDIT,
    image_video.ANIMATE,
    results.AGAIN,
    speech.SAY,
    recordings.TRANSCRIBE,
    ask.NEW,
    preferences.MODEL,
    preferences.SETTINGS,
    jobs.JOBS,
    jobs.CANCEL,
    jobs.GALLERY,
    find.FIND,
    account.BALANCE,
    account.LINK,
    account.UNLINK,
    account.PRIVACY,
    studio.STUDIO,
    ask.HELP,
    account.START,
)

ACTIONS: tuple[Command, ...] = (
    ask.STOP_ANSWER,
    ask.GO_ON,
    speech.READ_ALOUD,
    ask.UNREADABLE,
    results.LARGER_PICTURE,
    results.OTHER,
    results.WITH,
    results.REPEAT,
    results.TELL,
    results.VARY,
    results.ORIGINAL,
    results.SHOW,
    results.FAVOURITE,
    results.DELETE,
    results.DELETE_YES,
    results.KEEP,
    results.CONFIRM,
    results.DECLINE,
    jobs.REFRESH,
    find.FIND_PAGE,
    find.TAKE_UP,
    preferences.MODELS,
    preferences.USE_MODEL,
    preferences.SET,
    preferences.VOICES_PAGE,
    joining.JOIN,
    joining.JOIN_YES,
    joining.JOIN_NO,
    studio.SET,
    studio.ASK,
    studio.WRITE,
    account.LINK_YES,
    account.LINK_NO,
    account.UNLINK_YES,
    account.UNLINK_NO,
    account.EXPORT,
    account.ERASE,
    account.ERASE_YES,
)
"""Commands to which only buttons and adapters lead. A button may name a command, too."""

ALIASES: dict[str, str] = {
    "imagine": "image",
    "img": "image",
    "draw": "image",
    "pic": "image",
    "vid": "video",
    "film": "video",
    "chat": "ask",
    "gpt": "ask",
    "stop": "cancel",
    "reset": "new",
    "budget": "balance",
    "search": "find",
}
"""Names from other bots, and short ones, that people type. They stand in no menu."""


def resolve(name: str) -> Command | None:
    """The command or action of that name, aliases included."""
    wanted = ALIASES.get(name.lower(), name.lower())
    return next((command for command in (*COMMANDS, *ACTIONS) if command.name == wanted), None)
