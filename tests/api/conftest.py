"""The account services (`world`), and a sandbox that each test finds as new."""

from collections.abc import Iterator

import pytest

from tests.api.auth.account_services import world
from tests.sandbox_server import Sandbox, sandbox_server

__all__ = ["world"]

WEBHOOK_SECRET = "a webhook secret of the tests"


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    with sandbox_server(webhook_secret=WEBHOOK_SECRET) as running:
        yield running


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    shared_sandbox.reset()
    return shared_sandbox
