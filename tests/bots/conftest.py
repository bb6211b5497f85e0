import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.api.harness import Api, running_api
from tests.bots.core.recording_chat import Place, entered, served
from tests.sandbox_server import Sandbox, sandbox_server


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    with sandbox_server() as running:
        yield running


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    shared_sandbox.reset()
    return shared_sandbox


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served_api(
    tmp_path_factory: pytest.TempPathFactory, migrated_duckdb: Path, shared_sandbox: Sandbox
) -> AsyncIterator[tuple[Api, str]]:
    """With its address: one for all tests of a module."""
    folder = tmp_path_factory.mktemp("studio")
    database = shutil.copyfile(migrated_duckdb, folder / "app.duckdb")
    async with (
        running_api(folder, shared_sandbox, database_url=f"duckdb://{database}") as api,
        served(api.app) as port,
    ):
        yield api, f"http://127.0.0.1:{port}"


@pytest_asyncio.fixture(loop_scope="module")
async def place(served_api: tuple[Api, str], sandbox: Sandbox) -> AsyncIterator[Place]:
    """For tests whose loop is the module's."""
    async with entered(*served_api) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def joined(place: Place) -> Place:
    """Person 77 is linked there."""
    await place.join()
    return place
