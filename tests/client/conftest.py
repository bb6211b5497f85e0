"""The real API behind a proxy that breaks calls, and both senders in front of it."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
import pytest_asyncio

from client.asynchronous import AsyncApi
from client.call import Call
from client.connections import open_async_http, open_http
from client.exchange import TextEvent
from client.sync import Api
from tests.api.harness import PASSWORD, running_api
from tests.api.harness import Api as Studio
from tests.bots.core.recording_chat import served
from tests.faults.deliveries.api_faults import ApiFaults
from tests.sandbox_server import Sandbox, sandbox_server

Which = Literal["sync", "async"]


class Tokens:
    """Tokens for both senders: an access token, and the one that follows when it is refused."""

    def __init__(self, token: str, newer: str | None = None) -> None:
        self.now = token
        self.newer = newer
        self.renewals = 0

    def token(self) -> str:
        return self.now

    def renewed(self, stale: str) -> str | None:
        assert stale == self.now
        self.renewals += 1
        self.now = self.newer or self.now
        return self.newer


class AsyncTokens:
    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def token(self) -> str:
        return self._tokens.token()

    async def renewed(self, stale: str) -> str | None:
        return self._tokens.renewed(stale)


@dataclass(frozen=True)
class Sender:
    """Either sender behind the same methods."""

    api: Api | AsyncApi

    async def send(self, call: Call[Any]) -> Any:
        return await self._do(self.api.send, call)

    async def all(self, call: Call[Any]) -> Any:
        return await self._do(self.api.all, call)

    async def events(self, call: Call[TextEvent]) -> list[TextEvent]:
        heard: list[TextEvent] = []
        await self.listen(call, heard)
        return heard

    async def listen(self, call: Call[TextEvent], heard: list[TextEvent]) -> None:
        api = self.api
        if isinstance(api, AsyncApi):
            async for event in api.events(call):
                heard.append(event)  # noqa: PERF401 - what was heard counts when the stream breaks
            return

        def read() -> None:
            with api.events(call) as events:
                heard.extend(events)

        await asyncio.to_thread(read)

    async def _do(self, ask: Callable[..., Any], call: Call[Any]) -> Any:
        if isinstance(self.api, AsyncApi):
            answer: Awaitable[Any] = ask(call)
            return await answer
        return await asyncio.to_thread(ask, call)


@asynccontextmanager
async def sender(
    which: Which, url: str, tokens: Tokens, *, within: float = 30.0, patience: float = 0.0
) -> AsyncIterator[Sender]:
    if which == "sync":
        with open_http(url, timeout=httpx.Timeout(within)) as http:
            yield Sender(Api(http, tokens, patience=patience))
        return
    async with open_async_http(url) as async_http:
        async_http.timeout = httpx.Timeout(within)
        yield Sender(AsyncApi(async_http, AsyncTokens(tokens)))


@dataclass(frozen=True)
class Place:
    studio: Studio
    faults: ApiFaults
    url: str
    email: str
    token: str


@pytest.fixture(scope="package")
def sandbox() -> Iterator[Sandbox]:
    with sandbox_server() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def studio(
    tmp_path_factory: pytest.TempPathFactory, migrated_duckdb: Path, sandbox: Sandbox
) -> AsyncIterator[Studio]:
    folder = tmp_path_factory.mktemp("studio")
    database = shutil.copyfile(migrated_duckdb, folder / "app.duckdb")
    async with running_api(folder, sandbox, database_url=f"duckdb://{database}") as api:
        yield api


_NUMBERS = count(1)


@pytest_asyncio.fixture(loop_scope="module")
async def place(studio: Studio) -> AsyncIterator[Place]:
    """Yield the API with an account of the test's own."""
    async with AsyncExitStack() as stack:
        faults = ApiFaults(studio.app)
        port = await stack.enter_async_context(served(faults))
        email = f"person{next(_NUMBERS)}@example.org"
        await studio.services.db.execute("DELETE FROM throttles")
        body = {"email": email, "password": PASSWORD}
        answer = await studio.client.post("/auth/register", json=body)
        assert answer.status_code == 201, answer.text
        token = answer.json()["access_token"]
        yield Place(studio, faults, f"http://127.0.0.1:{port}", email, token)
