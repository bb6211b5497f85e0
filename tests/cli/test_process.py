"""One process by name: its parts, and its end when it has nothing to do."""

import os
import pkgutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from cli.process import PROCESSES
from tests.processes import wait_gone
from tests.stack import INHERITED, ROOT

STOPS_WITHIN = 10


def start(folder: Path, *arguments: str, **extra: str) -> subprocess.Popen[str]:
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    env = {**inherited, "PYTHONPATH": str(ROOT), "DATA_DIR": str(folder / "data"), **extra}
    return subprocess.Popen(
        [sys.executable, "-m", "cli.process", *arguments],
        cwd=folder,
        env=env,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("name", sorted(PROCESSES))
def test_every_name_leads_to_settings_and_a_main(name: str) -> None:
    settings = pkgutil.resolve_name(PROCESSES[name].settings)
    assert issubclass(settings, BaseSettings)
    assert callable(pkgutil.resolve_name(PROCESSES[name].main))


@pytest.mark.parametrize(
    ("name", "missing"), [("telegram", "TELEGRAM_BOT_TOKEN"), ("discord", "DISCORD_BOT_TOKEN")]
)
def test_a_bot_without_a_token_says_so_and_ends_well(
    name: str, missing: str, tmp_path: Path
) -> None:
    process = start(tmp_path, name)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert said.startswith(f"Nothing to do: {missing} is not set")
    assert said.count("\n") == 1


def test_or_stays_until_it_is_stopped(tmp_path: Path) -> None:
    with start(tmp_path, "sandbox", "--stay", OPENROUTER_API_KEY="sk-or-1") as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Nothing to do: a provider is set")
        assert not wait_gone(process.pid, 0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOPS_WITHIN) == -signal.SIGTERM


@pytest.mark.parametrize(
    ("setting", "value"),
    [("API_PORT", "x"), ("DATABASE_URL", "mysql://x"), ("DATA_DIR", "/dev/null/data")],
)
def test_a_bad_setting_is_one_line_and_exit_code_2(
    setting: str, value: str, tmp_path: Path
) -> None:
    process = start(tmp_path, "api", **{setting: value})
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.startswith(f"Bad setting: {setting}")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "extra"),
    [("api", {}), ("worker", {"WORKER": "off", "DATABASE_URL": "postgresql://u:p@[::1/x"})],
)
def test_one_that_cannot_start_says_why_in_its_last_line(
    name: str, extra: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "app.duckdb").write_bytes(b"garbage")
    process = start(tmp_path, name, **extra)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.splitlines()[-1].startswith("Cannot start: ")
    assert "[error" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("place", ["media", "media/below", "media/.receiving"])
def test_a_folder_for_files_that_cannot_be_written_ends_the_start(
    place: str, tmp_path: Path
) -> None:
    """A file is in the folder's place, which stops root, too."""
    (tmp_path / "media").mkdir()
    url = (tmp_path / "media").as_uri()
    if place == "media/.receiving":
        (tmp_path / place).touch()
    else:
        (tmp_path / "media").rmdir()
        (tmp_path / "media").touch()
        url = (tmp_path / place).as_uri()
    process = start(tmp_path, "api", MEDIA_URL=url)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.splitlines()[-1].startswith("Cannot start: The store for files cannot be used: ")
    assert said.endswith(f" (MEDIA_URL: {url}).\n")
    assert "Traceback" not in said


def test_a_misspelt_setting_is_named_by_a_process_on_its_own(tmp_path: Path) -> None:
    process = start(tmp_path, "api", TELEGRAM_BOT_TOKN="1:x")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert (
        said == "Bad setting: TELEGRAM_BOT_TOKN in the environment is no setting: did you mean "
        "TELEGRAM_BOT_TOKEN?\n"
    )


def test_does_not_outlive_a_parent_that_ended_before_it_looked(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    process = start(
        tmp_path, "sandbox", "--stay", "--parent", str(gone.pid), OPENROUTER_API_KEY="sk-or-1"
    )
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")


def test_the_web_deletes_the_sessions_of_older_versions(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("web-sessions.db", "web-sessions.db-wal", "other.db"):
        (tmp_path / "data" / name).write_text("tokens")
    process = start(tmp_path, "web", WEB_HOST="203.0.113.1")
    _, said = process.communicate(timeout=60)
    assert said.startswith("WEB_HOST, WEB_PORT: 203.0.113.1:8080 cannot be listened on")
    assert {file.name for file in (tmp_path / "data").glob("*.db*")} == {"other.db"}


def test_a_process_with_its_own_secret_needs_no_folder(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, where a folder would be made")
    (tmp_path / "key").write_text("k" * 40)
    with start(
        tmp_path,
        "telegram",
        BOT_KEY_FILE=str(tmp_path / "key"),
        TELEGRAM_BOT_TOKEN="1:token",
        TELEGRAM_API_URL="no address",
    ) as process:
        _, said = process.communicate(timeout=60)
    assert said == "Bad setting: TELEGRAM_API_URL must be an address that begins with http://\n"
