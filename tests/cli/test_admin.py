"""`./run admin` and `./run bot-key` as an operator types them: before the first start, and while
the api has the database open."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from api.secrets import ensure_secrets
from tests.cli.run_command import typed
from tests.stack import INHERITED, ROOT, Stack, free_ports, running_stack

PASSWORD = "correct horse battery staple"
WITHOUT = frozenset({"sandbox", "web"})


@dataclass
class Shell:
    """A shell on the machine of the api that listens on `port`. With `whole` a command is a program
    of its own, as it is for a person."""

    data_dir: Path
    port: int
    whole: bool = False

    def run(self, *words: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        env = {name: os.environ[name] for name in INHERITED if name in os.environ}
        env |= {
            "PYTHONPATH": str(ROOT),
            "DATA_DIR": str(self.data_dir),
            "API_PORT": str(self.port),
            "PUBLIC_URL": "https://studio.example.org/",
        }
        # the folder hides the developer's .env
        folder = self.data_dir.parent
        if not self.whole:
            return typed(words, folder, env, answer)
        command = [sys.executable, "-m", "cli", *words]
        return subprocess.run(
            command, cwd=folder, env=env, input=answer, capture_output=True, text=True, check=False
        )

    def link(self, *words: str) -> tuple[str, str]:
        """Run a command and return page and token of the one link that it prints."""
        done = self.run(*words)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        said, url = done.stdout.splitlines()
        assert said.endswith("once, within 60 minutes:")
        parts = urlsplit(url)
        assert (parts.scheme, parts.netloc) == ("https", "studio.example.org")
        [(_, [token])] = parse_qs(parts.query).items()
        return f"{parts.path}?{parts.query.partition('=')[0]}", token


@pytest.fixture(scope="module")
def first_link(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Make a link before the api ever ran, without a database."""
    data_dir = tmp_path_factory.mktemp("operating") / "data"
    page, token = Shell(data_dir, free_ports(1)[0], whole=True).link(
        "admin", "create", "boss@example.org"
    )
    assert page == "/register?invite"
    assert (data_dir / "app.duckdb").exists()
    return data_dir, token


@pytest.fixture(scope="module")
def stack(first_link: tuple[Path, str]) -> Iterator[Stack]:
    with running_stack(
        data_dir=first_link[0], without=WITHOUT, extra_env={"WEB_SIGNUP": "open"}
    ) as running:
        yield running


@pytest.fixture
def shell(stack: Stack) -> Shell:
    return Shell(stack.data_dir, int(stack.api_url.rpartition(":")[2]))


def post(stack: Stack, path: str, bearer: str | None = None, **body: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return httpx.post(
        f"{stack.api_url}{path}", json=body, headers=headers, trust_env=False, timeout=30
    )


def test_an_admin_made_while_it_was_stopped_signs_in(
    stack: Stack, first_link: tuple[Path, str]
) -> None:
    made = post(
        stack, "/auth/register", email="boss@example.org", password=PASSWORD, invite=first_link[1]
    )
    assert (made.status_code, made.json()["user"]["role"]) == (201, "admin")


def test_a_password_is_reset_while_it_runs(stack: Stack, shell: Shell) -> None:
    post(stack, "/auth/register", email="rita@example.org", password=PASSWORD)
    page, token = shell.link("admin", "reset-password", "rita@example.org")
    assert page == "/reset?token"
    reset = post(stack, "/auth/reset", token=token, password="quite another passphrase")
    assert reset.status_code == 204, reset.text
    answer = post(
        stack, "/auth/login", email="rita@example.org", password="quite another passphrase"
    )
    assert answer.status_code == 200


def test_somebody_with_an_account_is_promoted_after_a_question(stack: Stack, shell: Shell) -> None:
    token = post(stack, "/auth/register", email="ana@example.org", password=PASSWORD).json()[
        "access_token"
    ]

    def users() -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.get(
            f"{stack.api_url}/users", headers=headers, trust_env=False, timeout=30
        ).status_code

    refused = shell.run("admin", "create", "ana@example.org", answer="")
    assert (refused.returncode, users()) == (1, 403)
    assert "Make it an admin" in refused.stdout
    asked = shell.run("admin", "create", "ana@example.org", answer="y\n")
    assert (asked.returncode, users()) == (0, 200)
    assert asked.stdout.endswith("ana@example.org is an admin now.\n")
    again = shell.run("admin", "create", "ana@example.org", "--yes")
    assert again.stdout.startswith("ana@example.org is an admin already.")


def test_a_refusal_is_one_line(shell: Shell) -> None:
    for words, said in [
        (
            ("admin", "reset-password", "nobody@example.org"),
            "No account has this e-mail address.\n",
        ),
        (("admin", "create", "nobody"), "This is not an e-mail address.\n"),
    ]:
        done = shell.run(*words)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


def test_a_database_that_an_api_elsewhere_has_is_left_alone(shell: Shell) -> None:
    lost = Shell(shell.data_dir, free_ports(1)[0])
    done = lost.run("admin", "create", "eve@example.org")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        f"The database {shell.data_dir / 'app.duckdb'} is open in another process (PID "
    )
    assert done.stderr.endswith(
        f"set API_PORT as for that api: none answers at http://127.0.0.1:{lost.port}.\n"
    )
    assert done.stderr.count("\n") == 1


def test_a_bot_gets_a_new_key_and_works_on_with_the_old(stack: Stack, shell: Shell) -> None:
    old = ensure_secrets(shell.data_dir).bot_keys
    done = shell.run("bot-key", "telegram")
    assert (done.returncode, done.stderr) == (0, "")
    assert "The api knows it." in done.stdout
    new = ensure_secrets(shell.data_dir).bot_keys
    assert {name for name in old if old[name] != new[name]} == {"telegram"}
    assert not {*old.values(), *new.values()} & set(done.stdout.split())
    for key in (old["telegram"], new["telegram"], new["discord"]):
        assert post(stack, "/bot/deliveries/claim?wait=0", key).status_code == 200
