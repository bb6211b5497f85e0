"""A server whose disk is nearly full says so before anything is paid for."""

from collections.abc import AsyncIterator
from pathlib import Path
from shutil import copyfile

import pytest
import pytest_asyncio

from tests.api.harness import Api, running_api
from tests.bots.core.recording_chat import Place, served
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served_api(
    tmp_path_factory: pytest.TempPathFactory, migrated_duckdb: Path, shared_sandbox: Sandbox
) -> AsyncIterator[tuple[Api, str]]:
    folder = tmp_path_factory.mktemp("full")
    database = copyfile(migrated_duckdb, folder / "app.duckdb")
    full = running_api(
        folder, shared_sandbox, database_url=f"duckdb://{database}", disk_floor_mb=1_000_000
    )
    async with full as api, served(api.app) as port:
        yield api, f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("line", ["/image a fox", "/video waves", "/ask why?"])
@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "The server's storage is full."), ("de", "Der Speicher des Servers ist voll.")],
)
async def test_a_full_disk_is_said_before_anything_is_paid(
    joined: Place, sandbox: Sandbox, line: str, language: str, said: str
) -> None:
    *_, reply = await joined.say(line, language=language)
    assert reply.text.startswith(said), reply.text
    assert [call for call in sandbox.calls() if call["method"] == "POST"] == []
    assert (await joined.web.get("/users/me")).json()["held_usd"] == "0.000000"
