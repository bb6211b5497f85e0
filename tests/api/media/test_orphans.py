"""Files that no row names go into the trash, and rows without a file go; nothing that is still
needed does."""

import hashlib
import os
import time
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from api import ids
from api.admin.backup_copy import MANIFEST
from api.db import Db
from api.media import missing, store
from api.media.files import MediaStore, key_of
from api.media.moving import MediaMove
from api.media.orphans import MediaSweep
from api.media.store import MediaRow
from tests.api.media.samples import store_in
from tests.api.media.test_storage import files_in, in_the_way, kept_in

OLD = 2 * 3600


def key(number: int) -> str:
    return key_of(hashlib.sha256(str(number).encode()).hexdigest(), "owner", "png")


def row(number: int) -> MediaRow:
    made = ids.now() - timedelta(seconds=OLD)
    return MediaRow(
        user_id="ana",
        generation_id=f"g{number}",
        role="image",
        content_type="image/png",
        size=1,
        sha256="s",
        key=key(number),
        created_at=made,
    )


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """Use one engine except for the module's one statement of its own; the rest is about files."""
    return str(request.getfixturevalue(getattr(request, "param", "postgres_url")))


@pytest.fixture
def files(tmp_path: Path) -> MediaStore:
    return store_in(tmp_path)


@pytest.fixture
def sweep(db: Db, files: MediaStore, tmp_path: Path) -> MediaSweep:
    return MediaSweep(db, files, [tmp_path, tmp_path / "backups"], tmp_path / "app.duckdb")


async def keep(files: MediaStore, numbers: Sequence[int], *, age: int = OLD) -> None:
    for number in numbers:
        await files.put(str(number).encode(), key(number))
        assert files.root is not None
        os.utime(files.root / key(number), (time.time() - age, time.time() - age))


async def add_rows(db: Db, numbers: Sequence[int]) -> None:
    for number in numbers:
        await store.add(db, row(number))


def kept(files: MediaStore) -> set[str]:
    assert files.root is not None
    return set(kept_in(files.root))


def in_trash(files: MediaStore) -> set[str]:
    assert files.root is not None
    return set(files_in(files.root / ".trash"))


@pytest.mark.parametrize("database", ["duckdb_path", "postgres_url"], indirect=True)
async def test_old_files_without_a_row_go_into_the_trash(
    db: Db, files: MediaStore, sweep: MediaSweep
) -> None:
    await keep(files, range(6))
    await keep(files, [7], age=60)
    await add_rows(db, range(4))
    assert files.root is not None
    others = [files.root / name for name in ("ab/notes.txt", "holiday/beach.jpg")]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path, (1, 1))
    assert await sweep.run() == []
    assert in_trash(files) == {key(4), key(5)}
    assert kept(files) == {key(number) for number in (0, 1, 2, 3, 7)} | {
        "ab/notes.txt",
        "holiday/beach.jpg",
    }, "not ours stays"


async def test_the_trash_is_emptied_after_thirty_days_and_gives_back_what_is_named_again(
    db: Db, files: MediaStore, sweep: MediaSweep
) -> None:
    await keep(files, range(6))
    await add_rows(db, range(3))
    await sweep.run()
    assert in_trash(files) == {key(3), key(4), key(5)}
    await add_rows(db, [3])
    assert files.root is not None
    month = time.time() - 31 * 86400
    os.utime(files.root / ".trash" / key(4), (month, month))
    assert await sweep.run() == []
    assert in_trash(files) == {key(5)}
    assert kept(files) == {key(number) for number in range(4)}
    assert len(await db.fetch("SELECT id FROM media")) == 4


async def test_a_row_goes_when_its_file_was_missing_twice(
    db: Db, files: MediaStore, sweep: MediaSweep
) -> None:
    await keep(files, [0, 1, 2])
    await add_rows(db, [0, 1, 2])
    assert await sweep.run() == []
    await add_rows(db, [3])
    assert await sweep.run() == []
    assert await sweep.run() == ["g3"]
    assert await sweep.run() == []
    assert len(await db.fetch("SELECT id FROM media")) == 3


async def rows_in(db: Db) -> int:
    return len(await db.fetch("SELECT id FROM media"))


