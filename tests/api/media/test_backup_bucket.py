"""Backups in a bucket of a real S3 server: moved there, rotated, downloaded and restored."""

import asyncio
import io
import zipfile
from pathlib import Path

import pytest

from api.admin.backup_place import BackupPlace
from api.admin.backups import BackupPlan, Backups
from api.db.open import open_db
from api.errors import StorageUnavailable
from api.media.bucket import Bucket
from cli.backup_contents import local, print_list
from cli.errors import CommandRefused
from tests.api.media.conftest import Choose
from tests.quiet_log import log_kept

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
    found = await BackupPlace(folder, url).open(made)
    assert isinstance(found, tuple)
    content = b"".join([chunk async for chunk in found[1]])
    assert len(content) == found[0]
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("BACKUP_URL", url)
    with log_kept():
        await asyncio.to_thread(print_list)
        assert f"  {made} " in capsys.readouterr().out
        fetched = await asyncio.to_thread(local, Path(made))
        assert fetched.read_bytes() == content
        with pytest.raises(CommandRefused, match=r"There is no allucanget-.*, neither here nor in"):
            await asyncio.to_thread(local, Path(OLD[0]))
