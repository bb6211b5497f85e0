"""Backups in a bucket of a real S3 server: moved there, rotated, downloaded and restored."""

import asyncio
import io
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from api.admin import backup_place
from api.admin.backup_names import BackupNames
from api.admin.backup_place import BackupPlace
from api.admin.backups import AGAIN_AFTER, BackupPlan, Backups
from api.db.migrate import migrate
from api.db.open import open_db
from api.errors import NotFound, StorageUnavailable
from api.ids import now
from api.media.bucket import Bucket
from cli.backup_contents import local, print_list
from cli.errors import CommandRefused
from tests.api.media.conftest import Choose
from tests.api.media.s3 import S3

OLD = [f"allucanget-2026010{day}-000000.zip" for day in (1, 2)]


async def test_backups_live_in_a_bucket(
    with_key: Choose, duckdb_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder, url = tmp_path / "data" / "backups", "s3://backups/of this studio"
    with_key("owner")
    await Bucket(url).put(b"of others", "notes.txt")
    with_key("reader")
    db = await open_db(duckdb_path)
    plan = BackupPlan(folder, 24, 3, floor=0, bucket=url)
    with pytest.raises(StorageUnavailable):
        await Backups(db, plan).make(None)
    (kept,) = [path.name for path in folder.iterdir()]

    with_key("user")
    bucket, backups = Bucket(url), Backups(db, plan)
    for name in OLD:
        await bucket.put(b"old", name)
    async with asyncio.timeout(5):
        while (made := (await backups.make(None)).name) == kept:
            pass
    await db.close()
    assert list(folder.iterdir()) == [], "moved, with the one that was not taken before"
    assert [each.name for each in (await backups.all()).items] == [made, kept, OLD[1]]
    assert (await bucket.sizes()).keys() == {made, kept, OLD[1], "notes.txt"}
    found = await BackupPlace(folder, url, BackupNames()).open(made)
    assert isinstance(found, tuple)
    content = b"".join([chunk async for chunk in found[1]])
    assert len(content) == found[0]
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("BACKUP_URL", url)
    await asyncio.to_thread(print_list)
    assert f"  {made} " in capsys.readouterr().out
    assert await asyncio.to_thread(read_once, made) == content
    with pytest.raises(CommandRefused, match=r"There is no allucanget-.*, neither here nor in"):
        await asyncio.to_thread(read_once, OLD[0])
    assert not (tmp_path / "data" / "fetched").exists(), "it is only here while it is used"


def read_once(name: str) -> bytes:
    with local(Path(name)) as here:
        return here.read_bytes()


def moved_here(names: BackupNames, days: int) -> str:
    return names.new(now() - timedelta(days=days))


async def test_installations_in_one_bucket_leave_each_other_alone(
    with_key: Choose, duckdb_path: Path, tmp_path: Path
) -> None:
    """Nor is one that shares its bucket with pictures slow for their sake."""
    url, ours, theirs = "s3://backups/shared", BackupNames("0" * 8), BackupNames("1" * 8)
    with_key("owner")
    bucket, foreign = Bucket(url), [theirs.new(now() + timedelta(days=day)) for day in (1, 2, 3)]
    for name in [*foreign, "media/00/picture.png"]:
        await bucket.put(b"theirs", name)
    assert (await bucket.sizes()).keys() == set(foreign)
    db = await open_db(duckdb_path)
    await migrate(db)
    plan = BackupPlan(tmp_path / "backups", 24, 1, floor=0, bucket=url, names=ours)
    backups = Backups(db, plan)
    made = await backups.make(None)
    assert [each.name for each in (await backups.all()).items] == [made.name]
    assert (await bucket.sizes()).keys() == {made.name, *foreign}
    due = await backups.due_at()
    assert due is not None
    assert due < now() + timedelta(hours=25)
    with pytest.raises(NotFound):
        await backups.open(foreign[0], "admin")
    await db.close()


async def test_backups_go_on_while_the_bucket_is_away(
    s3: S3, with_key: Choose, duckdb_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is due is made and kept here, and goes to the bucket as soon as it is back."""
    folder, names = tmp_path / "backups", BackupNames("2" * 8)
    with_key("owner")
    db = await open_db(duckdb_path)
    await migrate(db)
    await db.execute("UPDATE schema_migrations SET applied_at = $1", now() - timedelta(days=9))
    before, here = moved_here(names, 8), [moved_here(names, day) for day in (5, 6)]
    await Bucket("s3://backups/away").put(b"old", before)
    plan = BackupPlan(folder, 24, 2, floor=0, bucket="s3://backups/away", names=names)
    with_key("user")
    backups = Backups(db, plan)
    away = Backups(db, replace(plan, bucket="s3://no-such-bucket"))
    folder.mkdir()
    for name in here:
        (folder / name).write_bytes(b"old")
    assert await away.keep_made() == AGAIN_AFTER
    (made,) = {path.name for path in folder.iterdir()} - {here[0]}
    assert away.trouble is not None
    with pytest.raises(StorageUnavailable):
        await away.make(None)
    assert len(await db.fetch("SELECT id FROM audit WHERE action = 'backup_made'")) == 2
    assert await backups.keep_made() > AGAIN_AFTER
    assert list(folder.iterdir()) == []
    held = [each.name for each in (await backups.all()).items]
    assert {made, before} <= set(held)
    await db.close()
    monkeypatch.setattr(backup_place, "ASKED_WITHIN", 0.2)
    with s3.hanging():
        assert [each.name for each in (await backups.all()).items] == held, "as it was last seen"
        assert backups.trouble is not None
