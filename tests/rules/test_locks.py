"""The lock files are complete, pinned by hash, and do not name the index of the packages."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.rules.source import ROOT

LOCKS = ["run", "dev", "tools"]


def pins(lock: str) -> dict[str, list[Version]]:
    """Return versions by package: more than one where Pythons need different ones."""
    found: dict[str, list[Version]] = {}
    for name, version in re.findall(
        r"^([A-Za-z0-9._-]+)==([^\s;]+)", (ROOT / "locks" / f"{lock}.txt").read_text(), re.MULTILINE
    ):
        found.setdefault(canonicalize_name(name), []).append(Version(version))
    return found


def wanted(lock: str) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = list(project["project"]["dependencies"])
    if lock == "dev":
        names += [name for group in project["dependency-groups"].values() for name in group]
    return [Requirement(name) for name in names]


@pytest.mark.parametrize("lock", LOCKS)
def test_no_address(lock: str) -> None:
    text = (ROOT / "locks" / f"{lock}.txt").read_text()
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_has_hashes(lock: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / "locks" / f"{lock}.txt").read_text().strip())
    assert entries
    assert [entry.split("==")[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", ["run", "dev"])
def test_holds_what_pyproject_asks_for(lock: str) -> None:
    pinned = pins(lock)
    for requirement in wanted(lock):
        versions = pinned.get(canonicalize_name(requirement.name), [])
        assert versions, f"{requirement.name} is not in locks/{lock}.txt: ./run lock"
        assert all(version in requirement.specifier for version in versions), (
            f"{requirement} is locked as {versions}: ./run lock"
        )


def test_tests_run_on_what_is_shipped() -> None:
    run, dev = pins("run"), pins("dev")
    assert {name: versions for name, versions in run.items() if dev.get(name) != versions} == {}
