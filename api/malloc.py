"""Settings of glibc's allocator, so that freed memory goes back to the system."""

import ctypes
import sys

ARENAS = 2
"""Heaps that all threads share. By default each of dozens of threads may get one of its own, which
keeps as much as the thread ever needed."""
KEPT = 1_000_000
"""Bytes. A larger block is a mapping of its own, which goes back as soon as it is freed."""
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8


def give_back() -> None:
    """Set the allocator up; called once by a process' entry point, before its threads begin. C
    libraries other than glibc have no such settings."""
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(_M_ARENA_MAX, ARENAS)
        mallopt(_M_MMAP_THRESHOLD, KEPT)
