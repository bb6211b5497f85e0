"""Other processes: their children, and the end of those that are not our own."""

import os
import select
from contextlib import suppress
from pathlib import Path


def wait_gone(pid: int, seconds: float = 20.0) -> bool:
    """Return True once the process has ended (not yet collected counts as ended), or False if it
    still runs after `seconds`."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


def children(pid: int) -> set[int]:
    """Return the ids of the children of all threads of a process; none once it has gone."""
    found: set[int] = set()
    with suppress(FileNotFoundError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            # A thread may end between the listing and the look.
            with suppress(FileNotFoundError, ProcessLookupError):
                found |= {int(child) for child in (thread / "children").read_text().split()}
    return found
