"""`./run move`: every row of a DuckDB database in an empty PostgreSQL database, once and whole."""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from api import moved
from api.database import open_database
from api.db.open import open_db
from api.settings import Settings
from api.start_errors import CannotStart
from cli.errors import CommandRefused
from cli.move import move
from cli.server import place_of
from tests.conftest import Postgres, run
from tests.sample_rows import ROWS, add_samples, contents
from tests.stack import ROOT


@pytest.fixture
def file(duckdb_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the database of `./run` with rows in every table, while no api runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))

    async def fill() -> None:
        db = await open_db(duckdb_path)
        await add_samples(db)
        await db.close()

    run(fill())
    return duckdb_path


def everything(target: str | Path) -> dict[str, list[tuple[object, ...]]]:
    async def read() -> dict[str, list[tuple[object, ...]]]:
        db = await open_db(target)
        try:
            return await contents(db)
        finally:
            await db.close()

    return run(read())


def written(target: str | Path, *statements: str) -> None:
    async def write() -> None:
        db = await open_db(target)
        try:
            for statement in statements:
                await db.execute(statement)
        finally:
            await db.close()

    run(write())


def sizes(file: Path) -> dict[str, bytes]:
    return {
        each.name: hashlib.sha256(each.read_bytes()).digest()
        for each in file.parent.glob("app.duckdb*")
    }


def in_thread(to: str, *, dry_run: bool = False) -> None:
    """Run the command outside of a test's loop."""

    async def act() -> None:
        await asyncio.to_thread(move, to, dry_run=dry_run)

    run(act())


def test_every_table_is_moved_row_by_row(
    file: Path, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    written(file, "UPDATE generations SET prompt = 'a' || chr(0) || 'b' WHERE prompt LIKE '% 3 %'")
    before, bytes_before = everything(file), sizes(file)
    in_thread(postgres_url, dry_run=True)
    assert set(map(len, everything(postgres_url).values())) == {0}, "dry"
    assert sizes(file) == bytes_before
    in_thread(postgres_url)
    after = everything(postgres_url)
    assert before.keys() == after.keys()
    for table, rows in before.items():
        assert len(rows) == ROWS, f"{table} has no samples"
        clean = sorted(
            (
                tuple(v.replace("\x00", "") if isinstance(v, str) else v for v in row)
                for row in rows
            ),
            key=repr,
        )
        assert after[table] == clean, table
    said = capsys.readouterr().out
    assert all(f"  {table} " in said for table in after)
    assert f"Moved {len(after) * ROWS:,} rows" in said
    assert "1 rows hold a character" in said
    assert {name: found for name, found in sizes(file).items() if "moved" not in name} == (
        bytes_before
    ), "the file is as it was"


def test_a_moved_file_starts_no_more_and_a_second_move_says_where_it_went(
    file: Path, postgres_url: str
) -> None:
    in_thread(postgres_url)
    settings = Settings(_env_file=None, data_dir=file.parent)
    with pytest.raises(CannotStart, match=r"was moved to .* set DATABASE_URL .* or delete .*moved"):
        run(open_database(settings))
    with pytest.raises(CommandRefused, match=r"was moved to .* already"):
        in_thread(postgres_url)
    with pytest.raises(CommandRefused, match="go on there, or delete"):
        in_thread("postgresql://elsewhere/other")
    moved.unmark(file)
    run(open_and_close(settings))


async def open_and_close(settings: Settings) -> None:
    await (await open_database(settings)).close()


def test_a_target_with_rows_or_with_tables_of_others_is_left_alone(
    file: Path, postgres: Postgres, postgres_url: str
) -> None:
    written(postgres_url, "INSERT INTO marks (name, created_at) VALUES ('x', now())")
    with pytest.raises(CommandRefused, match="is not empty: its table marks has rows"):
        in_thread(postgres_url)
    written(postgres_url, "DROP TABLE schema_migrations")
    with pytest.raises(CommandRefused, match="is of another program"):
        in_thread(postgres_url)
    assert not moved.mark_of(file).exists()


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("mysql://host/name", "--to should be postgresql://"),
        ("postgresql://user:p/5ecret@host/x", "--to cannot be read"),
        (
            "postgresql://127.0.0.1:1/x",
            r"The PostgreSQL server of --to \(127.0.0.1\) cannot be used",
        ),
    ],
)
def test_a_wrong_address_is_said_in_a_sentence(file: Path, to: str, said: str) -> None:
    with pytest.raises(CommandRefused, match=said) as caught:
        in_thread(to)
    assert "\n" not in str(caught.value)
    assert "5ecret" not in str(caught.value)


def test_a_file_that_is_in_use_gone_or_old_is_not_moved(file: Path, tmp_path: Path) -> None:
    to = "postgresql://127.0.0.1:1/x"
    hold = (
        "import duckdb, sys; db = duckdb.connect(sys.argv[1]); "
        "print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(file)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(CommandRefused, match="is open in another process"):
            in_thread(to)
        other.communicate()
    written(file, "DELETE FROM schema_migrations WHERE name LIKE '0025%'")
    with pytest.raises(CommandRefused, match="is of an earlier version"):
        in_thread(to)
    file.unlink()
    with pytest.raises(CommandRefused, match="There is no database"):
        in_thread(to)


def test_a_killed_move_is_repeated(file: Path, postgres_url: str) -> None:
    """It is killed as soon as it has said that the first table is copied."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "move", "--to", postgres_url],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert "counted on both sides" in process.stdout.readline()
    assert "the same" in process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.stdout.close()
    process.wait()
    assert set(map(len, everything(postgres_url).values())) == {0}
    in_thread(postgres_url)
    assert set(map(len, everything(postgres_url).values())) == {ROWS}


def test_a_commit_that_the_server_refuses_leaves_no_mark(file: Path, postgres_url: str) -> None:
    written(
        postgres_url,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the commit is refused'; END $$",
        "CREATE CONSTRAINT TRIGGER refusal AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    with pytest.raises(CommandRefused, match=r"the commit is refused.*nothing was written"):
        in_thread(postgres_url)
    written(postgres_url, "DROP FUNCTION refuse CASCADE")
    run(open_and_close(Settings(_env_file=None, data_dir=file.parent)))
    in_thread(postgres_url)
    assert moved.mark_of(file).exists()


def test_a_mark_that_cannot_be_written_whole_is_not_there(
    file: Path, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = moved.mark_of(file).with_name(f"{moved.mark_of(file).name}.new")
    blocked.symlink_to("/dev/full")
    with pytest.raises(CommandRefused, match=r"moved cannot be written \(No space left"):
        in_thread(postgres_url)
    assert not moved.mark_of(file).exists()
    assert set(map(len, everything(postgres_url).values())) == {0}


def test_a_place_has_no_password() -> None:
    assert place_of("postgresql://me:secret@db.example.org:6432/studio") == (
        "db.example.org:6432/studio"
    )
    assert place_of("postgresql:///studio?host=/run/pg") == "/run/pg/studio"
