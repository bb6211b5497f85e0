"""A scripted day with every fault of the provider at each of its calls, while a chat asks for
texts, images and videos. Afterwards the promises are counted: each job was worked on once at most,
the money adds up, each result is on its way to its chat once, and every file has its row."""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from api.generations.accepting import service
from api.generations.making import polls, provider_waits, steps
from api.ids import now
from api.provider import breaker
from api.schemas import usd
from sandbox import chat, images, videos
from sandbox.faults import CallKind, Fault
from tests.api.generations.test_jobs import DALLE, KLEIN, SEEDREAM, finished, until
from tests.api.harness import Api, running_api
from tests.api.media.samples import clip, picture
from tests.api.media.test_storage import kept_in
from tests.sandbox_server import Sandbox, sandbox_server

SECRET = "a webhook secret of the tests"
ADDRESS = {"platform": "telegram", "chat_id": "77", "private": True}
CHEAP_VIDEO = {"model": "kwaivgi/kling-v3.0-std", "duration": 3}
IMAGES: dict[CallKind, str] = {"images": SEEDREAM, "chat": KLEIN, "generations": DALLE}

REFUSALS = [400, 402, 403, 429, 500, 502, 503, 529]
SPOILT = ["error_in_200", "garbage", "empty", "lost", "drop", "cut"]

AT_ONCE = 12
"""Requests under way at the same time: each of them mostly waits."""
UNCLEAR = {"garbage", "lost", "drop", "cut"}
"""Faults after which nobody can tell whether the work was done and billed."""


@dataclass(frozen=True)
class Ask:
    """One request of the day with its faults. `marker` is in its prompt, and so in the provider's
    log."""

    marker: str
    kind: str
    body: dict[str, Any]
    faults: tuple[Fault, ...]


def once(call: CallKind, kind: str, **more: Any) -> Fault:
    return Fault.model_validate({"call": call, "kind": kind, "times": 1, **more})


def at_answer(call: CallKind) -> list[Fault]:
    statuses = [
        once(call, "status", status=status, **({"retry_after": 0} if status == 429 else {}))
        for status in REFUSALS
    ]
    return [*statuses, *(once(call, kind) for kind in SPOILT), once(call, "delay", seconds=0.05)]


# Faults of different calls share a video where they leave it alive: drawing one takes long.
ALIVE: list[tuple[Fault, ...]] = [
    (
        once("webhooks", "off"),
        once("videos.status", "status", status=500),
        once("videos.content", "status", status=502),
    ),
    (
        once("webhooks", "duplicate"),
        once("videos.status", "garbage"),
        once("videos.content", "cut"),
    ),
    (
        once("webhooks", "bad_signature"),
        once("videos.status", "drop"),
        once("videos.content", "garbage"),
    ),
    (
        once("webhooks", "late", seconds=0.3),
        once("videos.status", "cut"),
        once("videos.content", "empty"),
    ),
    (
        once("videos.submit", "delay", seconds=0.05),
        once("videos.status", "status", status=429, retry_after=0),
    ),
]


def day() -> list[Ask]:
    asks: list[tuple[str, dict[str, Any], tuple[Fault, ...]]] = []
    for call, model in IMAGES.items():
        asks += [("image", {"model": model}, (fault,)) for fault in at_answer(call)]
    asks += [
        ("video", CHEAP_VIDEO, (fault,))
        for fault in at_answer("videos.submit")
        if fault.kind != "delay"
    ]
    asks += [("video", CHEAP_VIDEO, faults) for faults in ALIVE]
    asks += [
        ("video", CHEAP_VIDEO, (once("videos.job", "ends_as", value=end),))
        for end in ("failed", "expired", "cancelled")
    ]
    text = [
        *at_answer("chat"),
        once("chat", "stream_error", after=2),
        once("chat", "cut", after=2),
        once("chat", "stall", after=1, seconds=0.05),
    ]
    asks += [("text", {}, (fault,)) for fault in text]
    return [_ask(f"job-{number:03}", *ask) for number, ask in enumerate(asks)]


