"""Backups: made during writes, whole, kept for the set time, and restored."""

import asyncio
import csv
import fcntl
import io
import json
import os
import resource
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from api.admin.backups import AGAIN_AFTER, BackupPlan, Backups
from api.db.duckdb import DuckDb
from api.db.migrate import migrate
from api.db.open import open_db
from api.errors import Conflict
from api.ids import now
from cli.backup import make_backup
from cli.errors import CommandRefused
from cli.migrate import migrate_now
from cli.restore import look_into, restore
from tests.api.harness import Api, running_api
from tests.sample_rows import ROWS, add_samples, contents
from tests.sandbox_server import Sandbox
from tests.stack import ROOT


@pytest.fixture
async def api(sandbox: Sandbox, duckdb_path: Path, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(
        tmp_path, sandbox, database_url=f"duckdb://{duckdb_path}", backup_keep=2
    ) as running:
        yield running


def unpacked(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        return Path(archive.extract("app.duckdb", folder))


async def codes(admin: httpx.AsyncClient) -> list[Any]:
    return [each["code"] for each in (await admin.get("/admin/warnings")).json()["items"]]


async def test_a_backup_is_made_listed_and_downloaded(api: Api, tmp_path: Path) -> None:
    admin, ana = await api.admin(), await api.user()
    fox = (await ana.post("/generate/image", json={"prompt": "a fox"})).json()
    made = await admin.post("/admin/backups")
    assert made.status_code == 201, made.text
    name = made.json()["name"]
    listed = (await admin.get("/admin/backups")).json()
    assert [each["name"] for each in listed["items"]] == [name]
    got = await admin.get(f"/admin/backups/{name}")
    found = (got.headers["content-type"], len(got.content))
    assert found == ("application/zip", made.json()["size"])
    archive = zipfile.ZipFile(io.BytesIO(got.content))
    assert archive.testzip() is None
    assert json.loads(archive.read("about.json"))["rows"]["generations"] == 1
    files = list(csv.DictReader(io.StringIO(archive.read("media.csv").decode())))
    stored = {
        str(path.relative_to(api.data_dir / "media"))
        for path in (api.data_dir / "media").rglob("*.*")
        if path.is_file()
    }
    assert {each["key"] for each in files} == stored
    copy = await open_db(unpacked(api.data_dir / "backups" / name, tmp_path))
    assert [
        row["prompt"]
        for row in await copy.fetch("SELECT prompt FROM generations WHERE id = $1", fox["id"])
    ] == ["a fox"]
    await copy.close()
    actions = [each["action"] for each in (await admin.get("/admin/audit")).json()["items"]]
    assert actions[:2] == ["backup_download", "backup_made"]
    for wrong in (
        "nothing.zip",
        "allucanget-20260101-000000.zip",
        "..%2Fsecrets.json",
        "%2e%2e%2fsecrets.json",
    ):
        assert (await admin.get(f"/admin/backups/{wrong}")).status_code == 404
    await api.services.db.execute(
        "UPDATE sessions SET created_at = $1, proved_at = NULL", now() - timedelta(hours=1)
    )
    assert (await admin.get(f"/admin/backups/{name}")).json()["code"] == "reauth_required"


async def test_one_says_when_a_backup_is_missing_or_old_and_the_oldest_go(api: Api) -> None:
    admin, db = await api.admin(), api.services.db
    folder = api.data_dir / "backups"
    assert await codes(admin) == []
    await db.execute("UPDATE schema_migrations SET applied_at = $1", now() - timedelta(hours=49))
    assert await codes(admin) == ["backup_missing"]
    folder.mkdir(exist_ok=True)
    for days in (9, 8, 7):
        (folder / f"allucanget-{now() - timedelta(days=days):%Y%m%d-%H%M%S}.zip").write_bytes(b"")
    (old,) = (await admin.get("/admin/warnings")).json()["items"]
    assert (old["code"], old["target"], old["facts"]) == ("backup_old", "backups", {"days": "7"})
    (folder / ".making-left").mkdir()
    made = (await admin.post("/admin/backups")).json()["name"]
    assert await codes(admin) == []
    assert (await admin.get("/admin/backups")).json()["items"][0]["name"] == made
    assert len(list(folder.iterdir())) == 2  # no leftovers, and the older ones are gone
    assert await api.services.backups.due_at() > now() + timedelta(hours=23)  # type: ignore[operator]


async def test_a_backup_in_the_middle_of_writes_adds_up(duckdb_path: Path, tmp_path: Path) -> None:
    """Each transaction moves one from left to right: in every copy they are 100 together."""
    db = await open_db(duckdb_path)
    assert isinstance(db, DuckDb)
    await db.execute("CREATE TABLE sides (name TEXT PRIMARY KEY, n BIGINT NOT NULL)")
    await db.execute("INSERT INTO sides VALUES ('left', 100), ('right', 0)")
    stop = asyncio.Event()

    async def write() -> int:
        moved = 0
        while not stop.is_set():
            async with db.transaction() as sql:
                await sql.execute("UPDATE sides SET n = n - 1 WHERE name = 'left'")
                await sql.execute("UPDATE sides SET n = n + 1 WHERE name = 'right'")
            moved += 1
        return moved

    writing = asyncio.create_task(write())
    backups = Backups(db, BackupPlan(tmp_path / "backups", 24, 5, floor=0))
    made = await backups.make(None)
    stop.set()
    assert await writing > 0
    rows = await db.fetch("SELECT n FROM sides ORDER BY name")
    assert rows[0]["n"] + rows[1]["n"] == 100
    await db.close()
    copy = await open_db(unpacked(tmp_path / "backups" / made.name, tmp_path / "copy"))
    assert [sum(row["n"] for row in await copy.fetch("SELECT n FROM sides"))] == [100]
    await copy.close()


async def test_a_due_backup_makes_itself(duckdb_path: Path, tmp_path: Path) -> None:
    db = await open_db(duckdb_path)
    backups = Backups(db, BackupPlan(tmp_path / "backups", 24, 5, floor=0))
    due = await backups.due_at()
    assert due is not None
    assert due > now()
    await db.execute("UPDATE schema_migrations SET applied_at = $1", now() - timedelta(hours=25))
    assert await backups.keep_made() > 0
    assert len((await backups.all()).items) == 1
    assert await Backups(db, BackupPlan(tmp_path, 0, 5)).due_at() is None
    await db.close()


async def test_a_due_backup_waits_for_room_above_the_floor(
    sandbox: Sandbox, duckdb_path: Path, tmp_path: Path
) -> None:
    async with running_api(
        tmp_path, sandbox, database_url=f"duckdb://{duckdb_path}", disk_floor_mb=1_000_000
    ) as api:
        admin, backups = await api.admin(), api.services.backups
        await api.services.db.execute(
            "UPDATE schema_migrations SET applied_at = $1", now() - timedelta(hours=25)
        )
        assert await backups.keep_made() == AGAIN_AFTER
        assert (await backups.all()).items == []
        (warning,) = [
            each
            for each in (await admin.get("/admin/warnings")).json()["items"]
            if each["code"].startswith("backup")
        ]
        assert (warning["code"], warning["target"]) == ("backup_no_room", "backups")
        assert int(warning["facts"]["lacking_mb"]) > 0
        assert (await admin.post("/admin/backups")).is_success, "by hand it is the admin's decision"


async def test_a_postgresql_database_is_backed_up_without_a_wait(
    postgres_url: str, tmp_path: Path
) -> None:
    """The copy has one state of everything, also while others write."""
    db = await open_db(postgres_url)
    await add_samples(db)
    backups = Backups(db, BackupPlan(tmp_path / "backups", 24, 5, floor=0, server=postgres_url))
    assert await backups.due_at() is not None
    assert await backups.lacking() == 0
    expected, stop = await contents(db), asyncio.Event()

    async def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            await db.execute("UPDATE users SET updated_at = now() WHERE role = 'admin'")
            await asyncio.sleep(0.01)

    writing = asyncio.create_task(write())
    made = await backups.make(None)
    stop.set()
    await writing
    await db.close()
    copy = await open_db(unpacked(tmp_path / "backups" / made.name, tmp_path / "copy"))
    found = await contents(copy)
    await copy.close()
    assert {t for t in found if found[t] != expected[t]} <= {"users"}
    assert all(len(rows) == ROWS for rows in found.values())
    with zipfile.ZipFile(tmp_path / "backups" / made.name) as archive:
        about = json.loads(archive.read("about.json"))
    assert (about["engine"], about["rows"]["generations"]) == ("postgresql", ROWS)


async def test_only_one_process_makes_a_backup_and_the_newest_file_is_not_its_victim(
    duckdb_path: Path, tmp_path: Path
) -> None:
    """Another process holds the folder first; then the clock is found set back."""
    folder = tmp_path / "backups"
    db = await open_db(duckdb_path)
    await db.execute("UPDATE schema_migrations SET applied_at = $1", now() - timedelta(hours=25))
    backups = Backups(db, BackupPlan(folder, 24, 1, floor=0))
    (folder / ".making-by-another").mkdir(parents=True)
    other = os.open(folder, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(Conflict, match="being made already"):
        await backups.make(None)
    assert await backups.keep_made() == AGAIN_AFTER
    assert [path.name for path in folder.iterdir()] == [".making-by-another"]
    os.close(other)
    (folder / f"allucanget-{now() + timedelta(days=9):%Y%m%d-%H%M%S}.zip").write_bytes(b"")
    due = await backups.due_at()
    assert due is not None
    assert due < now(), "one from the future does not count"
    made = await backups.make(None)
    assert [path.name for path in folder.iterdir()] == [made.name]
    await db.close()


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the data folder of `./run` while no api runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("API_PORT", "1")
    return tmp_path / "data"


def test_the_shell_makes_a_backup_and_puts_it_back(shell: Path) -> None:
    async def change(*statements: str) -> list[Any]:
        db = await open_db(shell / "app.duckdb")
        await migrate(db)
        rows: list[Any] = []
        for statement in statements:
            rows += await db.fetch(statement)
        await db.close()
        return rows

    assert migrate_now().startswith("Applied: 0001_first")
    assert migrate_now() == "The database is up to date."
    columns = "id, user_id, client, ip, created_at, last_seen_at, expires_at"
    asyncio.run(
        change(f"INSERT INTO sessions ({columns}) VALUES ('s', 'u', '', '', now(), now(), now())")
    )
    said = make_backup()
    (made,) = (shell / "backups").iterdir()
    assert made.name in said
    asyncio.run(change("UPDATE sessions SET client = 'later'", "DELETE FROM audit"))

    assert look_into(made) == "0 accounts and 0 generations"
    assert ".before-" in restore(made)
    (found,) = asyncio.run(change("SELECT client, revoke_reason FROM sessions"))
    # the row is as it was then, except that nobody stays signed in
    seen = (found["client"], found["revoke_reason"])
    assert seen == ("", "restore")
    assert len(list(shell.glob("app.duckdb.before-*"))) == 1
    with pytest.raises(CommandRefused):
        look_into(shell / "secrets.json")


def break_file(path: Path) -> None:
    path.write_bytes(b"\xff" * path.stat().st_size)


def break_log(path: Path) -> None:
    Path(f"{path}.wal").write_bytes(b"\xff" * 5000)


def leave_a_log(path: Path) -> None:
    break_log(path)
    path.unlink()


@pytest.mark.parametrize(
    "damage",
    [break_file, break_log, Path.unlink, leave_a_log],
    ids=["file", "log", "gone", "log alone"],
)
def test_a_backup_is_put_in_place_of_whatever_is_there(
    damage: Callable[[Path], object], shell: Path
) -> None:
    """The replaced files are kept, to the byte, under names by which they could be opened again."""
    path = shell / "app.duckdb"
    make_backup()
    (made,) = (shell / "backups").iterdir()
    damage(path)
    before = sorted(each.read_bytes() for each in shell.glob("app.duckdb*"))
    said = restore(made)
    kept = sorted(shell.glob("app.duckdb.before-*"))
    assert sorted(each.read_bytes() for each in kept) == before
    assert all(str(each).removesuffix(".wal") in said for each in kept)
    found = {each.name for each in shell.iterdir() if each not in kept}
    assert found == {"app.duckdb", "backups", "secrets.json", "secrets.lock"}
    assert path.stat().st_mode & 0o777 == 0o600
    assert migrate_now() == "The database is up to date."


def rewritten(source: Path, target: Path, database: bytes | None) -> Path:
    """Write a copy of the backup with another database in it, or without one."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as other:
        other.writestr("about.json", archive.read("about.json"))
        if database is not None:
            other.writestr("app.duckdb", database)
    return target


def test_a_restore_that_fails_leaves_everything_as_it_was(shell: Path, tmp_path: Path) -> None:
    make_backup()
    (made,) = (shell / "backups").iterdir()
    with zipfile.ZipFile(made) as archive:
        whole = archive.read("app.duckdb")
    later = unpacked(made, tmp_path / "later")
    with duckdb.connect(str(later)) as db:
        db.execute("INSERT INTO schema_migrations VALUES ('0999_more', now(), 'x')")
    turned = bytearray(made.read_bytes())
    turned[len(turned) // 2] ^= 255
    (tmp_path / "turned.zip").write_bytes(turned)
    before = {each.name: each.stat() for each in shell.glob("app.duckdb*")}
    for file, said in [
        (rewritten(made, tmp_path / "none.zip", None), "is damaged, and nothing was changed: "),
        (
            rewritten(made, tmp_path / "cut.zip", whole[:5000]),
            "cannot be put in place, and nothing was changed: ",
        ),
        (
            rewritten(made, tmp_path / "later.zip", later.read_bytes()),
            "is newer than this version, which knows no 0999_more",
        ),
        (tmp_path / "turned.zip", "is damaged, and nothing was changed: "),
        (tmp_path / "gone.zip", "cannot be put in place, and nothing was changed: .*No such file"),
    ]:
        with pytest.raises(CommandRefused, match=said) as caught:
            restore(file)
        assert "\n" not in str(caught.value)
        assert {each.name: each.stat() for each in shell.glob("app.duckdb*")} == before, file


@pytest.mark.parametrize("room", [-1, 1], ids=["while unpacking", "while brought up to date"])
def test_a_disk_that_fills_up_leaves_no_copy_behind(room: int, shell: Path) -> None:
    """A limit of the process stands for the disk. DuckDB calls the error of the second case
    fatal."""
    make_backup()
    (made,) = (shell / "backups").iterdir()
    with zipfile.ZipFile(made) as archive:
        most = archive.getinfo("app.duckdb").file_size + room
    done = subprocess.run(
        [sys.executable, "-m", "cli", "restore", "--yes", str(made)], cwd=shell, env={**os.environ,
        "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be put in place, and nothing was changed: " in done.stderr
    assert done.stderr.count("\n") == 1
    assert [each.name for each in shell.glob("app.duckdb*")] == ["app.duckdb"]


def test_leftovers_of_a_killed_restore_are_not_mixed_into_the_next(shell: Path) -> None:
    make_backup()
    (made,) = (shell / "backups").iterdir()
    for left in ("app.duckdb.restoring", "app.duckdb.restoring.wal"):
        (shell / left).write_bytes(b"\xff" * 5000)
    assert restore(made).startswith(f"{made.name} is the database now.")
    assert list(shell.glob("*.restoring*")) == []


def test_a_database_in_use_is_not_replaced(shell: Path) -> None:
    """The lock belongs to a process, and this process could open the file once more."""
    make_backup()
    (made,) = (shell / "backups").iterdir()
    hold = (
        "import duckdb, sys; db = duckdb.connect(sys.argv[1]); "
        "print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(shell / "app.duckdb")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(CommandRefused, match="stop it first"):
            restore(made)
        other.communicate("")
    assert [each.name for each in shell.glob("app.duckdb*")] == ["app.duckdb"]
