"""A studio that was moved from DuckDB to PostgreSQL goes on as if nothing had happened."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.move import move
from tests.api.harness import running_api
from tests.sandbox_server import Sandbox

PAGES = ("/users/me/spend", "/generations", "/links")


async def seen(person: httpx.AsyncClient) -> dict[str, Any]:
    answers = {}
    for page in PAGES:
        answer = await person.get(page)
        assert answer.status_code == 200, f"{page}: {answer.text}"
        answers[page] = answer.json()
    # without links and estimates, which have a time in them
    answers["/generations"] = [
        {name: one[name] for name in ("id", "short_id", "status", "prompt", "cost_usd")}
        for one in answers["/generations"]["items"]
    ]
    return answers


async def test_a_moved_studio_goes_on(
    sandbox: Sandbox,
    duckdb_path: Path,
    tmp_path: Path,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same session has the same balance, gallery and links, and the job that was under way is
    finished and paid for once."""
    async with running_api(tmp_path, sandbox, database_url=f"duckdb://{duckdb_path}") as before:
        ana = await before.user()
        token = ana.headers["authorization"].removeprefix("Bearer ")
        await before.acting(ana)
        fox = (await ana.post("/generate/image", json={"prompt": "a fox"})).json()
        sandbox.break_with(video=5.0)
        job = (await ana.post("/generate/video", json={"prompt": "waves"})).json()
        query = "SELECT id FROM generations WHERE phase = 'poll'"
        async with asyncio.timeout(20):
            while not await before.services.db.fetch(query):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        known = await seen(ana)
    monkeypatch.setenv("DATABASE_URL", f"duckdb://{duckdb_path}")
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    await asyncio.to_thread(move, postgres_url, dry_run=False)
    async with running_api(tmp_path, sandbox, database_url=postgres_url) as after:
        ana = after.signed(token)
        assert await seen(ana) == known
        picture = (await ana.get(f"/generations/{fox['id']}")).json()
        assert (await after.client.get(picture["images"][0]["url"])).status_code == 200
        async with asyncio.timeout(30):
            while (done := await state_of(ana, job))["status"] != "completed":
                assert done["status"] == "processing"
                await asyncio.sleep(0.1)
        assert len(sandbox.calls("videos.submit")) == 1, "nobody pays twice"


async def state_of(person: httpx.AsyncClient, job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await person.get(f"/generations/{job['id']}")).json()
    return found
