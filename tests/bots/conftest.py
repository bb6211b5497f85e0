from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.bots.core.stage import Place, running_place
from tests.sandbox_server import Sandbox, sandbox_server


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    with sandbox_server() as running:
        yield running


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    shared_sandbox.reset()
    return shared_sandbox


@pytest.fixture
async def place(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Place]:
    async with running_place(tmp_path, sandbox) as running:
        yield running
