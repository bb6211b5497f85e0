"""The web process under the supervisor: it starts, refuses bad settings in one line, and stops in
time while connections are open."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.stack import ROOT, free_ports, get

WEB_KEY = "k" * 40
ENV = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "WEB_SESSION_KEY": WEB_KEY}
START_WITHIN = 40


def start(folder: Path, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "admin_web"],
        cwd=folder,
        env={**ENV, "DATA_DIR": str(folder), **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_stops_within_five_seconds_with_a_request_open(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    with (
        socket.create_server(("127.0.0.1", 0)) as hanging_api,
        start(
            tmp_path,
            WEB_PORT=str(port),
            API_URL=f"http://127.0.0.1:{hanging_api.getsockname()[1]}",
            DRAIN_SECONDS="0",
        ) as web,
    ):
        answering(web, f"http://127.0.0.1:{port}")
        with socket.create_connection(("127.0.0.1", port)) as browser:
            browser.sendall(b"GET /login HTTP/1.1\r\nHost: x\r\n\r\n")
            asked, _ = hanging_api.accept()  # the page now waits for an api that does not answer
            with asked:
                before = time.monotonic()
                web.send_signal(signal.SIGTERM)
                assert web.wait(20) == 0
                assert time.monotonic() - before < 5


def answering(web: subprocess.Popen[str], url: str) -> None:
    end = time.monotonic() + START_WITHIN
    while not (found := get(f"{url}/healthz")):
        assert web.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    assert json.loads(found[1]) == {"ok": True}


def test_many_idle_and_dripping_connections_leave_it_answering(tmp_path: Path) -> None:
    """There are far more connections than threads, and they come over IPv6."""
    port = free_ports(1)[0]
    half = (
        b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: "
        b"application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\na"
    )
    with (
        start(tmp_path, WEB_HOST="::1", WEB_PORT=str(port), API_URL="http://127.0.0.1:9") as web,
        contextlib.ExitStack() as slow,
    ):
        answering(web, f"http://[::1]:{port}")
        for number in range(500):
            sent = (b"", b"GET /login HT", half)[number % 3]
            slow.enter_context(socket.create_connection(("::1", port))).sendall(sent)
        before = time.monotonic()
        assert get(f"http://[::1]:{port}/login") is not None
        assert time.monotonic() - before < 1
        web.send_signal(signal.SIGTERM)
        assert web.wait(20) == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    with (
        socket.create_server(("127.0.0.1", 0)) as hanging_api,
        start(
            tmp_path, WEB_PORT=str(port), API_URL=f"http://127.0.0.1:{hanging_api.getsockname()[1]}"
        ) as web,
    ):
        answering(web, f"http://127.0.0.1:{port}")
        with socket.create_connection(("127.0.0.1", port)) as browser:
            browser.sendall(b"GET /login HTTP/1.1\r\nHost: x\r\n\r\n")
            asked, _ = hanging_api.accept()  # which is waited for, for as long as the api may take
            with asked:
                web.send_signal(signal.SIGTERM)
                with pytest.raises(subprocess.TimeoutExpired):
                    web.wait(1)
                web.send_signal(signal.SIGTERM)
                assert web.wait(5) == 0


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        start(tmp_path, WEB_PORT=str(taken.getsockname()[1])) as web,
    ):
        assert web.stderr is not None
        lines = web.stderr.read().splitlines()
        assert web.wait(20) == 1
    assert len(lines) == 1
    assert lines[0].startswith("WEB_HOST, WEB_PORT: 127.0.0.1:")


@pytest.mark.parametrize("key", ["short", ""])
def test_each_bad_setting_is_one_line_that_names_it(tmp_path: Path, key: str) -> None:
    bad = {
        "WEB_SESSION_KEY": key,
        "WEB_PORT": "99999",
        "PUBLIC_URL": "http://studio.example",
        "API_URL": "ftp://x",
    }
    with start(tmp_path, **bad) as web:
        assert web.stderr is not None
        lines = web.stderr.read().splitlines()
        assert web.wait() == 2
    assert sorted(line.partition(": ")[0] for line in lines) == sorted(bad)
