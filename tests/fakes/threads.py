"""A loop in a thread of its own, where a fake lives while a test of any kind uses it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

SECONDS = 10


@contextmanager
def loop_in_thread(name: str) -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """A call that runs a coroutine there and gives its result."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name=name, daemon=True)
    thread.start()
    try:
        yield lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(SECONDS)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(SECONDS)
        loop.close()
