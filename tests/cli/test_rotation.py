"""`./run secrets` as an operator types it."""

import json
import os
import subprocess
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from api.ids import now
from api.secrets import Secrets, ensure_secrets, rotate_secret
from cli import secrets as command
from cli.settings import LaunchSettings
from tests.admin_web.own_api import own_api
from tests.cli.run_command import typed
from tests.stack import INHERITED, ROOT


def run(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    env = {name: os.environ[name] for name in INHERITED if name in os.environ}
    env |= {"PYTHONPATH": str(ROOT), "DATA_DIR": str(folder / "data"), "API_PORT": "9", **more}
    return typed(("secrets", *words), folder, env, "")


def values_of(secrets: Secrets) -> list[str]:
    kept = [each.value for each in secrets.earlier.values()]
    ours = secrets.secret_key, secrets.web_session_key, secrets.operator_key, secrets.setup_token
    return [*ours, *secrets.bot_keys.values(), *kept]


def test_the_list_names_all_and_shows_none(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TELEGRAM_BOT_TOKEN=1:secret-of-the-bot\n")
    done = run(tmp_path, OPENROUTER_API_KEY="sk-or-secret-of-the-provider")
    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert lines.keys() >= {*command.OURS, "OPENROUTER_API_KEY", "TELEGRAM_BOT_TOKEN"}
    assert "DISCORD_BOT_TOKEN" not in lines, "it is not set"
    assert "today" in lines["secret_key"]
    assert ".env" in lines["TELEGRAM_BOT_TOKEN"]
    assert "the environment" in lines["OPENROUTER_API_KEY"]
    shown = ["secret-of-the", *values_of(ensure_secrets(tmp_path / "data"))]
    assert [each for each in shown if each in done.stdout] == []


@pytest.mark.parametrize(
    ("name", "leaked"),
    [
        (name, leaked)
        for name in command.OURS
        for leaked in (False, True)
        if not (leaked and name.startswith("bot_key_"))  # that takes a running api
    ],
)
def test_each_of_ours_is_made_anew(tmp_path: Path, name: str, leaked: bool) -> None:
    before = ensure_secrets(tmp_path / "data")
    done = run(tmp_path, "rotate", name, *(["--leaked"] if leaked else []))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{name} is a new one, in ")
    after = ensure_secrets(tmp_path / "data")
    gone = set(values_of(before)) - set(values_of(after))
    overlaps = name in {"secret_key", "web_session_key"} and not leaked
    assert len(gone) == (0 if overlaps else 1)
    assert len(set(values_of(after)) - set(values_of(before))) == 1
    assert [each for each in values_of(after) if each in done.stdout] == []
    assert after.installation == before.installation


def test_a_leaked_bot_key_is_shut_out_by_a_running_api(tmp_path: Path) -> None:
    with own_api(tmp_path / "data", "http://127.0.0.1:9") as url:
        keys = [ensure_secrets(tmp_path / "data").bot_keys["telegram"]]
        port = url.rpartition(":")[2]
        done = run(tmp_path, "rotate", "bot_key_telegram", "--leaked", API_PORT=port)
        assert (done.returncode, done.stderr) == (0, "")
        keys.append(ensure_secrets(tmp_path / "data").bot_keys["telegram"])
        answers = [
            httpx.post(
                f"{url}/bot/deliveries/claim?wait=0", headers={"authorization": f"Bearer {key}"}
            ).status_code
            for key in keys
        ]
    assert answers == [401, 200]


def test_without_an_api_a_leaked_bot_key_is_not_said_to_be_shut_out(tmp_path: Path) -> None:
    before = ensure_secrets(tmp_path / "data")
    done = run(tmp_path, "rotate", "bot_key_telegram", "--leaked")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("No api of this installation runs here")
    assert ensure_secrets(tmp_path / "data") == before


@pytest.mark.parametrize("setting", ["BOT_KEY", "TELEGRAM_BOT_KEY"])
@pytest.mark.parametrize(
    "words", [("secrets", "rotate", "bot_key_telegram"), ("bot-key", "telegram")]
)
def test_a_bot_key_that_is_set_is_not_rotated(
    tmp_path: Path, setting: str, words: tuple[str, ...]
) -> None:
    before = ensure_secrets(tmp_path / "data")
    env = {name: os.environ[name] for name in INHERITED if name in os.environ}
    env |= {"PYTHONPATH": str(ROOT), "DATA_DIR": str(tmp_path / "data"), "API_PORT": "9"}
    done = typed(words, tmp_path, {**env, setting: "k" * 40}, "")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{setting} is set: put a new key there")
    assert ensure_secrets(tmp_path / "data") == before


def test_what_is_not_made_here_is_refused_with_the_way_on(tmp_path: Path) -> None:
    for name, said in (
        ("openrouter_api_key", "OPENROUTER_API_KEY is not made here: make one at openrouter.ai"),
        ("installation", "There is no secret installation. Known are: secret_key, "),
    ):
        done = run(tmp_path, "rotate", name)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(said)
    done = run(tmp_path, "rotate", "secret_key", SECRET_KEY="s" * 40)
    assert done.stderr == (
        "SECRET_KEY is set in the environment, so it is not rotated here: put the new one there, "
        "the old one as SECRET_KEY_PREVIOUS, and restart.\n"
    )


def test_processes_get_the_one_before_while_it_counts(tmp_path: Path) -> None:
    old = ensure_secrets(tmp_path).web_session_key
    rotated = rotate_secret(tmp_path, "web_session_key", leaked=False)
    launch = LaunchSettings(_env_file=None)
    given = launch.given("web", rotated)
    assert (given["web_session_key"], given["web_session_key_previous"]) == (
        rotated.web_session_key,
        old,
    )
    path = tmp_path / "secrets.json"
    kept = json.loads(path.read_text())
    kept["earlier"]["web_session_key"]["until"] = (now() - timedelta(seconds=1)).isoformat()
    path.write_text(json.dumps(kept))
    assert "web_session_key_previous" not in launch.given("web", ensure_secrets(tmp_path))
