"""Tests get their lane by the fixtures and modules that they use, and Chromium is installed when a
test drives it."""

import os
import stat
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests import lanes
from tests.browser.program import need_chromium

BROWSER = ["tests/rules/test_a.py::test_b", "tests/browser/test_c.py::test_d[desktop]"]


def markers(request: pytest.FixtureRequest) -> set[str]:
    return {marker.name for marker in request.node.iter_markers()} & {"slow", "postgresql"}


def test_the_longest_test_is_there() -> None:
    assert lanes.LONGEST.exists()


def test_tests_without_a_server_are_quick(request: pytest.FixtureRequest) -> None:
    assert markers(request) == set()


def test_an_engine_decides(request: pytest.FixtureRequest, database: str) -> None:
    slow = {"slow", "postgresql"} if database.startswith("postgresql://") else set()
    assert markers(request) == slow


@pytest.mark.parametrize("name", ["subprocess", "tests.stack", "tests.fakes.telegram_world"])
def test_a_module_with_something_of_a_server_is_slow(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("tests.made_up")
    monkeypatch.setitem(sys.modules, "tests.made_up", module)
    module.something = type("Something", (), {"__module__": name})  # type: ignore[attr-defined]
    assert lanes.imported.__wrapped__("tests.made_up")


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that is the whole PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_a_run_without_browser_tests_needs_no_chromium(programs: Path) -> None:
    need_chromium(BROWSER[:1])


def test_browser_tests_without_chromium_say_the_one_command(programs: Path) -> None:
    with pytest.raises(pytest.exit.Exception) as ended:
        need_chromium(BROWSER)
    assert ended.value.msg == (
        "The browser tests need Chromium. Install it, then start again: "
        "sudo apt-get install -y chromium-headless-shell"
    )
    program(programs / "chromium", ":")
    need_chromium(BROWSER)


def test_root_gets_chromium_installed(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package lists of a fresh container are empty: the first attempt fails, and the lists are
    fetched."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    program(
        programs / "apt-get",
        f'echo "$1" >> {programs}/called',
        f'if [ "$1" = update ]; then : > {programs}/lists; exit; fi',
        f"[ -e {programs}/lists ] || exit 1",
        f"echo > {programs}/chromium-headless-shell",
        f"/bin/chmod +x {programs}/chromium-headless-shell",
    )
    need_chromium(BROWSER)
    assert (programs / "called").read_text().split() == ["install", "update", "install"]


def program(path: Path, *lines: str) -> None:
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
