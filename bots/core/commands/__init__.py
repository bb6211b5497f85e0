"""The registry: every command, alias and button action, listed by hand. Adapters register commands with their platform from here."""

from bots.core.commands import account, jobs, making, talking
from bots.core.commands.command import Command, Context, Replies

__all__ = ["ALIASES", "COMMANDS", "Command", "Context", "Replies", "resolve"]

COMMANDS: tuple[Command, ...] = (
    talking.ASK,
    talking.NEW,
    making.IMAGE,
    making.VIDEO,
    jobs.JOBS,
    jobs.CANCEL,
    account.BALANCE,
    account.LINK,
    account.UNLINK,
    account.PRIVACY,
    talking.HELP,
    account.START,
)

ACTIONS: tuple[Command, ...] = (account.LINK_YES, account.LINK_NO, account.UNLINK_YES, account.UNLINK_NO)
"""Only buttons lead here. A button may name a command, too."""

ALIASES: dict[str, str] = {"imagine": "image", "stop": "cancel", "reset": "new"}


def resolve(name: str) -> Command | None:
    """The command or action of that name, aliases included."""
    wanted = ALIASES.get(name.lower(), name.lower())
    return next((command for command in (*COMMANDS, *ACTIONS) if command.name == wanted), None)
