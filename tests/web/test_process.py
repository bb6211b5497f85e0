"""The web as the supervisor runs it: starts, refuses bad settings in one line, stops in time with connections open."""

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

ENV = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "WEB_SESSION_KEY": "k" * 40}
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
        start(tmp_path, WEB_PORT=str(port), API_URL=f"http://127.0.0.1:{hanging_api.getsockname()[1]}", DRAIN_SECONDS="0") as web,
    ):
        end = time.monotonic() + START_WITHIN
        while True:
            if found := get(f"http://127.0.0.1:{port}/healthz"):
                assert json.loads(found[1]) == {"ok": True}
                break
            assert time.monotonic() < end
            time.sleep(0.05)
        with socket.create_connection(("127.0.0.1", port)) as browser:
            browser.sendall(b"GET /login HTTP/1.1\r\nHost: x\r\n\r\n")
            asked, _ = hanging_api.accept()  # the page now waits for an api that does not answer
            with asked:
                before = time.monotonic()
                web.send_signal(signal.SIGTERM)
                assert web.wait(20) == 0
                assert time.monotonic() - before < 5


@pytest.mark.parametrize("key", ["short", ""])
def test_each_bad_setting_is_one_line_that_names_it(tmp_path: Path, key: str) -> None:
    bad = {"WEB_SESSION_KEY": key, "WEB_PORT": "99999", "PUBLIC_URL": "http://studio.example", "API_URL": "ftp://x"}
    with start(tmp_path, **bad) as web:
        assert web.stderr is not None
        lines = web.stderr.read().splitlines()
        assert web.wait() == 2
    assert sorted(line.partition(": ")[0] for line in lines) == sorted(bad)
