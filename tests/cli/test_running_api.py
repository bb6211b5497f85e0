"""The api beside a command: only where certainly none runs may the command open the database."""

import asyncio
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from api.secrets import ensure_secrets
from cli.errors import CommandRefused
from cli.running_api import NoApiRuns, call_api
from cli.settings import LaunchSettings
from client.call import Call
from tests.bots.core.recording_chat import served

PROBLEM = b'{"code": "method_not_allowed", "detail": "Not like that."}'


def ask(data_dir: Path, port: int) -> None:
    launch = LaunchSettings(data_dir=data_dir, api_host="127.0.0.1", api_port=port)
    call_api(launch, Call("POST", "/internal/x", within=0.5))


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (500, b"<html>", CommandRefused, "answered with 500"),
        (413, b"<html>", CommandRefused, "answered with 413"),
        (502, b"<html>", CommandRefused, "answered with 502"),
        (409, PROBLEM, CommandRefused, "Not like that."),
        (404, b"<html>", NoApiRuns, None),
        (405, PROBLEM, NoApiRuns, None),
        (501, b"<html>", NoApiRuns, None),
    ],
)
async def test_an_answer_is_of_an_api_unless_its_status_says_otherwise(
    tmp_path: Path, status: int, body: bytes, error: type[Exception], said: str | None
) -> None:
    async def other(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async with served(other) as port:
        with pytest.raises(error, match=said):
            await asyncio.to_thread(ask, tmp_path, port)


async def test_the_api_at_its_url_is_asked_when_none_is_here(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    asked = []

    async def other(scope: Any, receive: Any, send: Any) -> None:
        asked.append(dict(scope["headers"])[b"authorization"].decode())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with served(other) as port:
        launch = LaunchSettings(
            data_dir=tmp_path, api_port=unused_tcp_port, api_url=f"http://127.0.0.1:{port}"
        )
        await asyncio.to_thread(call_api, launch, Call("POST", "/internal/x", within=5))
    assert asked == [f"Bearer {ensure_secrets(tmp_path).operator_key}"]


def test_none_runs_where_the_connection_is_refused(tmp_path: Path, unused_tcp_port: int) -> None:
    with pytest.raises(NoApiRuns):
        ask(tmp_path, unused_tcp_port)


@pytest.mark.parametrize("is_full", [True, False])
def test_one_that_hangs_has_the_database(tmp_path: Path, is_full: bool) -> None:
    """Its queue of connections is full, or it takes one and says nothing."""
    with ExitStack() as sockets:
        hung = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _each in range(3 if is_full else 0):
            one = sockets.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(hung.getsockname())
        with pytest.raises(CommandRefused, match=r"does not answer\. Try again, or stop it first"):
            ask(tmp_path, hung.getsockname()[1])
