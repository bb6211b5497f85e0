"""Waiting until the processes answer."""

import asyncio
import contextlib
from dataclasses import dataclass

from pydantic import ValidationError

from api.settings import reachable
from client.schemas import ReadyOut

BETWEEN = 0.1
ANSWER_WITHIN = 3.0


@dataclass(frozen=True)
class HostPort:
    """The address at which a process listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{reachable(self.host)}:{self.port}"


async def get(place: HostPort, path: str) -> tuple[int, bytes] | None:
    """Return status and body of a plain GET, or None when nobody answers (yet). It needs no client
    library, which would take longer to import than the answer."""
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


async def web_ready(web: HostPort) -> None:
    while True:
        answer = await get(web, "/healthz")
        if answer is not None and answer[0] == 200:
            return
        await asyncio.sleep(BETWEEN)


async def api_state(api: HostPort) -> ReadyOut:
    """Return the api's first answer, ready or not."""
    while True:
        answer = await get(api, "/readyz")
        if answer is not None:
            with contextlib.suppress(ValidationError):
                return ReadyOut.model_validate_json(answer[1])
        await asyncio.sleep(BETWEEN)


async def api_ready(api: HostPort, patience: float) -> ReadyOut:
    """Wait until the api is ready, at most `patience` seconds from its first answer: without its
    provider it is still of use."""
    state = await api_state(api)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience):
            while not state.ready:
                await asyncio.sleep(BETWEEN)
                state = await api_state(api)
    return state
