"""The version stands in one place, the changelog knows it, and a release is made of no other."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from admin_web.vendored import listed
from api.version import VERSION
from cli.__main__ import app
from tests.rules.source import ROOT

SECTIONS = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
VENDORED = ["admin_web/static/vendor", "tests/browser/vendor"]


def test_the_command_line_names_it() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"{VERSION}\n"


def test_the_changelog_has_what_is_released_and_what_is_not() -> None:
    assert SECTIONS[0] == "Unreleased"
    assert SECTIONS[1] == VERSION or (".dev" in VERSION and VERSION not in SECTIONS)


def test_no_other_file_has_a_version_of_its_own() -> None:
    text = (ROOT / "pyproject.toml").read_text().split("[dependency-groups]")[0]
    assert 'dynamic = ["version"]' in text
    assert not re.search(r"^version =", text, re.MULTILINE)


def test_the_oldest_and_the_newest_python_are_tested_and_found() -> None:
    """`run` looks for each of them by its name."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    tested = workflow["jobs"]["tests"]["strategy"]["matrix"]["python"]
    assert f'requires-python = ">={tested[0]}"' in (ROOT / "pyproject.toml").read_text()
    names = " ".join(f"python{version}" for version in reversed(tested))
    assert f"for name in python3 {names}; do" in (ROOT / "run").read_text()


@pytest.mark.parametrize("folder", VENDORED)
def test_vendored_files_are_in_the_notice(folder: str) -> None:
    notice = (ROOT / "NOTICE.md").read_text()
    rows = listed(ROOT / folder)
    assert rows
    for row in rows:
        line = next(line for line in notice.splitlines() if f"`{row.package}`" in line)
        assert f"| {row.version} |" in line
        assert (ROOT / folder).joinpath(row.file).is_file()


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """Return a tree whose version is 1.2.0 and has its notes."""
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "version.py").write_text('VERSION = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2027-01-01\n\n- New.\n\n"
        "## [1.1.0]\n\n- Old.\n"
    )
    return tmp_path


def cut(tree: Path, tag: str) -> subprocess.CompletedProcess[str]:
    """Run the workflow's script for the tag, as GitHub does."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    script = next(step["run"] for step in workflow["jobs"]["notes"]["steps"] if "run" in step)
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=tree,
        env={"GITHUB_REF_NAME": tag, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_release_has_the_notes_of_its_version(released: Path) -> None:
    assert cut(released, "v1.2.0").returncode == 0
    assert (released / "notes.md").read_text().split() == ["-", "New."]


def test_a_tag_of_another_version_is_refused(released: Path) -> None:
    done = cut(released, "v1.2.1")
    seen = (done.returncode, done.stdout)
    assert seen == (1, "The tag is v1.2.1, and api/version.py says 1.2.0.\n")


def test_a_version_without_notes_is_refused(released: Path) -> None:
    (released / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n## [1.2.0]\n\n")
    done = cut(released, "v1.2.0")
    assert (done.returncode, done.stdout) == (1, "CHANGELOG.md has no section [1.2.0].\n")
