"""The names of backups: each has the time at which it was made and the mark of its installation, so
that installations that share a place leave each other's backups alone."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from api.secrets import installation_of

NAME = re.compile(r"allucanget-(\d{8}-\d{6})(?:-([0-9a-f]{8}))?\.zip")
_STAMP = "%Y%m%d-%H%M%S"


@dataclass(frozen=True, slots=True)
class BackupNames:
    """`mark`: the installation's, empty where there is none yet. A name without a mark is of an
    earlier version and counts as our own."""

    mark: str = ""

    @classmethod
    def of(cls, data_dir: Path) -> "BackupNames":
        installation = installation_of(data_dir)
        if installation is None:
            return cls()
        return cls(hashlib.sha256(installation.encode()).hexdigest()[:8])

    def new(self, at: datetime) -> str:
        return f"allucanget-{at:{_STAMP}}{self.mark and f'-{self.mark}'}.zip"

    def is_ours(self, name: str) -> bool:
        found = NAME.fullmatch(name)
        return found is not None and found[2] in {None, self.mark}


def made_at(name: str) -> datetime:
    """Return the time in the name of a backup."""
    found = NAME.fullmatch(name)
    assert found is not None
    return datetime.strptime(found[1], _STAMP).replace(tzinfo=UTC)
