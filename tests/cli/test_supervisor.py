"""`python -m cli.supervisor` with the real processes: it prints the addresses, restarts a crashed
process, and leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import children, wait_gone
from tests.stack import INHERITED, ROOT, free_ports, get

STOPS_WITHIN = 10.0


class Supervisor:
    """A running supervisor, with the lines that it printed so far."""

    def __init__(self, folder: Path, extra: dict[str, str]) -> None:
        ports = dict(
            zip(("API_PORT", "WEB_PORT", "SANDBOX_PORT"), map(str, free_ports(3)), strict=True)
        )
        self.env = {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "DATA_DIR": str(folder / "data"),
            "LOG_FORMAT": "console",
            **ports, **extra,
        }  # fmt: skip
        self.api = f"http://127.0.0.1:{self.env['API_PORT']}"
        self.web = f"http://127.0.0.1:{self.env['WEB_PORT']}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli.supervisor"], cwd=folder, env=self.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            # tests that a shell runs in the background ignore SIGINT, and so would what they start
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  (it only sets a signal)
        )  # fmt: skip
        self.lines: list[str] = []

    def until(self, enough: Callable[[str], bool]) -> str:
        """Read on to the first line that is enough; pytest's time limit ends a wait in vain."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if enough(line):
                return line
        raise AssertionError("\n".join(self.lines) + self.errors())

    def errors(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def children(self) -> dict[str, int]:
        """Return process ids by name."""
        found = {}
        for pid in children(self.process.pid):
            words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            found[words[words.index("cli.process") + 1]] = pid
        return found


@contextmanager
def supervisor(folder: Path, **extra: str) -> Iterator[Supervisor]:
    started = Supervisor(folder, extra)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.communicate()


def test_starts_all_starts_again_what_crashes_and_stops_all(tmp_path: Path) -> None:
    with supervisor(tmp_path) as one:
        one.until(lambda line: line.startswith("Ready after"))
        said = "\n".join(one.lines)
        assert f"Web       {one.web}" in said
        assert f"API docs  {one.api}/docs" in said
        assert "Provider  sandbox" in said
        assert "Bots      none" in said
        link = next(
            line.split()[-1]
            for line in one.lines
            if line.startswith("First start: create the admin at")
        )
        assert link.startswith(f"{one.web}/setup?token=")
        for url in (one.web + "/healthz", one.api + "/docs", link):
            assert (get(url) or (0, b""))[0] == 200, url
        assert (tmp_path / "data" / "secrets.json").stat().st_mode & 0o777 == 0o600

        before = one.children()
        assert set(before) == {"sandbox", "api", "web"}
        os.kill(before["api"], signal.SIGKILL)
        assert "starting it again" in one.until(
            lambda line: line.startswith("api") and "ended by SIGKILL" in line
        )
        one.until(lambda line: "api_ready" in line)
        after = one.children()
        assert after["api"] != before["api"]
        assert (after["web"], after["sandbox"]) == (before["web"], before["sandbox"])

        one.process.send_signal(signal.SIGINT)
        one.until(lambda line: line == "Stopped.\n")
        assert one.process.wait(STOPS_WITHIN) == 0
        assert [name for name, pid in after.items() if not wait_gone(pid, 0)] == []


def test_lines_for_machines_are_json_and_name_their_process(tmp_path: Path) -> None:
    with supervisor(tmp_path, LOG_FORMAT="auto") as one:
        one.until(lambda line: "Ready after" in line)
        one.process.send_signal(signal.SIGINT)
        one.until(lambda line: '"Stopped."' in line)
        told = [json.loads(line) for line in one.lines]
        assert {line["process"] for line in told} == {"run", "sandbox", "api", "web"}
        assert [line for line in told if not {"timestamp", "level", "event"} <= line.keys()] == []
        # of the server's own lines, too
        started = {(line["process"], line["event"]) for line in told if "logger" in line}
        assert {("api", "api_ready"), ("api", "Application startup complete.")} <= started


def test_children_end_with_a_killed_supervisor(tmp_path: Path) -> None:
    with supervisor(tmp_path) as one:
        one.until(lambda line: line.startswith("Ready after"))
        children = one.children()
        one.process.kill()
        assert [name for name, pid in children.items() if not wait_gone(pid, STOPS_WITHIN)] == []


def test_stops_when_asked_before_it_is_ready(tmp_path: Path) -> None:
    with supervisor(tmp_path) as one:
        one.until(lambda line: line.startswith("Starting"))
        one.process.send_signal(signal.SIGTERM)
        one.until(lambda line: line == "Stopped.\n")
        assert one.process.wait(STOPS_WITHIN) == 0


@pytest.mark.parametrize("setting", ["API_PORT", "WEB_PORT", "SANDBOX_PORT"])
def test_a_taken_port_is_named_with_its_setting(setting: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with supervisor(tmp_path, **{setting: str(port)}) as one:
            assert one.process.wait(60) == 2
            said = one.errors()
    assert (
        said
        == f"Cannot start: Port {port} ({setting}) is taken: stop the program that has it, or set "
        f"{setting}\n"
    )


def test_one_port_for_two_is_refused(tmp_path: Path) -> None:
    with supervisor(tmp_path, API_PORT="20001", WEB_PORT="20001") as one:
        assert one.process.wait(60) == 2
        found = one.errors()
        assert found == "Cannot start: WEB_PORT and API_PORT are both 20001: they must differ\n"


def test_an_address_of_another_machine_is_named(tmp_path: Path) -> None:
    with supervisor(tmp_path, WEB_HOST="203.0.113.1") as one:
        assert one.process.wait(60) == 2
        assert one.errors().startswith("Cannot start: 203.0.113.1 (WEB_HOST)")


def test_a_bad_setting_is_named_before_anything_starts(tmp_path: Path) -> None:
    with supervisor(tmp_path, DISCORD_API_URL="discord", OPENROUTER_API_KEY="") as one:
        assert one.process.wait(60) == 2
        assert (
            one.errors()
            == "Cannot start: DISCORD_API_URL must be an address that begins with http://\n"
        )
    assert not (tmp_path / "data" / "app.duckdb").exists()


def test_a_misspelt_setting_is_named_before_anything_starts(tmp_path: Path) -> None:
    with supervisor(tmp_path, OPENROUTR_API_KEY="sk-or-1") as one:
        assert one.process.wait(60) == 2
        assert (
            one.errors()
            == "Cannot start: OPENROUTR_API_KEY in the environment is no setting: did you mean "
            "OPENROUTER_API_KEY?\n"
        )
    assert not (tmp_path / "data").exists()


def test_everything_works_on_the_other_loopback_address(tmp_path: Path) -> None:
    with supervisor(tmp_path, SANDBOX_HOST="::1", API_HOST="::1", WEB_HOST="::1") as one:
        one.until(lambda line: line.startswith("Ready after"))
        assert "All You Can GET AI is ready." in one.lines
        assert f"  Web       http://[::1]:{one.env['WEB_PORT']}" in one.lines


def test_a_database_that_cannot_be_opened_is_an_end_with_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "app.duckdb").write_bytes(b"garbage")
    with supervisor(tmp_path) as one:
        one.until(lambda line: line == "Stopped.\n")
        assert one.process.wait(STOPS_WITHIN) == 2
    assert sum("./run restore FILE" in line for line in one.lines) == 1
    assert not [line for line in one.lines if "Traceback" in line or "starting it again" in line]


def test_the_port_of_a_webhook_is_looked_at_before(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        telegram = {
            "TELEGRAM_BOT_TOKEN": "1:x",
            "TELEGRAM_UPDATES": "webhook",
            "TELEGRAM_WEBHOOK_PORT": str(port),
        }
        with supervisor(tmp_path, **telegram) as one:
            assert one.process.wait(60) == 2
            assert one.errors().startswith(
                f"Cannot start: Port {port} (TELEGRAM_WEBHOOK_PORT) is taken"
            )


def test_a_bad_setting_that_only_its_process_knows_stops_all(tmp_path: Path) -> None:
    with supervisor(tmp_path, SANDBOX_VIDEO_SECONDS="-1") as one:
        one.until(lambda line: "SANDBOX_VIDEO_SECONDS should be greater than or equal to 0" in line)
        one.until(lambda line: line == "Stopped.\n")
        assert one.process.wait(STOPS_WITHIN) == 2
