import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.deliveries.waiting_results import Desk, running_desk
from tests.sandbox_server import sandbox_server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    tmp_path_factory: pytest.TempPathFactory, migrated_duckdb: Path
) -> AsyncIterator[Desk]:
    """Run one desk for all tests of a module: each test has a chat of its own."""
    folder = tmp_path_factory.mktemp("desk")
    database = Path(shutil.copyfile(migrated_duckdb, folder / "app.duckdb"))
    with sandbox_server() as sandbox:
        async with running_desk(folder, database, sandbox) as running:
            yield running
