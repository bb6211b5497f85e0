"""The api starts on the database of each release, with rows in it."""

import shutil
from pathlib import Path

import pytest

from api.db.migrate import MIGRATIONS, migrate
from api.db.open import open_db
from api.db.tables import columns_of
from tests.api.db.test_upgrades import RELEASES, is_for, landed
from tests.api.harness import running_api
from tests.sample_rows import add_samples
from tests.sandbox_server import Sandbox

ROWS = 2
OURS = {"models", "studio_settings"}
"""Tables whose JSON the start reads: only the api's own is good there."""


@pytest.mark.parametrize("release", RELEASES)
async def test_the_api_starts_on_a_release(release: str, sandbox: Sandbox, tmp_path: Path) -> None:
    file, folder = tmp_path / "old.duckdb", tmp_path / "migrations"
    folder.mkdir()
    for name in landed()[: landed().index(RELEASES[release]) + 1]:
        if is_for("duckdb", name):
            shutil.copy(MIGRATIONS / name, folder)
    db = await open_db(file)
    await migrate(db, folder)
    await add_samples(db, ROWS)
    for table in OURS & (await columns_of(db)).keys():
        await db.execute(f"DELETE FROM {table}")
    await db.close()
    async with running_api(tmp_path, sandbox, database_url=f"duckdb://{file}") as api:
        assert (await api.client.get("/readyz")).status_code == 200
        ana = await api.user()
        made = await ana.post("/generate/image", json={"prompt": "a fox"})
        assert made.status_code == 200, made.text
        rows = await api.services.db.fetch_one("SELECT count(*) AS n FROM users")
        assert rows is not None
        assert rows["n"] >= ROWS + 1
