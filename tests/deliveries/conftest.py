"""The whole api, and results in its outbox."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.harness import Api, running_api
from tests.sandbox_server import Sandbox, sandbox_server

GROUP, PRIVATE = "-100500", "77"


@dataclass
class Office:
    """Ana has linked the private chat 77; `bot` is the Telegram bot's process, `admin` an operator."""

    api: Api
    ana: httpx.AsyncClient
    bot: httpx.AsyncClient
    admin: httpx.AsyncClient
    acting: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    async def asks(self, chat: str = GROUP, prompt: str = "a fox", **address: Any) -> dict[str, Any]:
        """Ana has an image made in a chat; it is done."""
        if chat not in self.acting:
            who = {"platform_user_id": "77", "display_name": "Ana", "chat_id": chat}
            act = (await self.bot.post("/bot/act", json=who)).json()
            self.acting[chat] = self.api.signed(act["access_token"])
        where = {"platform": "telegram", "chat_id": chat, "message_id": "5", "private": chat == PRIVATE, **address}
        made = await self.acting[chat].post("/generate/image", json={"prompt": prompt, "address": where})
        assert made.status_code == 200, made.text
        return dict(made.json())

    async def claim(self) -> list[dict[str, Any]]:
        """Without the notice that the chat was linked, which is acknowledged."""
        answer = await self.bot.post("/bot/deliveries/claim?wait=0&limit=50")
        assert answer.status_code == 200, answer.text
        found = []
        for one in answer.json():
            if one["event"]["type"] == "notice" and one["event"]["code"] == "linked":
                await self.tell(one, "ack")
            else:
                found.append(one)
        return found

    async def one(self) -> dict[str, Any]:
        (found,) = await self.claim()
        return found

    async def tell(self, delivery: dict[str, Any], word: str, **body: Any) -> None:
        answer = await self.bot.post(f"/bot/deliveries/{delivery['id']}/{word}", json={"lease": delivery["lease"], **body})
        assert answer.status_code == 204, answer.text

    async def refuse(self, delivery: dict[str, Any], reason: str = "bot was kicked from the supergroup chat") -> None:
        await self.tell(delivery, "fail", reason=reason, final=True)

    async def row(self, delivery_id: str) -> dict[str, Any]:
        return dict((await self.admin.get(f"/admin/deliveries/{delivery_id}")).json())


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    with sandbox_server() as running:
        yield running


@pytest.fixture
async def office(shared_sandbox: Sandbox, duckdb_path: Path, tmp_path: Path) -> AsyncIterator[Office]:
    async with running_api(tmp_path, shared_sandbox, database_url=f"duckdb://{duckdb_path}") as api:
        ana = await api.user()
        acting = await api.acting(ana, "77", PRIVATE)
        made = Office(api, ana, api.bot(), await api.admin(), {PRIVATE: acting})
        await made.claim()
        yield made
        for client in (made.ana, made.bot, made.admin, *made.acting.values()):
            await client.aclose()
