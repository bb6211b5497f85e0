"""Several writes as one statement, which PostgreSQL gets in one message."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

Statement = tuple[str, tuple[object, ...]]

_TARGET = re.compile(r"\s*(?:INSERT INTO|UPDATE)\s+(\w+)\s")
_PARAMETER = re.compile(r"\$(\d+)")


def together(statements: Iterable[Statement]) -> Iterator[Statement]:
    """Yield as few statements as do the same. The parts of one see nothing of each other, so no
    table is written by two of them."""
    parts: list[Statement] = []
    tables = set[str]()
    for statement in statements:
        table = _table(statement[0])
        if parts and (table is None or table in tables):
            yield _one(parts)
            parts, tables = [], set()
        if table is None:
            yield statement
        else:
            parts.append(statement)
            tables.add(table)
    if parts:
        yield _one(parts)


def _one(parts: list[Statement]) -> Statement:
    if len(parts) == 1:
        return parts[0]
    args = [value for _, given in parts for value in given]
    return _joined(tuple((query, len(given)) for query, given in parts)), tuple(args)


@lru_cache(1000)
def _table(query: str) -> str | None:
    """Return the table that a plain INSERT or UPDATE changes; None for all else."""
    found = _TARGET.match(query)
    return found[1] if found is not None else None


@lru_cache(1000)
def _joined(parts: tuple[tuple[str, int], ...]) -> str:
    numbered, first = [], 0
    for query, parameters in parts:
        numbered.append(_PARAMETER.sub(_later_by(first), query))
        first += parameters
    *before, last = numbered
    named = [f"part{number} AS ({query})" for number, query in enumerate(before)]
    return f"WITH {', '.join(named)} {last}"


def _later_by(places: int) -> Callable[[re.Match[str]], str]:
    return lambda found: f"${int(found[1]) + places}"
