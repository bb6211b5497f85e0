"""Rows for every table of a database, in whatever form its schema is.

Columns, types and allowed words are read from the database, so that a new table or column needs no
line here.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from api.db import Db
from api.db.tables import columns_of

ROWS = 7
ODD = [
    "plain",
    "",
    'a "quoted" one; \\N \\x00 \\.',
    "two\nlines\r\n\tand a tab",
    "Füchse 🦊 \u202e",
    "$1",
]
_REFERENCES = {"generation_id": "id"}
"""Columns that name a row of another table: a migration may delete what names none."""
_FIRST = datetime(2026, 11, 30, 23, 59, 59, 123_456, UTC)
_WORDS = re.compile(r"'([^']*)'")
_OF_DUCKDB = """
    SELECT table_name, constraint_column_names AS columns, constraint_text AS said
    FROM duckdb_constraints()
    WHERE constraint_type = 'CHECK' AND schema_name = current_schema()"""
_OF_POSTGRESQL = """
    SELECT r.relname AS table_name, pg_get_constraintdef(c.oid) AS said,
        ARRAY(SELECT attname::text FROM pg_attribute
              WHERE attrelid = r.oid AND attnum = ANY(c.conkey)) AS columns
    FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
    WHERE c.contype = 'c' AND r.relnamespace = current_schema()::regnamespace"""
_NULLABLE = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = current_schema() AND is_nullable = 'YES'"""


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    type: str
    words: tuple[str, ...]
    nullable: bool

    def value(self, number: int) -> object:
        if self.nullable and number % 3 == 2:
            return None
        if self.words:
            return self.words[number % len(self.words)]
        if self.name.endswith("_json"):
            return json.dumps({"number": number, "text": ODD[number % len(ODD)] * (number * 40)})
        return self._by_type(number)

    def _by_type(self, number: int) -> object:
        match self.type.lower():
            case "varchar" | "text":
                name = _REFERENCES.get(self.name, self.name)
                return f"{name} {number} {ODD[number % len(ODD)]}"
            case "bigint":
                return (2**62 if number == 1 else 0) + number
            case "integer":
                return number
            case "boolean":
                return number % 2 == 0
            case "timestamp with time zone":
                return _FIRST + timedelta(days=number, microseconds=number)
            case "date":
                return date(2026, 11, 1) + timedelta(days=number)
            case "blob" | "bytea":
                return bytes([number, 0, 255])
            case "double" | "double precision":
                return number / 3
        raise NotImplementedError(f"a sample of {self.type}, the type of {self.name}")


async def add_samples(db: Db, rows: int = ROWS) -> None:
    """Fill all tables, except the list of migrations."""
    allowed = await _allowed(db)
    nullable = {(row["table_name"], row["column_name"]) for row in await db.fetch(_NULLABLE)}
    for table, types in (await columns_of(db)).items():
        columns = [
            _Column(name, kind, allowed.get((table, name), ()), (table, name) in nullable)
            for name, kind in types.items()
        ]
        names = ", ".join(f'"{column.name}"' for column in columns)
        marks = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
        for number in range(rows):
            values = [column.value(number) for column in columns]
            await db.execute(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', *values)


async def _allowed(db: Db) -> Mapping[tuple[str, str], tuple[str, ...]]:
    query = _OF_DUCKDB if db.engine == "duckdb" else _OF_POSTGRESQL
    return {
        (row["table_name"], row["columns"][0]): tuple(_WORDS.findall(row["said"]))
        for row in await db.fetch(query)
        if len(row["columns"]) == 1
    }


async def contents(db: Db) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of all tables, in an order that both engines have."""
    found = {}
    for table, columns in (await columns_of(db)).items():
        names = ", ".join(f'"{name}"' for name in columns)
        rows = [tuple(row.values()) for row in await db.fetch(f'SELECT {names} FROM "{table}"')]
        found[table] = sorted((tuple(_in_utc(value) for value in row) for row in rows), key=repr)
    return found


def _in_utc(value: object) -> object:
    return value.astimezone(UTC) if isinstance(value, datetime) else value
