"""The way in which a command fails for a reason that a person at the shell can mend."""


class CommandRefused(Exception):
    """The command changed nothing. The text says why."""
