"""The whole api, with results in its outbox."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from api.ids import new_id
from tests.api.harness import Api, running_api
from tests.sandbox_server import sandbox_server

GROUP, PRIVATE = "-100500", "77"


@dataclass
class Office:
    """An api in which ana has linked the private chat 77; `bot` is the Telegram bot's process,
    `admin` an operator."""

    api: Api
    ana: httpx.AsyncClient
    bot: httpx.AsyncClient
    admin: httpx.AsyncClient
    acting: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    async def asks(
        self, chat: str = GROUP, prompt: str = "a fox", **address: Any
    ) -> dict[str, Any]:
        """Make an image for ana in a chat, and return it finished."""
        if chat not in self.acting:
            who = {"platform_user_id": "77", "display_name": "Ana", "chat_id": chat}
            act = (await self.bot.post("/bot/act", json=who)).json()
            self.acting[chat] = self.api.signed(act["access_token"])
        where = {
            "platform": "telegram",
            "chat_id": chat,
            "message_id": "5",
            "private": chat == PRIVATE,
            **address,
        }
        made = await self.acting[chat].post(
            "/generate/image", json={"prompt": prompt, "address": where}
        )
        assert made.status_code == 200, made.text
        return dict(made.json())

    async def claim(self) -> list[dict[str, Any]]:
        """Return the claimed deliveries, except the notice that the chat was linked, which is
        acknowledged."""
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
        answer = await self.bot.post(
            f"/bot/deliveries/{delivery['id']}/{word}", json={"lease": delivery["lease"], **body}
        )
        assert answer.status_code == 204, answer.text

    async def refuse(
        self, delivery: dict[str, Any], reason: str = "bot_removed", said: str = ""
    ) -> None:
        await self.tell(delivery, "fail", reason=reason, said=said, final=True)

    async def somebody_else(self) -> httpx.AsyncClient:
        return await self.api.user(f"ben-{new_id()[-8:]}")

    async def row(self, delivery_id: str) -> dict[str, Any]:
        return dict((await self.admin.get(f"/admin/deliveries/{delivery_id}")).json())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_office(
    tmp_path_factory: pytest.TempPathFactory, migrated_duckdb: Path
) -> AsyncIterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    database = shutil.copyfile(migrated_duckdb, folder / "app.duckdb")
    with sandbox_server() as sandbox:
        async with running_api(folder, sandbox, database_url=f"duckdb://{database}") as api:
            ana = await api.user()
            acting = await api.acting(ana, "77", PRIVATE)
            made = Office(api, ana, api.bot(), await api.admin(), {PRIVATE: acting})
            yield made
            for client in (made.ana, made.bot, made.admin, *made.acting.values()):
                await client.aclose()


@pytest_asyncio.fixture(loop_scope="module")
async def office(shared_office: Office) -> Office:
    """Return the module's api, emptied for the test."""
    for table in ("deliveries", "generations", "platform_files", "audit"):
        await shared_office.api.services.db.execute(f"DELETE FROM {table}")
    await shared_office.api.services.db.execute(
        "UPDATE users SET guest = false, language = 'en', preferences_json = NULL"
    )
    return shared_office