def _ask(marker: str, kind: str, body: dict[str, Any], faults: tuple[Fault, ...]) -> Ask:
    """Return a request whose faults meet no other one."""
    mine = tuple(fault.model_copy(update={"prompt": marker}) for fault in faults)
    return Ask(marker, kind, body, mine)


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Run a sandbox that draws nothing, which would take most of the time: each picture and each
    video is the same small real one."""
    film, image = clip(tmp_path / "clip.mp4"), picture()
    monkeypatch.setattr(videos, "film", lambda movie: film)
    for module in (images, chat):
        monkeypatch.setattr(module, "drawn", lambda *args, **more: image)
    with sandbox_server(webhook_secret=SECRET) as running:
        yield running


@asynccontextmanager
async def listening(api: Api, listener: socket.socket) -> AsyncIterator[None]:
    """Serve the api on the socket, so that webhooks reach it over real HTTP."""
    server = uvicorn.Server(uvicorn.Config(api.app, lifespan="off", log_level="warning"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await task


async def test_a_day_of_faults_pays_once_loses_nothing_and_leaves_nothing(
    tmp_path: Path, sandbox: Sandbox, duckdb_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "POLL_FIRST", 0.05)
    monkeypatch.setattr(polls, "POLL_BEHIND_WEBHOOKS", 0.4)
    monkeypatch.setattr(provider_waits, "FIRST", 0.01)
    monkeypatch.setattr(service, "UNFINISHED_MAX", 100)
    monkeypatch.setattr(breaker, "FAILURES", 10_000)  # each fault has to be met
    with socket.create_server(("127.0.0.1", 0)) as listener:
        hooks = f"http://127.0.0.1:{listener.getsockname()[1]}"
        more: dict[str, Any] = {
            "openrouter_webhook_secret": SECRET,
            "public_api_url": hooks,
            "database_url": f"duckdb://{duckdb_path}",
        }
        async with running_api(tmp_path, sandbox, **more) as api, listening(api, listener):
            admin, ana = await api.admin(), await api.user()
            chat = await api.acting(ana)
            await api.services.db.execute("UPDATE users SET monthly_micro = 1000000000")
            asks = day()
            sandbox.break_with(*(fault for ask in asks for fault in ask.faults))
            places = asyncio.Semaphore(AT_ONCE)
            async with asyncio.TaskGroup() as living:
                for ask in asks:
                    living.create_task(live(api, chat, places, ask))
            await resolve(api, admin)
            await check_calls(api, sandbox, asks)
            await check_money(api, ana, sandbox)
            await check_deliveries(api)
            await check_files(api, tmp_path)


async def live(api: Api, chat: httpx.AsyncClient, places: asyncio.Semaphore, ask: Ask) -> None:
    async with places:
        await _live(api, chat, ask)


async def _live(api: Api, chat: httpx.AsyncClient, ask: Ask) -> None:
    body = {"prompt": ask.marker, **ask.body}
    if ask.kind == "text":
        answer = await chat.post("/generate/text", json=body)
        assert answer.status_code < 500 or answer.json()["detail"], ask
        return
    made = await chat.post(
        f"/generate/{ask.kind}",
        json={**body, "address": ADDRESS},
        headers={"Prefer": "respond-async"},
    )
    assert made.status_code == 202, (ask, made.text)
    first = ask.faults[0]
    if first.call == "videos.submit" and (
        first.kind in {"drop", "error_in_200"} or (first.kind == "status" and first.status >= 500)
    ):
        await until(api, made.json()["id"], phase="submit_unknown")
        return  # the provider may have taken it, and the webhook never comes
    done = await finished(api, made.json())
    assert done["status"] in {"completed", "failed"}, (ask, done)
    assert done["status"] == "completed" or done["error"]["message"], ask


async def resolve(api: Api, admin: httpx.AsyncClient) -> None:
    """Decide as the operator, an hour later, about the videos whose outcome is still unknown."""
    waiting = (
        "UPDATE generations "
        "SET followed_ms = $1, run_at = $2 WHERE phase = 'submit_unknown' RETURNING id"
    )
    rows = await api.services.db.fetch(waiting, int(steps.PROVIDER_TIME_MAX * 1000), now())
    with api.services.wake.listen("worker") as listener:
        api.services.wake.ring("worker")
        while left := await api.services.db.fetch(
            "SELECT id FROM generations WHERE phase = 'submit_unknown'"
        ):
            assert await listener.wait(20), left
    for row in rows:
        resolved = await admin.post(
            f"/admin/generations/{row['id']}/resolve", json={"outcome": "failed_free"}
        )
        assert resolved.status_code == 200, resolved.text
    assert len(rows) == 6, "the day has such videos"


async def check_calls(api: Api, sandbox: Sandbox, asks: list[Ask]) -> None:
    """Check that every fault was met, and that the provider worked once at most on each job."""
    calls = sandbox.calls()
    met = Counter((call["kind"], call["fault"]) for call in calls if call["fault"])
    planned = {
        (fault.call, fault.kind)
        for ask in asks
        for fault in ask.faults
        if fault.call not in {"videos.job", "webhooks"}
    }
    assert planned <= set(met), planned - set(met)
    assert await api.services.db.fetch("SELECT id FROM generations WHERE phase <> 'done'") == []
    for ask in asks:
        mine = [
            call
            for call in calls
            if call["method"] == "POST" and ask.marker in json.dumps(call["body"])
        ]
        assert mine, f"{ask} was never asked for"
        assert len([call for call in mine if call["cost_usd"] or call["fault"] in UNCLEAR]) <= 1, (
            ask,
            mine,
        )


async def check_money(api: Api, ana: httpx.AsyncClient, sandbox: Sandbox) -> None:
    db = api.services.db
    assert await api.services.budget.audit() == []
    me = (await ana.get("/users/me")).json()
    assert await db.fetch("SELECT id FROM holds WHERE state = 'held'") == []
    booked = await db.fetch_one("SELECT CAST(sum(amount_micro) AS BIGINT) AS micro FROM ledger")
    assert booked is not None
    assert (me["held_usd"], me["spent_usd"]) == ("0.000000", f"{usd(booked['micro']):.6f}")
    charged: dict[str, Decimal] = {}
    for call in sandbox.calls():
        if call["method"] == "POST" and call["cost_usd"]:
            text = json.dumps(call["body"])
            marker = text[text.index("job-") :][:7]
            charged[marker] = charged.get(marker, Decimal()) + Decimal(str(call["cost_usd"]))
    for row in await db.fetch("SELECT prompt, status, cost_micro FROM generations"):
        if row["status"] == "completed":
            assert usd(row["cost_micro"]) == pytest.approx(
                charged[row["prompt"]], abs=Decimal("0.000001")
            ), row["prompt"]
        elif row["cost_micro"] is not None:
            billed = charged.get(row["prompt"], Decimal())
            assert usd(row["cost_micro"]) == pytest.approx(billed, abs=Decimal("0.000001")), (
                "what did not come costs what was billed"
            )


async def check_deliveries(api: Api) -> None:
    rows = await api.services.db.fetch(
        "SELECT generation_id, event FROM deliveries WHERE generation_id IS NOT NULL"
    )
    told = Counter(
        row["generation_id"]
        for row in rows
        if row["event"] in {"generation_completed", "generation_failed"}
    )
    ended = {
        row["id"]
        for row in await api.services.db.fetch(
            "SELECT id FROM generations WHERE status IN ('completed', 'failed')"
        )
    }
    assert (set(told), set(told.values())) == (ended, {1})


async def check_files(api: Api, tmp_path: Path) -> None:
    rows = await api.services.db.fetch("SELECT key FROM media")
    assert kept_in(tmp_path / "data" / "media") == sorted(row["key"] for row in rows)
    generations = await api.services.db.fetch(
        "SELECT id FROM generations WHERE status = 'completed'"
    )
    for row in generations:
        assert await api.services.media.of_generations([row["id"]]), "completed without a file"
    assert len(generations) >= len(ALIVE) + len(IMAGES)
