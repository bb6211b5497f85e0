"""The decoders that all tests of a process share, because each takes a while to start."""

import atexit
from functools import cache

from api.media.decoders import Decoders


@cache
def decoders() -> Decoders:
    made = Decoders()
    atexit.register(made.close)
    return made
