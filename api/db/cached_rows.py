"""Rows of tables that seldom change, kept in memory until one of these tables is written to.

Most rows that a call reads are few and the same as a second ago: the caller, roles, switches. A
statement costs DuckDB about a millisecond however little it reads. One process has the file open
and one thread writes to it, so cached rows are never older than the last write that was
acknowledged. PostgreSQL has other writers, so its rows are not cached.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from api.db import Row

TABLES = {
    "users", "sessions", "links", "bots", "bot_credentials", "models", "budget_limits",
    "studio_settings",
}  # fmt: skip
MOST_ROWS = 10_000
_WORD = re.compile(r"\w+")
_READS = re.compile(r"[\s(]*(SELECT|WITH|FROM|VALUES)\b", re.IGNORECASE)
_CHANGES = re.compile(
    r"\b(INSERT|UPDATE|DELETE|MERGE|TRUNCATE|CREATE|ALTER|DROP)\b|;", re.IGNORECASE
)
_NAMES_ITS_TABLE = re.compile(r"\s*(INSERT|UPDATE|DELETE|MERGE|TRUNCATE|WITH)\b", re.IGNORECASE)

Key = tuple[object, ...]


class CachedRows:
    """`forget` is for the writer's thread, after a commit that `concerns` the cached tables; the
    rest is for any thread."""

    def __init__(self) -> None:
        self.version = 0
        self._answers: dict[tuple[int, Key], tuple[Row, ...]] = {}
        self._rows = 0
        self._fits: dict[str, bool] = {}

    def get(self, version: int, key: Key) -> Sequence[Row] | None:
        rows = self._answers.get((version, key))
        return None if rows is None else list(rows)

    def keep(self, version: int, key: Key, rows: Sequence[Row]) -> None:
        """Keep rows. `version` is the one before they were read, so that rows that a write has
        overtaken are never found."""
        if self._rows > MOST_ROWS:
            self._clear()
        self._rows += 1 + len(rows)
        self._answers[version, key] = tuple(rows)

    def fits(self, query: str, tables: Callable[[], Iterable[str]]) -> bool:
        """Return whether a query reads only tables that may be cached. `tables` lists all
        tables; it is called once a query."""
        found = self._fits.get(query)
        if found is None:
            named = _words(query).intersection(table.lower() for table in tables())
            found = self._fits[query] = bool(named) and named <= TABLES
        return found

    def forget(self) -> None:
        self.version += 1
        self._clear()

    def _clear(self) -> None:
        self._answers, self._rows = {}, 0


def key_of(query: str, args: Iterable[object]) -> Key:
    return (query, *(tuple(value) if isinstance(value, list) else value for value in args))


def _words(query: str) -> set[str]:
    # names and keywords are the same to the engine in small and capital letters
    return set(_WORD.findall(query.lower()))


@lru_cache(1000)
def only_reads(query: str) -> bool:
    """Return whether a query certainly changes nothing. A word that looks like a change makes it a
    write, and so does an unknown beginning."""
    return _READS.match(query) is not None and _CHANGES.search(query) is None


@lru_cache(1000)
def concerns(query: str) -> bool:
    """Return whether a query may change cached rows: it names one of the tables, or may change any
    without naming it."""
    if only_reads(query):
        return False
    return not TABLES.isdisjoint(_words(query)) or _NAMES_ITS_TABLE.match(query) is None
