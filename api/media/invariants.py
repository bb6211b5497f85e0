"""Invariants of files: each row has its file, each file its row, and each row its job."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from api import ids
from api.db import Db
from api.invariants import SHOWN, Invariant
from api.media import store
from api.media.files import MediaStore
from api.media.orphans import FOLDERS

LEFT_FOR = timedelta(hours=26)
"""Time for which a file that a crash left may lie there: the sweep takes it when it is an hour old,
and comes every six hours."""

_OWNERS = """
    SELECT media.id, role || ' of job ' || generation_id AS facts
    FROM media LEFT JOIN generations ON generations.id = media.generation_id
    WHERE generation_id IS NOT NULL AND generations.id IS NULL
    UNION ALL
    SELECT small.id, 'thumbnail of no picture' FROM media AS small
    LEFT JOIN media AS whole ON whole.thumbnail_id = small.id
    WHERE small.role = 'thumbnail' AND small.copy_of IS NULL AND whole.id IS NULL
    UNION ALL
    SELECT small.id, 'smaller copy of file ' || small.copy_of FROM media AS small
    LEFT JOIN media AS whole ON whole.id = small.copy_of
    WHERE small.copy_of IS NOT NULL AND whole.id IS NULL"""

NeededElsewhere = Callable[[Sequence[str]], Awaitable[set[str] | None]]
"""Returns those of the keys that another database or a backup names; None: one cannot be read."""

INVARIANTS = [Invariant("media_have_owners", _OWNERS)]


@dataclass(slots=True)
class Odd:
    """Odd rows or files: their number, and id and facts of the first."""

    count: int = 0
    first: list[tuple[str, str]] = field(default_factory=list)

    def add(self, id: str, facts: str) -> None:
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append((id, facts))


async def compare(
    db: Db, files: MediaStore, needed_elsewhere: NeededElsewhere, folders: Sequence[str] = FOLDERS
) -> tuple[Odd, Odd]:
    """Return the rows without a file, and the files that have been without a row for long, except
    those that a backup or another database needs. Raises `StorageUnavailable`, `DbUnavailable`."""
    lost, left = dict[str, list[str]](), dict[str, datetime]()
    old = ids.now() - LEFT_FOR
    for folder in folders:
        # the files before the rows: a row is written after its file
        there = await files.files(folder)
        rows = await store.keys(db, folder)
        if lacking := sorted(rows.keys() - there.keys()):
            lost[folder] = lacking
        left |= {key: at for key, at in there.items() if key not in rows and at < old}
    return await _lost(db, files, lost), await _left(left, needed_elsewhere)


async def _lost(db: Db, files: MediaStore, suspects: Mapping[str, Sequence[str]]) -> Odd:
    """Look a second time: a file may have come, or its row gone, since the first."""
    lost = Odd()
    for folder, keys in suspects.items():
        there, rows = await files.files(folder), await store.keys(db, folder)
        for key in keys:
            if key in rows and key not in there and not await files.waits(key):
                lost.add(rows[key][0], key)
    return lost


async def _left(suspects: Mapping[str, datetime], needed_elsewhere: NeededElsewhere) -> Odd:
    left = Odd()
    needed = await needed_elsewhere(sorted(suspects)) if suspects else set()
    for key, written in sorted(suspects.items()):
        if needed is not None and key not in needed:
            left.add(key, f"written {written:%Y-%m-%d %H:%M} UTC")
    return left
