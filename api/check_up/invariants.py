"""All invariants of an installation, looked at one after the other. Nothing is changed by it."""

from collections.abc import Sequence
from itertools import chain

from api import ids
from api.auth.invariants import INVARIANTS as OF_SESSIONS
from api.budget.invariants import INVARIANTS as OF_MONEY
from api.check_up.schemas import BrokenOut, InvariantOut, InvariantsOut
from api.db import Db
from api.deliveries.invariants import INVARIANTS as OF_DELIVERIES
from api.deliveries.invariants import LATE
from api.errors import StorageUnavailable
from api.generations.invariants import INVARIANTS as OF_GENERATIONS
from api.invariants import Invariant, InvariantName, broken
from api.media.files import MediaStore
from api.media.invariants import INVARIANTS as OF_MEDIA
from api.media.invariants import NeededElsewhere, Odd, compare
from api.text.invariants import INVARIANTS as OF_CONVERSATIONS
from api.users.invariants import INVARIANTS as OF_ACCOUNTS
from api.version import VERSION

OF_ROWS: Sequence[Invariant] = list(
    chain(
        OF_MONEY,
        OF_GENERATIONS,
        OF_DELIVERIES,
        OF_CONVERSATIONS,
        OF_MEDIA,
        OF_SESSIONS,
        OF_ACCOUNTS,
    )
)


class Invariants:
    """`needed_elsewhere` as `compare` takes it."""

    def __init__(self, db: Db, files: MediaStore, needed_elsewhere: NeededElsewhere) -> None:
        self._db = db
        self._files = files
        self._needed_elsewhere = needed_elsewhere
        self._begun_at = ids.now()

    async def all(self) -> InvariantsOut:
        """Look at rows and files. Raises `DbUnavailable`."""
        at = ids.now()
        found = [*await self.of_rows(), *await self._of_files()]
        return InvariantsOut(at=at, version=VERSION, invariants=found)

    async def of_rows(self) -> list[InvariantOut]:
        """Look at the database alone. Raises `DbUnavailable`."""
        return [await self._look(one) for one in OF_ROWS]

    async def _look(self, one: Invariant) -> InvariantOut:
        now = ids.now()
        if one.timed and now - self._begun_at < LATE:
            return InvariantOut(name=one.name, state="skipped", skipped="begun_lately")
        count, rows = await broken(self._db, one, now)
        return _out(one.name, count, [(row["id"], row["facts"]) for row in rows])

    async def _of_files(self) -> list[InvariantOut]:
        names: tuple[InvariantName, InvariantName] = ("rows_have_files", "files_have_rows")
        try:
            found = await compare(self._db, self._files, self._needed_elsewhere)
            others = await self._files.others()
        except StorageUnavailable:
            return [
                InvariantOut(name=name, state="skipped", skipped="store_away") for name in names
            ]
        lost, left = (_odd(*each) for each in zip(names, found, strict=True))
        if others:
            # nobody can tell whose a file is
            left = InvariantOut(name=left.name, state="skipped", skipped="store_shared")
        return [lost, left]


def _odd(name: InvariantName, odd: Odd) -> InvariantOut:
    return _out(name, odd.count, odd.first)


def _out(name: InvariantName, count: int, first: Sequence[tuple[str, str]]) -> InvariantOut:
    rows = [BrokenOut(id=each, facts=facts) for each, facts in first]
    return InvariantOut(name=name, state="broken" if count else "holds", count=count, rows=rows)
