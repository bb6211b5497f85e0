"""The end of processes that are not our own children."""

import os
import select


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
