"""Waiting for the end of processes that are not our own children."""

import os
import select


def wait_gone(pid: int, seconds: float = 20.0) -> bool:
    """True when the process has ended (not yet collected counts as ended), False when it still runs
    after `seconds`."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)
