"""The registry: every command, alias and button action, listed by hand. Adapters register commands with their platform from here."""

from bots.core.commands import account, choosing, jobs, making, results, talking
from bots.core.commands.command import Command, Context, Replies

__all__ = ["ACTIONS", "ALIASES", "COMMANDS", "Command", "Context", "Replies", "resolve"]

COMMANDS: tuple[Command, ...] = (
    talking.ASK,
    making.IMAGE,
    making.VIDEO,
    making.EDIT,
    making.ANIMATE,
    results.AGAIN,
    talking.NEW,
    choosing.MODEL,
    choosing.SETTINGS,
    jobs.JOBS,
    jobs.CANCEL,
    jobs.GALLERY,
    account.BALANCE,
    account.LINK,
    account.UNLINK,
    account.PRIVACY,
    talking.HELP,
    account.START,
)

ACTIONS: tuple[Command, ...] = (
    talking.STOP_ANSWER,
    talking.GO_ON,
    talking.UNREADABLE,
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
    choosing.MODELS,
    choosing.USE_MODEL,
    choosing.SET,
    account.LINK_YES,
    account.LINK_NO,
    account.UNLINK_YES,
    account.UNLINK_NO,
    account.EXPORT,
    account.ERASE,
    account.ERASE_YES,
)
"""Only buttons and adapters lead here. A button may name a command, too."""

ALIASES: dict[str, str] = {"imagine": "image", "stop": "cancel", "reset": "new"}


def resolve(name: str) -> Command | None:
    """The command or action of that name, aliases included."""
    wanted = ALIASES.get(name.lower(), name.lower())
    return next((command for command in (*COMMANDS, *ACTIONS) if command.name == wanted), None)