async def test_a_store_that_changed_costs_no_row_until_it_had_all_files(
    db: Db, files: MediaStore, sweep: MediaSweep, tmp_path: Path
) -> None:
    await keep(files, range(4))
    await add_rows(db, range(4))
    await sweep.run()
    new = store_in(tmp_path / "new", (tmp_path / "new disk").as_uri())
    await keep(new, range(3))
    for store_in_use, lacking in ((new, 1), (files, 0), (new, 1)):
        for _ in range(3):
            # a process that begins has seen nothing missing yet
            changed = MediaSweep(db, store_in_use, [], None)
            for _ in range(3):
                assert await changed.run() == []
        assert (await missing.count(db), await rows_in(db)) == (lacking, 4)
    await keep(new, [3])
    assert await changed.run() == []
    assert await missing.count(db) == 0
    assert new.root is not None
    (new.root / key(3)).unlink()
    assert [await changed.run() for _ in range(2)] == [[], ["g3"]]


async def test_files_moved_into_the_store_in_use_make_it_a_new_one(
    db: Db, files: MediaStore, sweep: MediaSweep, tmp_path: Path
) -> None:
    await keep(files, range(3))
    await add_rows(db, range(3))
    await sweep.run()
    assert files.root is not None
    here, there = files.root, tmp_path / "new disk"
    await MediaMove(
        here.as_uri(), there.as_uri(), "one", tmp_path / "receiving", lambda _progress: None
    ).copy()
    await add_rows(db, [3])
    await keep(files, [3])
    here.rename(tmp_path / "old disk")
    there.rename(here)
    assert [await sweep.run() for _ in range(3)] == [[], [], []]
    assert (await missing.count(db), await rows_in(db)) == (1, 4)


async def test_a_person_says_that_missing_files_are_lost(
    db: Db, files: MediaStore, sweep: MediaSweep
) -> None:
    await keep(files, range(3))
    await add_rows(db, range(4))
    assert [await sweep.run() for _ in range(3)] == [[], [], []]
    assert (await missing.forget(db), await missing.forget(db)) == (1, 0)
    assert [await sweep.run() for _ in range(2)] == [[], ["g3"]]


@pytest.mark.parametrize("database", ["duckdb_path", "postgres_url"], indirect=True)
async def test_thumbnails_and_smaller_copies_go_with_a_lost_file(db: Db) -> None:
    lost, shown, copy = row(0), row(2), row(4)
    of_lost, of_shown = (replace(row(number), role="thumbnail") for number in (1, 3))
    lost = replace(lost, thumbnail_id=of_lost.id)
    shown = replace(shown, thumbnail_id=of_shown.id)
    for each in (lost, of_lost, shown, of_shown):
        await store.add(db, each)
    assert await store.add_copy(db, replace(copy, thumbnail_id=of_lost.id), lost.id, 512)
    other = replace(row(5), thumbnail_id=of_shown.id)
    assert await store.add_copy(db, other, shown.id, 512)
    await store.delete(db, [lost.id, other.id])
    left = await db.fetch("SELECT id FROM media")
    assert {each["id"] for each in left} == {shown.id, of_shown.id}


async def test_a_file_that_waits_for_the_store_is_not_missing(
    db: Db, files: MediaStore, sweep: MediaSweep, tmp_path: Path
) -> None:
    await keep(files, [0, 1])
    await add_rows(db, [0, 1, 2])
    in_the_way(tmp_path, there=True)
    await files.put(b"x", key(2))
    in_the_way(tmp_path, there=False)
    for _ in range(3):
        assert await sweep.run() == []


async def test_the_wrong_store_or_database_loses_nothing(
    db: Db, files: MediaStore, sweep: MediaSweep
) -> None:
    await add_rows(db, [0, 1])
    for _ in range(3):
        assert await sweep.run() == []
    await keep(files, range(10, 40))
    await sweep.run()
    assert (in_trash(files), len(kept(files))) == (set(), 30)


def database_naming(path: Path, numbers: Sequence[int]) -> None:
    with duckdb.connect(str(path)) as past:
        past.execute("CREATE TABLE media (key TEXT)")
        past.executemany("INSERT INTO media VALUES ($1)", [[key(number)] for number in numbers])


def backup_naming(path: Path, numbers: Sequence[int]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            MANIFEST, "key,sha256\n" + "".join(f"{key(number)},s\n" for number in numbers)
        )


