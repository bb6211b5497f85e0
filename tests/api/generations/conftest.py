"""An api on each engine, and a signed-in user."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.generations.making.worker import WorkerTimes
from tests.api.harness import Api, running_api
from tests.sandbox_server import Sandbox

QUICK = WorkerTimes(beat=0.2, grace=0.05)
"""The short grace leaves jobs behind that a test left with a slow provider."""


def settings_of(database: str) -> dict[str, Any]:
    return {
        "database_url": database if database.startswith("postgresql") else f"duckdb://{database}"
    }


@pytest.fixture
async def api(sandbox: Sandbox, database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path, sandbox, times=QUICK, **settings_of(database)) as running:
        yield running


@pytest.fixture
async def user(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with await api.user() as client:
        yield client
