"""The promises of the product, counted after everything has come to rest."""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import httpx
import pytest

from api.check_up.schemas import InvariantsOut
from api.deliveries.fallback import DOUBTS_MAX, MISHAPS_MAX
from api.schemas import usd
from api.secrets import ensure_secrets
from bots.core import texts
from tests.e2e.people import Account
from tests.fakes.discord_driver import FakeDiscord
from tests.fakes.telegram_driver import FakeTelegram
from tests.plain_http import PLAIN
from tests.sandbox_server import Sandbox
from tests.stack import Stack
from tests.topology.crowd import Ask, Crowd
from tests.topology.killer import Killer
from tests.topology.rows import Rows

AT_REST_WITHIN = 150.0
"""Seconds within which one thing more is done."""
SWEPT_WITHIN = 40.0
"""Seconds until the sweep has taken the files that deaths left."""
ANSWERED_WITHIN = 30.0
"""Seconds for the last answers once the rows are at rest."""
CALLS_KEPT = 2000
"""The calls that the sandbox remembers: what was paid is counted by them."""
DISCORD_BACK = 45.0
"""Seconds until a started Discord bot hears people again, while the api starts, too."""
T = TypeVar("T")
RAW = re.compile(r"Traceback|Exception|HTTP|httpx|asyncpg|\b50\d\b|\{\"|None\b|null\b")
"""Marks of an error that was written for nobody who chats."""

_UNREST = """
    SELECT 'job ' || prompt || ' ' || phase AS what FROM generations
    WHERE phase NOT IN ('done', 'needs_review')
    UNION ALL SELECT 'delivery ' || event FROM deliveries WHERE state = 'pending'
    UNION ALL SELECT 'hold ' || subject FROM holds WHERE state = 'held' AND subject NOT IN (
        SELECT 'generation:' || id FROM generations WHERE phase = 'needs_review')
    """


@dataclass
class Books:
    """Rows of the jobs that a crowd asked for, and the calls that the provider got. `tidied`: rows
    of jobs that were cancelled or are to be deleted."""

    jobs: list[dict[str, Any]]
    tidied: list[dict[str, Any]]
    deliveries: list[dict[str, Any]]
    calls: list[dict[str, Any]]

    def __post_init__(self) -> None:
        assert len(self.calls) < CALLS_KEPT, "the sandbox has forgotten calls: kill less often"

    def paid(self, marker: str) -> list[Decimal]:
        """The amounts that the provider billed for a marker, one for each time it worked."""
        return [
            Decimal(str(call["cost_usd"]))
            for call in self.calls
            if call["method"] == "POST"
            and call["cost_usd"]
            and call["kind"] in {"images", "chat", "generations", "videos.submit"}
            and marker in json.dumps(call["body"])
        ]

    def job(self, marker: str) -> dict[str, Any] | None:
        found = [one for one in self.jobs if one["prompt"] == marker]
        assert len(found) <= 1, f"{marker} was accepted twice"
        return found[0] if found else None

    def told(self, job: dict[str, Any] | None) -> set[str]:
        """Return the ids of the messages that told of a job."""
        return {
            message
            for row in self.deliveries
            if job is not None and row["generation_id"] == job["id"]
            for message in json.loads(row["message_ids_json"] or "[]")
        }


async def at_rest(rows: Rows) -> None:
    """Wait until nothing is left to do, which moves on all the time."""
    end, before = 0.0, -1
    while left := [row["what"] for row in await rows.fetch(_UNREST)]:
        if len(left) != before:
            end, before = time.monotonic() + AT_REST_WITHIN, len(left)
        assert time.monotonic() < end, left
        await asyncio.sleep(0.5)


async def opened(rows: Rows, sandbox: Sandbox, crowd: Crowd) -> Books:
    asked, tidied = ({ask.marker for ask in asks} for asks in (crowd.asks, crowd.tidied))
    jobs = await rows.fetch("SELECT * FROM generations")
    mine = [job for job in jobs if job["prompt"] in asked]
    ids = {job["id"] for job in mine}
    return Books(
        mine,
        [job for job in jobs if job["prompt"] in tidied],
        [
            row
            for row in await rows.fetch("SELECT * FROM deliveries")
            if row["generation_id"] in ids
        ],
        sandbox.calls(),
    )


