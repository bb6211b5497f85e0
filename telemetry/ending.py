"""The last words of a process to the servers that watch it, which nobody waits for long."""

import threading
import time
from collections.abc import Callable

LAST_SECONDS = 1.0
_last: list[Callable[[], object]] = []


def at_end(say: Callable[[], object]) -> None:
    """Do this once more when the process ends."""
    _last.append(say)


def end() -> None:
    """Say all of it at once. What takes longer than a moment is left behind."""
    saying = [threading.Thread(target=say, daemon=True) for say in _last]
    for each in saying:
        each.start()
    until = time.monotonic() + LAST_SECONDS
    for each in saying:
        each.join(max(0.0, until - time.monotonic()))
