"""The terminal chat as its own process, driven through a pipe, against the real api."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path

import pytest

from api.secrets import ensure_secrets
from tests.bots.core.recording_chat import Place
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROOT = Path(__file__).parents[3]


async def start(place: Place, api_url: str | None = None) -> Process:
    data = place.api.data_dir
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "API_URL": api_url or place.url,
        "BOT_KEY": ensure_secrets(data).bot_keys["terminal"],
        "DATA_DIR": str(data),
        "LOGNAME": "ana",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bots.terminal",
        cwd=data,
        env=env,
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
    )


async def say(process: Process, line: str, until: str) -> str:
    """Types the line and reads until the screen shows this."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{line}\n".encode())
    seen = ""
    async with asyncio.timeout(30):
        while until not in seen:
            got = await process.stdout.readline()
            assert got, seen
            seen += got.decode()
    return seen


async def link(place: Place, process: Process) -> None:
    code = (await place.web.post("/links/codes", json={"platform": "terminal"})).json()
    await say(process, f"/link {code['code']}", "[1] Yes")
    await say(process, "1", "Now confirm")
    confirmed = await place.web.post(f"/links/codes/{code['id']}/confirm")
    assert confirmed.is_success, confirmed.text


async def test_a_script_links_asks_makes_a_picture_and_waits_for_it(place: Place) -> None:
    process = await start(place)
    await link(place, process)
    await say(process, "why is the sky blue?", "local sandbox")
    await say(process, "/image a fox in snow", "type the number to choose")
    rest, _ = await asyncio.wait_for(process.communicate(b""), 60)
    assert process.returncode == 0, rest
    assert b"a fox in snow\n" in rest
    (saved,) = (place.api.data_dir / "terminal").glob("*.png")
    assert str(saved).encode() in rest
    assert saved.read_bytes().startswith(b"\x89PNG")


async def test_a_cancelled_job_is_not_waited_for(place: Place, sandbox: Sandbox) -> None:
    sandbox.break_with(video=3600)
    process = await start(place)
    await link(place, process)
    await say(process, "/video waves", "type the number to choose")
    await say(process, "/cancel", "Cancelled: video")
    await asyncio.wait_for(process.communicate(b""), 60)
    assert process.returncode == 0


async def test_sigterm_ends_it_while_it_waits_for_a_line(place: Place) -> None:
    process = await start(place)
    await say(process, "/help", "--audio")
    process.terminate()
    await asyncio.wait_for(process.wait(), 20)
    assert process.returncode == 0


async def test_without_an_api_it_says_so_in_words(place: Place) -> None:
    process = await start(place, "http://127.0.0.1:9")
    out, _ = await asyncio.wait_for(process.communicate(b"/balance\n"), 60)
    assert b"I can't reach my server right now." in out
    assert b"Traceback" not in out
    assert process.returncode == 0
