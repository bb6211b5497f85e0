"""Results that wait for a chat, the bot that shows them, and a person's view of that chat."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from api.deliveries import fallback, service
from api.deliveries.store import DeliveryTarget
from api.ids import now
from api.secrets import ensure_secrets
from bots.core.delivery_claims import PumpTimes
from bots.core.delivery_pump import pump
from bots.core.types import Address, Messenger, Reply
from client.bot import BotApi
from sandbox.faults import Fault
from tests.api.harness import Api, running_api
from tests.bots.core.recording_chat import served
from tests.faults.deliveries.api_faults import ApiFaults
from tests.sandbox_server import Sandbox

QUICK = PumpTimes(claim=5.0, beat=0.5, backoff_least=0.02, backoff_most=0.1)
PATIENCE = 40.0
EVENTS = {
    "photo": "generation_completed",
    "album": "generation_completed",
    "video": "generation_completed",
    "failed": "generation_failed",
}


class Side(Protocol):
    """A platform's fake with the real adapter."""

    platform: str

    @property
    def chat(self) -> Messenger: ...

    def new_chat(self) -> tuple[str, str]:
        """Return the id of a private chat in which somebody has just written, and the message's
        id."""
        ...


@dataclass
class Waiting:
    """A delivery, and the card that waits for it."""

    id: str
    event: str
    chat_id: str
    card: str
    short_id: str


@dataclass
class Desk:
    """The api on a real port, its faults, and one generation of each kind, which belongs to the
    chat it was put into last."""

    api: Api
    web: httpx.AsyncClient
    url: str
    faults: ApiFaults
    made: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def make(self, sandbox: Sandbox) -> None:
        self.made["video"] = (
            await self.web.post("/generate/video", json={"prompt": "waves"})
        ).json()
        for name, body in (("photo", {}), ("album", {"n": 2})):
            self.made[name] = (
                await self.web.post("/generate/image", json={"prompt": "a fox", **body})
            ).json()
        await self._finished(self.made["video"]["id"], "completed")
        sandbox.break_with(Fault(call="videos.job", kind="ends_as", value="failed"))
        self.made["failed"] = (
            await self.web.post("/generate/video", json={"prompt": "waves"})
        ).json()
        await self._finished(self.made["failed"]["id"], "failed")

    async def _finished(self, generation_id: str, status: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while (await self.web.get(f"/generations/{generation_id}")).json()["status"] != status:  # noqa: ASYNC110  (a status rings no bell)
                await asyncio.sleep(0.1)

    async def put(self, side: Side, event: str, *, forget: bool = True) -> Waiting:
        """Put a result that was asked for in a new chat, where its card waits. With `forget` the
        platform has none of its files."""
        if forget:
            await self.api.services.db.execute("DELETE FROM platform_files")
        chat_id, request = side.new_chat()
        shown = await side.chat.show(
            Address(side.platform, chat_id, message_id=request), Reply("Making your picture")
        )
        made, db = self.made[event], self.api.services.db
        await db.execute(
            "UPDATE generations SET platform = $2, chat_id = $3, message_id = $4, "
            "card_message_id = $5, chat_private = true WHERE id = $1",
            made["id"],
            side.platform,
            chat_id,
            request,
            shown.message_ids[-1],
        )
        user = (await self.web.get("/users/me")).json()["id"]
        target = DeliveryTarget(
            side.platform, chat_id, message_id=request, private=True, user_id=user
        )
        async with db.transaction() as sql:
            await self.api.services.outbox.announce(sql, made["id"], target, EVENTS[event])
        row = await db.fetch_one("SELECT max(id) AS id FROM deliveries")
        assert row is not None
        return Waiting(row["id"], event, chat_id, shown.message_ids[-1], made["short_id"])

    async def state(self, waiting: Waiting) -> str:
        row = await self.api.services.db.fetch_one(
            "SELECT state FROM deliveries WHERE id = $1", waiting.id
        )
        assert row is not None
        return str(row["state"])

    async def settled(self, waiting: Waiting) -> str:
        """Return the delivery's state once it no longer waits."""
        async with asyncio.timeout(PATIENCE):
            while True:
                news = self.faults.news
                if (found := await self.state(waiting)) != "pending":
                    return found
                await news.wait()

    async def until_struck(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while not self.faults.struck:
                await self.faults.news.wait()

    async def link(self, side: Side, chat_id: str) -> None:
        """Make the private chat the owner's."""
        user = (await self.web.get("/users/me")).json()["id"]
        query = (
            "INSERT INTO links (platform, platform_user_id, user_id, display_name, chat_id, "
            "created_at) VALUES ($1, $2, $3, 'Ana', $2, $4)"
        )
        await self.api.services.db.execute(query, side.platform, chat_id, user, now())

    async def unlink(self) -> None:
        await self.api.services.db.execute("DELETE FROM links")

    @asynccontextmanager
    async def bot(
        self, side: Side, chat: Messenger | None = None, times: PumpTimes = QUICK
    ) -> AsyncIterator["Bot"]:
        key = ensure_secrets(self.api.data_dir).bot_keys[side.platform]
        async with BotApi(self.url, key, "https://studio.example.org") as api:
            stop = asyncio.Event()
            task = asyncio.create_task(pump(chat or side.chat, api, stop, times))
            try:
                yield Bot(task, stop)
            finally:
                stop.set()
                await asyncio.wait({task})


@dataclass
class Bot:
    task: "asyncio.Task[None]"
    stop: asyncio.Event

    def kill(self) -> None:
        """End the bot as a power cut does: nothing is put back or reported."""
        for task in asyncio.all_tasks():
            if "Pump." in repr(task.get_coro()) or task is self.task:
                task.cancel()


@contextmanager
def short_waits() -> Iterator[None]:
    """Wait parts of a second in place of the product's minute: the outbox reads the real clock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fallback, "UNCERTAIN_WAIT", timedelta(seconds=0.2))
        patch.setattr(fallback, "BACKOFF_LEAST", timedelta(seconds=0.05))
        patch.setattr(service, "LEASE", timedelta(seconds=2))
        yield


@asynccontextmanager
async def running_desk(tmp_path: Path, database: Path, sandbox: Sandbox) -> AsyncIterator[Desk]:
    async with (
        running_api(tmp_path, sandbox, database_url=f"duckdb://{database}") as api,
        await api.user() as web,
    ):
        faults = ApiFaults(api.app)
        async with served(faults) as port:
            desk = Desk(api, web, f"http://127.0.0.1:{port}", faults)
            await desk.make(sandbox)
            with short_waits():
                yield desk
