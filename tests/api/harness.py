"""The whole api in this process, on a database of the test's choice and a real sandbox over
HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.app import create_app
from api.budget import day_sums
from api.db import Db
from api.generations.making.worker import WorkerTimes
from api.secrets import ensure_secrets
from api.services import Services
from api.settings import Settings
from api.users.passwords import Cost
from tests.api.shared_decoders import decoders
from tests.sandbox_server import Sandbox

PASSWORD = "correct horse battery staple"
CHEAP = Cost(time=1, memory=8, lanes=1)


@dataclass(frozen=True)
class Api:
    """A running api. `client` has no credentials, `admin` and `user` are signed in, `bot` is the
    Telegram bot's process."""

    app: FastAPI
    client: httpx.AsyncClient
    data_dir: Path

    @property
    def services(self) -> Services:
        services: Services = self.app.state.services
        return services

    def signed(self, token: str, agent: str = "tests") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(Declared(self.app))
        headers = {"Authorization": f"Bearer {token}", "User-Agent": agent}
        return httpx.AsyncClient(
            transport=transport, base_url="http://api", headers=headers, timeout=60
        )

    async def admin(self) -> httpx.AsyncClient:
        token = ensure_secrets(self.data_dir).setup_token
        body = {"token": token, "email": "admin@example.org", "password": PASSWORD}
        answer = await self.client.post("/auth/setup", json=body)
        assert answer.status_code == 201, answer.text
        return self.signed(answer.json()["access_token"])

    async def user(self, name: str = "ana") -> httpx.AsyncClient:
        """Register a person and return the signed-in client. Needs WEB_SIGNUP=open, which the
        harness sets."""
        body = {"email": f"{name}@example.org", "password": PASSWORD}
        answer = await self.client.post("/auth/register", json=body)
        assert answer.status_code == 201, answer.text
        return self.signed(answer.json()["access_token"])

    def bot(self, platform: str = "telegram") -> httpx.AsyncClient:
        return self.signed(ensure_secrets(self.data_dir).bot_keys[platform])

    async def acting(
        self, user: httpx.AsyncClient, platform_user_id: str = "77", chat_id: str = "77"
    ) -> httpx.AsyncClient:
        """Link a Telegram identity to the user, both sides confirming, and return a client that
        acts for it."""
        bot = self.bot()
        code = (await user.post("/links/codes", json={"platform": "telegram"})).json()
        who = {"platform_user_id": platform_user_id, "display_name": "Ana", "chat_id": chat_id}
        redeemed = (
            await bot.post("/bot/links/redeem", json={**who, "code": code["code"], "private": True})
        ).json()
        answer = {
            "code_id": redeemed["code_id"],
            "platform_user_id": platform_user_id,
            "accept": True,
        }
        assert (await bot.post("/bot/links/answer", json=answer)).is_success
        assert (await user.post(f"/links/codes/{code['id']}/confirm")).is_success
        act = (await bot.post("/bot/act", json=who)).json()
        return self.signed(act["access_token"])


@cache
def declared() -> dict[tuple[str, str], set[int]]:
    """Return the statuses in the schema, by method and path."""
    paths = create_app(Settings(_env_file=None)).openapi()["paths"]
    return {
        (method.upper(), path): {int(status) for status in operation["responses"]}
        for path, operations in paths.items()
        for method, operation in operations.items()
    }


class Declared:
    """An app that fails on an answer whose status `/openapi.json` does not name for its
    operation."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watched(message: Message) -> None:
            operation = (scope["method"], getattr(scope.get("route"), "path_format", ""))
            if message["type"] == "http.response.start" and operation in declared():
                assert message["status"] in declared()[operation], (
                    f"{operation} may answer {message['status']}: see api/openapi.py"
                )
            await send(message)

        await self._app(scope, receive, watched)


@asynccontextmanager
async def running_api(
    tmp_path: Path,
    sandbox: Sandbox,
    *,
    refresh: bool = True,
    times: WorkerTimes | None = None,
    **settings: Any,
) -> AsyncIterator[Api]:
    """Yield an api whose models are known; other settings are keyword arguments."""
    values = {
        "data_dir": tmp_path / "data",
        "web_signup": "open",
        "openrouter_base_url": sandbox.url,
        "drain_seconds": 0,
        **settings,
    }
    app = create_app(
        Settings(_env_file=None, **values), password_cost=CHEAP, times=times, decoders=decoders()
    )
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(Declared(app)), base_url="http://api"
        ) as client,
    ):
        running = Api(app, client, values["data_dir"])
        if refresh:
            await running.services.catalog.refreshed.wait()
        yield running


async def forget_days(db: Db) -> None:
    """Delete the sums of finished days, for a test that books something on one of them."""
    await db.execute("DELETE FROM marks WHERE name = $1", day_sums.MARK)
    await db.execute("DELETE FROM spend_days")
