"""A new platform needs an adapter of under 150 lines, and has all commands, buttons and results
then."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from api.secrets import ensure_secrets
from bots.core.types import Address, Messenger
from client.bot import BotApi
from tests.bots.core.recording_chat import Place
from tests.bots.made_up_platform.adapter import PLATFORM, Room, running_room


@dataclass
class Somebody:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    _ids: "count[int]" = field(default_factory=lambda: count(1))

    async def says(self, **said: object) -> None:
        self.writer.write(
            json.dumps({"id": f"u{next(self._ids)}", "user": "al", "name": "Al", **said}).encode()
            + b"\n"
        )
        await self.writer.drain()

    async def sees(self, part: str) -> dict[str, Any]:
        """The next message whose text has this in it."""
        async with asyncio.timeout(30):
            while True:
                message: dict[str, Any] = json.loads(await self.reader.readline())
                if part in message.get("text", ""):
                    return message


@asynccontextmanager
async def somebody(port: int) -> AsyncIterator[Somebody]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    try:
        yield Somebody(reader, writer)
    finally:
        writer.close()


async def test_the_adapter_is_short() -> None:
    lines = (Path(__file__).parent / "adapter.py").read_text().splitlines()
    assert len(lines) < 150
    chat: Messenger = Room()
    assert (await chat.limits_for(Address(PLATFORM, "al"))).text


@pytest.mark.asyncio(loop_scope="module")
async def test_a_person_links_asks_draws_and_presses_a_button(place: Place) -> None:
    key = ensure_secrets(place.api.data_dir).bot_keys[PLATFORM]
    async with BotApi(place.url, key) as api, running_room(api) as port, somebody(port) as al:
        code = (await place.web.post("/links/codes", json={"platform": PLATFORM})).json()
        await al.says(text=f"/start {code['code']}")
        question = await al.sees("Link this chat to")
        await al.says(press=[question["id"], *question["buttons"][0][1:]])
        await al.sees("Now confirm it")
        confirmed = await place.web.post(f"/links/codes/{code['id']}/confirm")
        assert confirmed.is_success
        await al.sees("is now linked")

        await al.says(text="why is the sky blue?")
        await al.sees("local sandbox")
        await al.says(text="/image a fox in snow --ar 16:9")
        card = await al.sees("Making your image")
        assert [action for _, action, _ in card["buttons"]] == ["refresh", "cancel"]
        result = await al.sees("a fox in snow\n")
        assert result["files"][0] > 100
        _, action, value = next(button for button in result["buttons"] if button[1] == "edit")
        await al.says(press=[result["id"], action, value])
        asked = await al.sees("What should be different?")
        await al.says(press=[asked["id"], *asked["buttons"][0][1:]], text="make it night")
        await al.sees("make it night\n")
