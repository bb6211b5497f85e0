"""`python -m admin_web.vendored`: checks that the files of other projects under static/vendor are
those that VENDORED.md lists. `--fetch` takes them from npm again; `--folder` names another folder
with a VENDORED.md."""

import argparse
import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).parent / "static" / "vendor"
_ROW = re.compile(
    r"^\| `(?P<file>[^`]+)` \| `(?P<package>[^`]+)@(?P<version>[^`@]+)` \| `(?P<path>[^`]+)` \| "
    r"`(?P<sha256>[0-9a-f]{64})` \|",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Vendored:
    """One file, and the path in the package version that it was copied from."""

    file: str
    package: str
    version: str
    path: str
    sha256: str


def listed(folder: Path = VENDOR) -> list[Vendored]:
    text = (folder / "VENDORED.md").read_text()
    return [Vendored(**row.groupdict()) for row in _ROW.finditer(text)]


def problems(folder: Path = VENDOR) -> list[str]:
    """Return one sentence for each file that is changed, missing or not listed."""
    rows = {row.file: row for row in listed(folder)}
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {
        "VENDORED.md"
    }
    wrong = [f"{file} is not in VENDORED.md" for file in sorted(found - rows.keys())]
    wrong += [f"{file} is missing" for file in sorted(rows.keys() - found)]
    for file in sorted(rows.keys() & found):
        if hashlib.sha256((folder / file).read_bytes()).hexdigest() != rows[file].sha256:
            wrong.append(f"{file} is not the file of {rows[file].package} {rows[file].version}")
    return wrong


def fetch(wanted: Path = VENDOR) -> None:
    """Take the files out of their npm packages. The hashes decide whether they are the reviewed
    ones."""
    for package in sorted({f"{row.package}@{row.version}" for row in listed(wanted)}):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True)
            with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
                for row in listed(wanted):
                    if f"{row.package}@{row.version}" == package:
                        _copy(archive, row, wanted)


def _copy(archive: tarfile.TarFile, row: Vendored, folder: Path) -> None:
    member = archive.extractfile(f"package/{row.path}")
    if member is None:
        raise FileNotFoundError(row.path)
    target = folder / row.file
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(member.read())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m admin_web.vendored")
    parser.add_argument(
        "--fetch", action="store_true", help="copy the files out of their npm packages again"
    )
    parser.add_argument("--folder", type=Path, default=VENDOR)
    asked = parser.parse_args()
    if asked.fetch:
        fetch(asked.folder)
    wrong = problems(asked.folder)
    for sentence in wrong:
        sys.stderr.write(f"{sentence}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
