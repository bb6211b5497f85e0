"""A real sandbox on a free loopback port, in a thread of the test process."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox import media
from sandbox.app import create_app
from sandbox.faults import Fault, Timing
from sandbox.server import server
from tests.plain_http import PLAIN

FAST = {
    **dict.fromkeys(("first_token", "token", "image", "audio", "generation"), 0.0),
    "video": 0.1,
}


WHOLE = {name: getattr(media, name) for name in ("FPS", "DRAWN_FPS", "_STILL")}
ROUGH = {"FPS": 2, "DRAWN_FPS": 1, "_STILL": 168}
"""Settings for files of the asked size and length with fewer pixels and frames: drawing would take
most of a test's time."""


@contextmanager
def drawing(how: dict[str, int]) -> Iterator[None]:
    """Set the drawing of all sandboxes in this process. Drawings by other settings are forgotten
    before whole ones."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in how.items():
            patch.setattr(media, name, value)
        if how is WHOLE:
            media.drawn.cache_clear()
            media.film.cache_clear()
        yield


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox; `url` ends in `/api/v1`, as `OPENROUTER_BASE_URL` does."""

    origin: str
    stop: Callable[[], None] = lambda: None
    """End the server of this process and wait for it, as the end of the `with` block does."""

    @property
    def url(self) -> str:
        return f"{self.origin}/api/v1"

    def break_with(self, *faults: Fault, **timing: float) -> None:
        """Set the faults; with timing words also the timing (unnamed ones are fast)."""
        body: dict[str, Any] = {"faults": [fault.model_dump() for fault in faults]}
        if timing:
            body["timing"] = {**FAST, **timing}
        httpx.put(
            f"{self.origin}/_sandbox/faults", json=body, trust_env=False, verify=PLAIN
        ).raise_for_status()

    def calls(self, kind: str | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(
            f"{self.origin}/_sandbox/calls", trust_env=False, verify=PLAIN
        ).json()
        return [call for call in found if kind in {None, call["kind"]}]

    def faults(self) -> list[Fault]:
        """Return those that are not used up."""
        answer = httpx.get(f"{self.origin}/_sandbox/faults", trust_env=False, verify=PLAIN)
        return [Fault.model_validate(each) for each in answer.json()["faults"]]

    def reset(self) -> None:
        httpx.post(
            f"{self.origin}/_sandbox/reset", trust_env=False, verify=PLAIN
        ).raise_for_status()


@contextmanager
def sandbox_server(
    port: int = 0,
    /,
    *,
    webhook_secret: str | None = None,
    folder: Path | None = None,
    **timing: float,
) -> Iterator[Sandbox]:
    """Run a sandbox. `timing` is in seconds by word: `first_token token image video keepalive
    generation`; unnamed ones are as fast as can be."""
    chosen = Timing.model_validate({**FAST, **timing})
    with drawing(ROUGH), socket.create_server(("127.0.0.1", port)) as listener:
        port = listener.getsockname()[1]
        running = server(create_app(chosen, webhook_secret=webhook_secret, folder=folder), port)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()

        def stop() -> None:
            running.should_exit = True
            thread.join(10)

        try:
            _await_ready(f"http://127.0.0.1:{port}/_sandbox/faults", thread)
            yield Sandbox(f"http://127.0.0.1:{port}", stop)
        finally:
            stop()


def _await_ready(url: str, thread: threading.Thread) -> None:
    """Wait for the first answer: the socket listens already, so the request waits until the server
    takes it."""
    httpx.get(url, timeout=20, trust_env=False, verify=PLAIN).raise_for_status()
    assert thread.is_alive()
