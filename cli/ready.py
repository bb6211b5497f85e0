"""Waiting until what was started answers, and telling where it is."""

import asyncio
import contextlib
import sys
from dataclasses import dataclass

from pydantic import ValidationError

from api.settings import reachable
from cli.settings import LaunchSettings, load
from client.schemas import ReadyOut

BETWEEN = 0.1
ANSWER_WITHIN = 3.0


@dataclass(frozen=True)
class Place:
    """Where a process listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{reachable(self.host)}:{self.port}"


async def get(place: Place, path: str) -> tuple[int, bytes] | None:
    """Status and body of a plain GET, or None when nobody answers (yet). No proxy, no redirect, no
    client library to import first."""
    with contextlib.suppress(
        OSError, TimeoutError, ValueError, IndexError, asyncio.IncompleteReadError
    ):
        async with asyncio.timeout(ANSWER_WITHIN):
            reader, writer = await asyncio.open_connection(
                reachable(place.host).strip("[]"), place.port
            )
            try:
                writer.write(
                    f"GET {path} HTTP/1.0\r\nHost: "
                    f"{reachable(place.host)}:{place.port}\r\n\r\n".encode()
                )
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
                return int(head.split()[1]), body
            finally:
                writer.close()
    return None


async def web_ready(web: Place) -> None:
    while True:
        answer = await get(web, "/healthz")
        if answer is not None and answer[0] == 200:
            return
        await asyncio.sleep(BETWEEN)


async def api_state(api: Place) -> ReadyOut:
    """The api's own word, ready or not, as soon as it says anything."""
    while True:
        answer = await get(api, "/readyz")
        if answer is not None:
            with contextlib.suppress(ValidationError):
                return ReadyOut.model_validate_json(answer[1])
        await asyncio.sleep(BETWEEN)


async def api_ready(api: Place, patience: float) -> ReadyOut:
    """Waits until the api is ready, at most `patience` seconds from its first word: without its
    provider it is still of use."""
    state = await api_state(api)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience):
            while not state.ready:
                await asyncio.sleep(BETWEEN)
                state = await api_state(api)
    return state


def main(name: str) -> int:
    """A container's health: 0 when the process that listens there answers, or has nothing to do."""
    launch = load(LaunchSettings)
    if launch.idle(name):
        return 0
    places = {
        "api": (Place(launch.api_host, launch.api_port), "/readyz"),
        "web": (Place(launch.web_host, launch.web_port), "/healthz"),
        "sandbox": (Place(launch.sandbox_host, launch.sandbox_port), "/_sandbox/faults"),
    }
    answer = asyncio.run(get(*places[name]))
    return 0 if answer is not None and answer[0] == 200 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