async def decide(books: Books, admin: Account) -> int:
    """Decide as the operator, by the provider's records, about videos whose submit was cut off."""
    waiting = [job for job in [*books.jobs, *books.tidied] if job["phase"] == "needs_review"]
    for job in waiting:
        outcome = "failed_charged" if books.paid(job["prompt"]) else "failed_free"
        path = f"/admin/generations/{job['id']}/resolve"
        admin.http.post(path, json={"outcome": outcome}).raise_for_status()
    return len(waiting)


def check_ends(books: Books, asks: list[Ask]) -> None:
    """Each job has one end, and who was told of a job has it."""
    for job in books.jobs:
        assert (job["phase"], job["status"] in {"completed", "failed"}) == ("done", True), job
        assert job["status"] == "completed" or job["error_code"], job
    for ask in asks:
        made = books.job(ask.marker)
        if ask.job:
            assert made is not None, f"{ask} was accepted and is lost"
            assert made["id"] == ask.job
    ends = Counter(
        row["generation_id"]
        for row in books.deliveries
        if row["event"] in {"generation_completed", "generation_failed"}
    )
    asked_in_chats = {job["id"] for job in books.jobs if job["platform"]}
    assert {id_: ends[id_] for id_ in asked_in_chats} == dict.fromkeys(asked_in_chats, 1)


def check_tidied(books: Books, crowd: Crowd, account: Account) -> None:
    """Each job that was cancelled is over, and one that was deleted is gone."""
    for ask in crowd.tidied:
        found = [job for job in books.tidied if job["prompt"] == ask.marker]
        if ask.job in crowd.deleted:
            assert found == [], f"{ask} was deleted and is there"
            assert account.http.get(f"/generations/{ask.job}").status_code == 404
        else:
            assert [job["id"] for job in found] == [ask.job], ask
        assert all(job["phase"] == "done" for job in found), found
        assert len(books.paid(ask.marker)) <= 1, f"{ask} was paid more than once"


async def check_money(books: Books, rows: Rows, admin: Account, accounts: list[Account]) -> None:
    assert await rows.fetch("SELECT subject FROM holds WHERE state = 'held'") == []
    for account in accounts:
        me = account.get("/users/me")
        (booked,) = await rows.fetch(
            "SELECT CAST(coalesce(sum(amount_micro), 0) AS BIGINT) AS micro FROM ledger "
            "WHERE user_id = $1",
            me["id"],
        )
        assert (me["held_usd"], me["spent_usd"]) == ("0.000000", f"{usd(booked['micro']):.6f}")
        assert booked["micro"] > 0
    for job in books.jobs:
        paid = books.paid(job["prompt"])
        assert len(paid) <= 1, f"{job['prompt']} was paid {len(paid)} times"
        if job["status"] == "completed":
            cost = pytest.approx(paid[0], abs=Decimal("0.000001"))
            assert usd(job["cost_micro"]) == cost, job["prompt"]


async def check_invariants(url: str, stack: Stack) -> None:
    """Ask as `./run invariants` does, until the sweep has been there."""
    key = ensure_secrets(stack.data_dir).operator_key
    end = time.monotonic() + SWEPT_WITHIN
    async with httpx.AsyncClient(timeout=60, trust_env=False, verify=PLAIN) as http:
        while True:
            answer = await http.get(
                f"{url}/internal/invariants", headers={"Authorization": f"Bearer {key}"}
            )
            answer.raise_for_status()
            found = InvariantsOut.model_validate_json(answer.content).invariants
            broken = [one for one in found if one.state == "broken"]
            if not broken:
                return
            assert {one.name for one in broken} == {"files_have_rows"}, broken
            assert time.monotonic() < end, broken
            await asyncio.sleep(1)


