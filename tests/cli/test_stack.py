"""The test stack itself: single processes are killed and started, and nothing stays behind."""

from pathlib import Path

import pytest

from cli.health import main as health
from tests.processes import wait_gone
from tests.stack import get, running_stack


def test_one_process_is_killed_and_started_and_all_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    for made_beforehand in (folder, folder / "media"):
        made_beforehand.mkdir(mode=0o755)
    with running_stack(data_dir=folder) as stack:
        database = [
            folder / "app.duckdb",
            folder / "app.duckdb.wal",
            folder / "secrets.json",
        ]
        found = {path.name: oct(path.stat().st_mode & 0o777) for path in database}
        assert found == {path.name: "0o600" for path in database}
        assert oct((folder / "media").stat().st_mode & 0o777) == "0o700"
        before = stack.pids
        assert set(before) == {"sandbox", "api", "web"}
        assert len(stack.setup_token) >= 32

        for name, url in (
            ("API", stack.api_url),
            ("WEB", stack.web_url),
            ("SANDBOX", stack.sandbox_url),
        ):
            monkeypatch.setenv(f"{name}_PORT", url.rsplit(":", 1)[1])
        assert [health(name) for name in ("api", "web", "sandbox")] == [0, 0, 0]

        stack.kill("api")
        assert not stack.alive("api")
        assert wait_gone(before["api"], 0)
        assert get(f"{stack.api_url}/healthz") is None
        assert [health(name) for name in ("api", "web")] == [1, 0]

        stack.start("api")
        assert (get(f"{stack.api_url}/healthz") or (0, b""))[0] == 200
        assert stack.stop("web") == 0
        after = stack.pids
    assert [name for name, pid in {**before, **after}.items() if not wait_gone(pid, 0)] == []


def test_one_that_cannot_start_is_named_with_its_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        pytest.raises(
            AssertionError, match=r"api ended with exit code 2:\nBad setting: CHAT_SIGNUP"
        ),
        running_stack(
            data_dir=tmp_path / "data",
            extra_env={"CHAT_SIGNUP": "everybody"},
            without=frozenset({"web", "sandbox"}),
        ),
    ):
        raise RuntimeError("not reached")
    assert "--- api ---" in capsys.readouterr().out