async def test_files_that_another_database_or_backup_names_stay(
    db: Db, files: MediaStore, sweep: MediaSweep, tmp_path: Path
) -> None:
    (tmp_path / "backups").mkdir()
    database_naming(tmp_path / "app.duckdb.before-20270101-000000", [1])
    database_naming(tmp_path / "set aside by hand.db", [2])
    backup_naming(tmp_path / "backups" / "allucanget-20270101-000000.zip", [3])
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as foreign:
        foreign.writestr("beach.jpg", "x")
    await keep(files, range(12))
    await add_rows(db, [0, *range(5, 12)])
    await sweep.run()
    assert in_trash(files) == {key(4)}


async def test_files_that_tables_set_aside_name_stay_until_those_are_dropped(
    db: Db, files: MediaStore, sweep: MediaSweep
) -> None:
    schema = "before_20270101_000000"
    await db.execute(f"CREATE SCHEMA {schema}")
    await db.execute(f"CREATE TABLE {schema}.media (key TEXT)")
    await db.execute(f"INSERT INTO {schema}.media VALUES ($1)", key(1))
    await keep(files, range(3))
    await add_rows(db, [0])
    await sweep.run()
    assert in_trash(files) == {key(2)}
    await db.execute(f"DROP SCHEMA {schema} CASCADE")
    await sweep.run()
    assert in_trash(files) == {key(1), key(2)}


async def test_a_database_that_is_still_in_its_log_is_read_too(
    db: Db, files: MediaStore, sweep: MediaSweep, tmp_path: Path
) -> None:
    made, past = tmp_path / "making", tmp_path / "app.duckdb.before-20270101-000000"
    made.mkdir()
    live = duckdb.connect(str(made / "x"))
    for statement in (
        "CREATE TABLE media (key TEXT)",
        "CHECKPOINT",
        f"INSERT INTO media VALUES ('{key(1)}')",
    ):
        live.execute(statement)
    for suffix in ("", ".wal"):
        past.with_name(past.name + suffix).write_bytes((made / f"x{suffix}").read_bytes())
    live.close()
    await keep(files, range(3))
    await add_rows(db, [0])
    await sweep.run()
    assert in_trash(files) == {key(2)}


@pytest.mark.parametrize(
    "name", ["app.duckdb.before-20270101-000000", "backups/allucanget-20270101-000000.zip"]
)
async def test_nothing_goes_while_a_database_at_hand_cannot_be_read(
    db: Db, files: MediaStore, sweep: MediaSweep, tmp_path: Path, name: str
) -> None:
    (tmp_path / "backups").mkdir()
    (tmp_path / name).write_bytes(b"\0" * 8 + b"DUCK" + b"\xff" * 5000)
    await keep(files, range(3))
    await add_rows(db, [0, 1])
    await sweep.run()
    assert in_trash(files) == set()


async def test_the_database_in_use_does_not_count_as_one_of_the_past(
    db: Db, files: MediaStore, sweep: MediaSweep, tmp_path: Path
) -> None:
    database_naming(tmp_path / "app.duckdb", [2])
    await keep(files, range(3))
    await add_rows(db, [0, 1])
    await sweep.run()
    assert in_trash(files) == {key(2)}


async def test_a_store_where_others_keep_files_is_left_alone(
    db: Db, files: MediaStore, sweep: MediaSweep, tmp_path: Path
) -> None:
    other = store_in(tmp_path / "other", (tmp_path / "media").as_uri(), installation="two")
    await other.claim()
    await keep(files, range(3))
    await add_rows(db, [0, 1, 9])
    for _ in range(3):
        assert await sweep.run() == []
    assert (in_trash(files), len(kept(files)), files.state.others) == (set(), 3, 1)
    (tmp_path / "media/.installations/two").unlink()
    await sweep.run()
    assert (in_trash(files), files.state.others) == ({key(2)}, 0)


async def test_a_file_is_young_for_an_hour_from_when_it_was_written(
    db: Db, files: MediaStore, sweep: MediaSweep
) -> None:
    await keep(files, [0, 1])
    await store.add(db, replace(row(0), created_at=ids.now()))
    await keep(files, [1], age=3500)
    await sweep.run()
    assert kept(files) == {key(0), key(1)}