async def in_time(check: Callable[[], T]) -> T:
    """Return what a look at chats returns as soon as it passes: an answer that stands in no row may
    still be on its way."""
    end = time.monotonic() + ANSWERED_WITHIN
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > end:
                raise
        await asyncio.sleep(1)


def check_telegram(books: Books, fake: FakeTelegram, asks: list[Ask]) -> int:
    """Everybody has an answer, and each result is in its chat: twice at most, and twice only where
    a send had an unclear end. Returns how many came twice."""
    scene, twice = fake.scene(), 0
    for ask in asks:
        assert ask.place is not None
        shown = scene.by_bot(int(ask.place[1]))
        answers = [one for one in shown if str(one.reply_to) == ask.message]
        job = books.job(ask.marker)
        if job is None or job["status"] != "completed":
            words = [one.text for one in answers if one.text not in {"", texts.still_waiting()}]
            assert words, f"{ask} was answered with silence"
            assert not words[-1].endswith("…"), f"{ask} was never answered to the end: {words}"
            continue
        copies = [one for one in shown if one.file and ask.marker in one.text]
        twice += len(copies) == 2
        check_copies(books, ask, len(copies), 2)
    check_words([one.text for one in scene.by_bot()])
    return twice


def check_discord(
    books: Books, fake: FakeDiscord, asks: list[Ask], killer: Killer | None = None
) -> None:
    """Each result is in its chat once. Questions are answered, except those that a killed process
    had: Discord brings them nobody again, and says so itself."""
    scene = fake.scene()
    for ask in asks:
        assert ask.place is not None
        job = books.job(ask.marker)
        if job is None or job["status"] != "completed":
            # a failure stands in the delivery's message, and takes the card away
            told = books.told(job)
            failures = [one for one in scene.by_bot(ask.place[1]) if one.id in told]
            words = [one.text for one in [*failures, *scene.answers(ask.message)]]
            since, until = ask.at - DISCORD_BACK, ask.at + 30
            excused = killer is not None and killer.hit("discord", since, until)
            assert excused or words, f"{ask} was answered with silence"
            assert excused or not words[-1].endswith("…"), f"{ask} has half an answer: {words}"
            continue
        shown = [one for one in scene.by_bot(ask.place[1]) if not one.loading]
        copies = [one for one in shown if one.attachments and ask.marker in one.text]
        check_copies(books, ask, len(copies), 1)
    check_words([one.text for one in scene.by_bot()])


def check_copies(books: Books, ask: Ask, copies: int, most: int) -> None:
    job = books.job(ask.marker)
    assert job is not None
    (row,) = [
        one
        for one in books.deliveries
        if (one["generation_id"], one["event"]) == (job["id"], "generation_completed")
    ]
    if row["state"] == "inbox":
        assert row["doubts"] >= DOUBTS_MAX or row["mishaps"] >= MISHAPS_MAX, row
    else:
        assert (row["state"], row["platform"], row["chat_id"]) == ("done", *(ask.place or ())), row
        assert copies >= 1, f"{ask} is done and not in its chat"
    assert copies <= most, f"{ask} is {copies} times in its chat"
    assert copies <= 1 or row["doubts"], f"{ask} came twice, although no send was cut: {row}"


def check_words(shown: list[str]) -> None:
    raw = [text for text in shown if RAW.search(text)]
    assert raw == [], "nobody in a chat reads such an error"


def check_files(books: Books, accounts: list[Account]) -> int:
    """Read each file by its link, from whichever api answers, out of the one store."""
    read = 0
    owners = {account.get("/users/me")["id"]: account for account in accounts}
    for job in books.jobs:
        if job["status"] != "completed":
            continue
        account = owners[job["user_id"]]
        made = account.get(f"/generations/{job['id']}")
        files = [*made["images"], *([made["video"]] if made["video"] else [])]
        assert files, f"{job['prompt']} is completed and has no file"
        for file in files:
            got = account.http.get(file["url"])
            assert (got.status_code, len(got.content)) == (200, file["size"]), file
            read += 1
    return read
