"""An api on one engine, for the tests of answers."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.api.harness import Api, running_api
from tests.sandbox_server import Sandbox


@pytest.fixture
def database_url(postgres_url: str) -> str:
    """Use one engine: these tests are about the layers above it, and `test_conversations` tries the
    statements on both."""
    return postgres_url


@pytest.fixture
async def api(sandbox: Sandbox, database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path, sandbox, database_url=database_url) as running:
        yield running


@pytest.fixture
async def ana(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with await api.user("ana") as client:
        yield client
