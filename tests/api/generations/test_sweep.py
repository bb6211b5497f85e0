"""The sweep repairs the leftovers of a crash or a lost file, and touches nothing else."""

import asyncio
import os
import time
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from api.generations import store
from api.generations.operating.sweep import Sweeper
from api.ids import now
from api.media.files import key_of
from cli.restore import restore
from tests.api.generations.test_jobs import SEEDREAM, money
from tests.api.harness import Api, running_api
from tests.api.media.test_storage import kept_in
from tests.sandbox_server import Sandbox

OLD = 2 * 3600


def age(path: Path) -> None:
    os.utime(path, (time.time() - OLD, time.time() - OLD))


def sweeper(api: Api) -> Sweeper:
    return api.services.sweeper


async def test_a_hold_whose_job_is_over_is_closed_with_its_cost(
    api: Api, user: httpx.AsyncClient
) -> None:
    made = (await user.post("/generate/image", json={"prompt": "x", "model": SEEDREAM})).json()
    spent = await money(user)
    db = api.services.db
    cost = (await store.get(db, made["id"])).cost_micro  # type: ignore[union-attr]
    await db.execute("UPDATE holds SET state = 'held'")
    await db.execute("DELETE FROM ledger")
    await db.execute(
        "UPDATE budgets SET held_micro = held_micro + $1, spent_micro = spent_micro - $2",
        await held(api),
        cost,
    )
    assert (await money(user))[0] == "0.000000"
    for _ in range(2):
        await sweeper(api).run()
        assert await money(user) == spent
    assert len(await db.fetch("SELECT id FROM ledger")) == 1


async def held(api: Api) -> int:
    rows = await api.services.db.fetch("SELECT amount_micro FROM holds")
    return int(rows[0]["amount_micro"])


async def test_files_and_rows_without_each_other_go_when_they_are_old(
    api: Api, user: httpx.AsyncClient
) -> None:
    made = (
        await user.post("/generate/image", json={"prompt": "x", "model": SEEDREAM, "n": 2})
    ).json()
    folder = api.data_dir / "media"
    orphan = folder / key_of("ab" * 32, "owner", "png")
    orphan.parent.mkdir(parents=True, exist_ok=True)
    orphan.write_bytes(b"x")
    age(orphan)
    db = api.services.db
    lost = (await db.fetch("SELECT id, key FROM media WHERE role = 'image' ORDER BY id LIMIT 1"))[0]
    (folder / lost["key"]).unlink()
    sweep = sweeper(api)
    await sweep.files()
    assert not orphan.exists()
    await sweep.files()
    assert len(await db.fetch("SELECT id FROM media")) == 4, "the row is younger than an hour"
    await db.execute("UPDATE media SET created_at = $1", now() - timedelta(seconds=OLD))
    for _ in range(2):
        await sweep.files()
    assert await db.fetch("SELECT id FROM media WHERE id = $1", lost["id"]) == []
    assert len((await user.get(f"/generations/{made['id']}")).json()["images"]) == 1


async def test_pictures_made_since_a_backup_outlive_its_restoring(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replaced database protects its pictures. Without it they go into the trash, and come back
    with it."""
    data = tmp_path / "data"
    async with running_api(tmp_path, sandbox) as api, await api.user() as user:
        backup = await api.services.backups.make(None)
        made = (await user.post("/generate/image", json={"prompt": "x", "model": SEEDREAM})).json()
        pictures = [data / "media" / name for name in kept_in(data / "media")]
        assert len(pictures) == 2
    for path in pictures:
        age(path)
    monkeypatch.setenv("DATA_DIR", str(data))
    monkeypatch.setenv("WEB_SIGNUP", "open")
    await asyncio.to_thread(restore, data / "backups" / backup.name)
    async with running_api(tmp_path, sandbox) as api, await api.user("bob") as user:
        assert await api.services.db.fetch("SELECT id FROM media") == []
        await sweeper(api).files()
        assert all(path.exists() for path in pictures)
    (before,) = data.glob("app.duckdb.before-*")
    before.rename(tmp_path / "taken away")
    async with running_api(tmp_path, sandbox) as api:
        await sweeper(api).files()
        assert not any(path.exists() for path in pictures)
    (tmp_path / "taken away").replace(data / "app.duckdb")
    async with running_api(tmp_path, sandbox) as api:
        await api.services.db.execute(
            "UPDATE media SET created_at = $1", now() - timedelta(seconds=OLD)
        )
        await sweeper(api).files()
        assert all(path.exists() for path in pictures)
        assert (await api.client.get(made["images"][0]["url"])).status_code == 200


async def test_a_start_does_not_sweep(sandbox: Sandbox, tmp_path: Path) -> None:
    orphan = tmp_path / "data/media" / key_of("ab" * 32, "owner", "png")
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"x")
    age(orphan)
    async with running_api(tmp_path, sandbox) as api, await api.user() as user:
        await user.post("/generate/image", json={"prompt": "x", "model": SEEDREAM})
        assert orphan.exists()
        await sweeper(api).files()
        assert not orphan.exists()


async def test_an_empty_store_is_not_taken_for_lost_files(
    api: Api, user: httpx.AsyncClient
) -> None:
    await user.post("/generate/image", json={"prompt": "x", "model": SEEDREAM})
    db = api.services.db
    await db.execute("UPDATE media SET created_at = $1", now() - timedelta(seconds=OLD))
    for name in kept_in(api.data_dir / "media"):
        (api.data_dir / "media" / name).unlink()
    await sweeper(api).files()
    assert len(await db.fetch("SELECT id FROM media")) == 2


async def test_events_of_long_ago_are_forgotten(api: Api) -> None:
    db = api.services.db
    await store.add_event(db, "old", None, "{}", now() - timedelta(hours=49))
    await store.add_event(db, "new", None, "{}", now() - timedelta(hours=47))
    await sweeper(api).run()
    found = [row["dedupe_key"] for row in await db.fetch("SELECT dedupe_key FROM webhook_events")]
    assert found == ["new"]
