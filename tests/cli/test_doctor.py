"""`./run doctor`, `./run invariants` and `./run status`: of a folder where nothing runs, and beside
the real processes."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from bots.settings import BotSettings
from cli import tokens
from tests.cli.run_command import typed
from tests.fakes.discord import running_discord
from tests.fakes.telegram import running_telegram
from tests.sandbox_server import sandbox_server
from tests.stack import Stack, free_ports, running_stack


def env_of(data_dir: Path, ports: list[int]) -> dict[str, str]:
    api, web, sandbox = (str(port) for port in ports)
    return {
        "DATA_DIR": str(data_dir),
        "API_PORT": api,
        "WEB_PORT": web,
        "SANDBOX_PORT": sandbox,
    }


def findings(folder: Path, env: dict[str, str]) -> tuple[int, dict[str, dict[str, Any]]]:
    done = typed(("doctor", "--json"), folder, env, "")
    assert done.stderr == ""
    return done.returncode, {one["subject"]: one for one in json.loads(done.stdout)}


def test_where_nothing_runs_yet_everything_is_looked_at_and_nothing_made(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    env = env_of(data_dir, free_ports(3))
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(env["WEB_PORT"])))
        other.listen()
        code, found = findings(tmp_path, env)
    assert code == 1
    assert (found["web"]["finding"], found["api"]["finding"]) == ("port_taken", "runs_not")
    assert env["WEB_PORT"] in found["web"]["said"]
    assert "WEB_PORT" in found["web"]["said"]
    assert (found["database"]["finding"], found["media"]["finding"]) == (
        "database_new",
        "media_works",
    )
    assert not (data_dir / "app.duckdb").exists()
    none = typed(("invariants",), tmp_path, env, "")
    assert (none.returncode, none.stderr.count("\n")) == (1, 1)
    assert none.stderr.startswith("There is no database yet")
    refused = typed(("status",), tmp_path, env, "")
    assert refused.returncode == 1
    assert refused.stderr.startswith("It does not run")


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    done = typed(("doctor",), tmp_path, {"DATA_DIR": str(tmp_path), "WEB_SIGNUP": "all"}, "")
    assert done.returncode == 1
    assert done.stdout.startswith("WRONG Settings  WEB_SIGNUP should be 'invite' or 'open'.\n")


def test_a_running_installation_is_asked(tmp_path: Path) -> None:
    with running_stack(data_dir=tmp_path / "data") as stack:
        env = env_of(stack.data_dir, [_port(url) for url in _urls(stack)])
        code, found = findings(tmp_path, env)
        assert code == 0, found
        assert {found[name]["finding"] for name in ("api", "web", "sandbox")} == {"runs"}
        assert found["database"]["finding"] == "database_answers"
        told = typed(("status",), tmp_path, env, "")
        assert told.returncode == 0
        assert "on DuckDB, with the sandbox" in told.stdout
        assert f"answers at {stack.web_url}" in told.stdout
        assert invariants(tmp_path, env) == (0, "All hold.")
        stack.stop("api")
        assert invariants(tmp_path, env) == (0, "All hold.")
        at_rest = findings(tmp_path, env)[1]
        assert (at_rest["api"]["finding"], at_rest["database"]["finding"]) == (
            "runs_not",
            "database_answers",
        )


def invariants(folder: Path, env: dict[str, str]) -> tuple[int, str]:
    """Return the exit code of `./run invariants` and its last line."""
    done = typed(("invariants",), folder, env, "")
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()[-1]


def _urls(stack: Stack) -> tuple[str, str, str]:
    return stack.api_url, stack.web_url, stack.sandbox_url


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


@pytest.mark.parametrize("platform", ["telegram", "discord"])
def test_tokens_are_shown_to_the_platform(platform: str) -> None:
    with running_telegram() as telegram, running_discord() as discord:
        urls = {"telegram_api_url": telegram.api_url, "discord_api_url": discord.api_url}
        good = telegram.token if platform == "telegram" else discord.token
        for token, finding in ((good, "token_works"), ("1:wrong", "token_refused")):
            bots = BotSettings.model_validate({f"{platform}_bot_token": token, **urls})
            found = {(one.subject, one.finding) for one in asyncio.run(tokens.look(bots))}
            assert (platform, finding) in found
        assert ({"telegram", "discord"} - {platform}).pop() in {
            subject for subject, unset in found if unset == "token_unset"
        }


def test_a_platform_that_is_away_is_named_without_the_token() -> None:
    bots = BotSettings.model_validate(
        {"telegram_bot_token": "1:secret", "telegram_api_url": "http://127.0.0.1:1"}
    )
    (found,) = [one for one in asyncio.run(tokens.look(bots)) if one.subject == "telegram"]
    assert found.finding == "failed"
    assert "secret" not in str(found.params)


def test_another_program_in_the_place_of_a_platform_is_named() -> None:
    with sandbox_server() as other:
        url = f"{other.origin}/_sandbox/calls?instead="  # answers with a list
        bots = BotSettings.model_validate({"discord_bot_token": "1:secret", "discord_api_url": url})
        found = {one.subject: one for one in asyncio.run(tokens.look(bots))}
    assert found["discord"].finding == "failed"
    assert "secret" not in str(found["discord"].params)
