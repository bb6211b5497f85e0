"""The script `run`, with Pythons that are missing, old or without venv. `.ci/run` tries its
installations on a clean checkout."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
NOBODY = 65_534
TOOLS = ["sh", "dirname", "readlink", "id", "cksum", "cat", "rm", "printf"]


class Place:
    """A copy of the files beside the packages, with a PATH that holds a few base programs and the
    test's own."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a tree"
        self.bin = folder / "bin"
        self.bin.mkdir()
        (self.root / "locks").mkdir(parents=True)
        shutil.copy(ROOT / "run", self.root)
        for lock in ("run", "dev", "tools"):
            (self.root / "locks" / f"{lock}.txt").write_text(f"# {lock}\n")
        for tool in TOOLS:
            found = shutil.which(tool)
            if found:
                (self.bin / tool).symlink_to(found)

    def program(self, name: str, *lines: str) -> None:
        path = self.bin / name
        path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
        path.chmod(0o755)

    def python(self, *lines: str) -> None:
        """Put a python3 on the PATH that acts as the real one, unless `lines` handle the call
        first."""
        self.program(
            "python3",
            'case "$2" in *sys.executable*) echo "$0"; exit;; esac',
            *lines,
            f'exec {sys.executable} "$@"',
        )

    def installed(self, lock: str, venv: str) -> Path:
        """Lay out a finished installation whose Python records its calls, and return the file of
        the record."""
        written = self.root / f"{venv}.called"
        folder = self.root / venv / "bin"
        folder.mkdir(parents=True)
        path = folder / "python"
        path.write_text(
            f'#!/bin/sh\nif [ "$1" = -IS ]; then echo here; else pwd > "{written}"; printf '
            f'\'%s\\n\' "$@" >> "{written}"; fi\n'
        )
        path.chmod(0o755)
        lock_bytes = (self.root / "locks" / f"{lock}.txt").read_bytes()
        checksum = (
            subprocess.run(["cksum"], input=lock_bytes, capture_output=True, check=True)
            .stdout.decode()
            .strip()
        )
        (self.root / venv / ".stamp").write_text(f"{checksum} here")
        return written

    def call(
        self,
        *arguments: str,
        script: Path | None = None,
        cwd: Path = Path("/"),
        user: int | None = None,
        also_set: tuple[str, ...] = (),
    ) -> subprocess.CompletedProcess[str]:
        env = {"PATH": str(self.bin), "HOME": str(self.root), **dict.fromkeys(also_set, "/nowhere")}
        return subprocess.run(
            [str(script or self.root / "run"), *arguments],
            cwd=cwd,
            env=env,
            user=user,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_no_python(place: Place) -> None:
    done = place.call()
    assert done.returncode == 1
    assert done.stderr.startswith("Python 3.11 or newer is needed and none was found.")


def test_python_without_venv_says_the_one_command(place: Place) -> None:
    place.python('case "$2" in "import ensurepip") exit 1;; esac')
    done = place.call()
    assert done.returncode == 1
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    assert (
        done.stderr.strip()
        == "Python's venv module is missing. Install it, then start again: sudo apt-get install "
        f"-y {package}"
    )


def test_root_gets_venv_installed(place: Place) -> None:
    """The package lists of a fresh container are empty: the first attempt fails, and the lists are
    fetched."""
    place.python(
        'case "$2" in "import ensurepip") exit 1;; esac',
        'case "$1 $2" in "-m venv") echo made >&2; exit 9;; esac',
    )
    place.program("id", "echo 0")
    done_log = place.root / "apt.log"
    place.program(
        "apt-get",
        f'echo "$@" >> "{done_log}"',
        f'case "$1" in update) : > "{place.root}/lists";; install) [ -e "{place.root}/lists" ];; '
        "esac",
    )
    done = place.call()
    assert done.returncode == 9
    assert "made" in done.stderr
    found = [line.split()[0] for line in done_log.read_text().splitlines()]
    assert found == ["install", "update", "install"]


def test_finished_installation_starts_at_once_from_anywhere(place: Place, tmp_path: Path) -> None:
    """There is no Python or uv on the PATH: only the stamp is read."""
    written = place.installed("run", ".venv")
    link = tmp_path / "elsewhere" / "start"
    link.parent.mkdir()
    link.symlink_to(os.path.relpath(place.root / "run", link.parent))
    for script in (place.root / "run", link):
        assert place.call(script=script, cwd=tmp_path).returncode == 0
        assert written.read_text().splitlines() == [str(place.root), "-m", "cli.supervisor"]
        written.unlink()


@pytest.mark.parametrize("arguments", [["chat"], ["admin", "create", "a b"], ["--help"]])
def test_everything_else_is_passed_to_the_command_line(arguments: list[str], place: Place) -> None:
    written = place.installed("run", ".venv")
    assert place.call(*arguments).returncode == 0
    assert written.read_text().splitlines() == [str(place.root), "-m", "cli", *arguments]


def test_a_changed_lock_is_installed_again(place: Place) -> None:
    place.installed("run", ".venv")
    (place.root / "locks" / "run.txt").write_text("# changed\n")
    log = place.root / "uv.log"
    place.program("uv", f'echo "$@" >> "{log}"')
    place.python()
    assert place.call().returncode == 0
    assert log.read_text().splitlines() == [
        "pip sync -q --require-hashes --compile-bytecode --python .venv/bin/python locks/run.txt"
    ]
    assert place.call().returncode == 0
    assert len(log.read_text().splitlines()) == 1


@pytest.mark.parametrize("setting", ["PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH"])
def test_output_of_another_python_is_not_passed_on(setting: str, place: Place) -> None:
    """With PYTHONHOME set, no Python here would even start."""
    place.installed("run", ".venv")
    (place.root / ".venv" / "bin" / "python").write_text(
        f'#!/bin/sh\nif [ "$1" = -IS ]; then echo here; else echo "${{{setting}-unset}}"; fi\n'
    )
    assert place.call(also_set=(setting,)).stdout == "unset\n"
    shutil.rmtree(place.root / ".venv")
    place.program(
        "python3",
        f'if [ "${{{setting}-unset}}" != unset ]; then exit 1; fi',
        'case "$2" in *sys.executable*) echo "$0"; exit;; esac',
        "exit 9",
    )
    place.program("uv", "exit 8")
    assert place.call(also_set=(setting,)).returncode == 8


@pytest.mark.parametrize(
    "there", [False, True], ids=["nothing installed", "something older installed"]
)
def test_a_folder_that_cannot_be_written_to_is_named(there: bool) -> None:
    """Root may write everywhere, so the test becomes another user, who may not even read pytest's
    folder."""
    with tempfile.TemporaryDirectory(prefix="run-") as folder:
        Path(folder).chmod(0o755)
        place = Place(Path(folder))
        place.python()
        if there:
            place.installed("run", ".venv")
            (place.root / "locks" / "run.txt").write_text("# changed\n")
        place.root.chmod(0o555)
        done = place.call(user=NOBODY if os.geteuid() == 0 else None)
        place.root.chmod(0o755)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(
        f"{place.root} cannot be written to, and what locks/run.txt lists is installed there: "
    )


def test_one_that_is_installed_starts_from_a_folder_that_cannot_be_written_to(place: Place) -> None:
    written = place.installed("run", ".venv")
    written.touch()
    place.root.chmod(0o555)
    assert place.call().returncode == 0
    assert written.read_text().splitlines() == [str(place.root), "-m", "cli.supervisor"]


def test_a_failed_installation_is_not_taken_for_done(place: Place) -> None:
    place.installed("run", ".venv")
    (place.root / "locks" / "run.txt").write_text("# changed\n")
    place.program("uv", "exit 3")
    place.python()
    assert place.call().returncode == 3
    assert not (place.root / ".venv" / ".stamp").exists()


def test_tests_of_one_folder_and_of_the_quick_lane(place: Place) -> None:
    written = place.installed("dev", ".venv-dev")
    assert place.call("test", "tests/api").returncode == 0
    assert written.read_text().splitlines()[1:3] == ["-m", "pytest"]
    assert written.read_text().splitlines()[-1] == "tests/api"
    assert place.call("test", "quick", "tests/api").returncode == 0
    assert written.read_text().splitlines()[-3:] == ["-m", "not slow", "tests/api"]
