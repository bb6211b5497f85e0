"""One real sandbox for all provider tests, reset before each."""

from collections.abc import AsyncIterator, Iterator

import pytest

from api.provider.openrouter import OpenRouter
from tests.sandbox_server import FAST, WHOLE, Sandbox, drawing, sandbox_server

SECRET = "hook_secret"


@pytest.fixture(scope="session")
def _server() -> Iterator[Sandbox]:
    with sandbox_server(webhook_secret=SECRET, folder=None, **FAST) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def _whole(_server: Sandbox) -> Iterator[None]:
    with drawing(WHOLE):
        yield


@pytest.fixture
def sandbox(_server: Sandbox) -> Sandbox:
    _server.reset()
    return _server


@pytest.fixture
async def provider(sandbox: Sandbox) -> AsyncIterator[OpenRouter]:
    client = OpenRouter(sandbox.url, "test-key", app_url="https://studio.example", sandbox=True)
    yield client
    await client.close()
