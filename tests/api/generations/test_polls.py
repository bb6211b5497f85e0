"""Looks at videos: in rounds of one statement each, fairly over models, at the rate that the
provider allows."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.db import Db, DbUnavailable
from api.db.open import open_db
from api.generations import followed, states, store
from api.generations.followed import Due, Followed, Look
from api.generations.making.poll_pace import PLACES, ModelShares
from api.generations.making.steps import RESCUES_MAX
from api.generations.making.worker import Worker
from api.generations.store import Generation
from api.ids import now
from api.provider.shared_pauses import LonePauses
from api.provider.types import ProviderError, VideoJob
from sandbox.faults import Fault
from tests.api.auth.account_services import one_engine
from tests.api.generations.conftest import QUICK, settings_of
from tests.api.generations.test_jobs import until
from tests.api.generations.test_states import job
from tests.api.generations.test_worker import begun, worker_of
from tests.api.harness import Api, running_api
from tests.sandbox_server import Sandbox

MINUTE = timedelta(minutes=1)


def video(**columns: object) -> Generation:
    return job("processing", "poll", provider_id="gen-vid-1", **columns)


async def claimed(db: Db, *rows: Generation, token: str = "mine") -> list[Followed]:
    for row in rows:
        await store.insert(db, row)
    at = now()
    ids = [each.id for each in await followed.due(db, at, [], [], 100)]
    return await followed.claim(db, ids, token, at, at + MINUTE, [])


async def row_of(db: Db, generation_id: str) -> Generation:
    row = await store.get(db, generation_id)
    assert row is not None
    return row


def seen(each: Followed, **changes: Any) -> Look:
    return replace(Look(each, "poll", now() + MINUTE, 2000, 0, "in_progress"), **changes)


async def test_many_are_claimed_and_released_by_one_statement_each(db: Db) -> None:
    rows = [video(model=f"m{number}", tries=2, rescues=1) for number in range(5)]
    mine = await claimed(db, *rows)
    assert sorted(each.id for each in mine) == sorted(row.id for row in rows)
    assert await claimed(db, token="other") == [], "they have a lease"
    until = now() + MINUTE
    cost = seen(mine[0], phase="fetch", cost_micro=70, run_at=until)
    await followed.release(db, [cost, *(seen(each) for each in mine[1:])], "mine", now())
    after = [await row_of(db, each.id) for each in mine]
    assert {(row.lease_token, row.rescues, row.tries, row.followed_ms) for row in after} == {
        (None, 0, 0, 2000)
    }
    assert [(row.phase, row.cost_micro) for row in after] == [("fetch", 70)] + [("poll", None)] * 4
    assert after[0].run_at == until
    states_found = await db.fetch("SELECT DISTINCT provider_state AS said FROM generations")
    assert [row["said"] for row in states_found] == ["in_progress"]


def test_their_moves_are_in_the_table() -> None:
    of_poll = {states.name(state) for state in states.MOVES if state[1] == "poll"}
    assert set(states.in_phase("poll")) == of_poll
    for phase in ("poll", "fetch"):
        assert of_poll <= set(states.sources(phase))


async def test_a_release_writes_only_what_its_worker_still_holds(db: Db) -> None:
    """Another worker has the first, the second was cancelled and ended, the third is its own."""
    mine = {each.model: each for each in await claimed(db, *(video(model=m) for m in "abc"))}
    other = "UPDATE generations SET attempt = attempt + 1, lease_token = 'other' WHERE model = 'a'"
    await db.execute(other)
    await db.execute("UPDATE generations SET phase = 'done', status = 'failed' WHERE model = 'b'")
    await followed.release(db, [seen(each) for each in mine.values()], "mine", now())
    after = {model: await row_of(db, each.id) for model, each in mine.items()}
    assert (after["a"].lease_token, after["a"].followed_ms) == ("other", None)
    assert (after["b"].phase, after["b"].followed_ms) == ("done", None)
    assert (after["c"].lease_token, after["c"].followed_ms) == (None, 2000)


async def test_a_webhook_during_a_look_makes_the_video_due_at_once(db: Db) -> None:
    mine = await claimed(db, video(model="a"), video(model="b"))
    hooked = next(each for each in mine if each.model == "a")
    await db.execute("UPDATE generations SET nudges = nudges + 1 WHERE id = $1", hooked.id)
    await followed.release(db, [seen(each) for each in mine], "mine", now())
    due = await followed.due(db, now(), [], [], 10)
    assert [each.id for each in due] == [hooked.id]


async def test_models_take_turns(db: Db) -> None:
    """One with a long backlog does not keep the others waiting."""
    for number in range(20):
        await store.insert(db, video(model="many", run_at=now() - MINUTE, short_id=f"m{number}"))
    for model in ("one", "two"):
        await store.insert(db, video(model=model, run_at=now() - timedelta(seconds=1)))
    found = [each.model for each in await followed.due(db, now(), [], [], 6)]
    assert Counter(found) == {"many": 4, "one": 1, "two": 1}
    assert {*found[:3]} == {"many", "one", "two"}
    without = [each.model for each in await followed.due(db, now(), [], ["many"], 6)]
    assert sorted(without) == ["one", "two"]


def due(*models: str) -> list[Due]:
    return [Due(f"{number}", model, now()) for number, model in enumerate(models)]


def test_a_model_whose_answers_hang_leaves_places_to_others() -> None:
    shares, running = ModelShares(LonePauses()), Counter[str]()
    for model in ("slow", "slower", "third", "fourth"):
        chosen = shares.choose(due(*[model] * PLACES), running)
        assert chosen, f"{model} has no place"
        running[model] += len(chosen)
    assert running["slow"] == PLACES * 3 // 4
    assert running.total() <= PLACES
    assert "slow" in shares.full(running)


class Begun(LonePauses):
    def __init__(self) -> None:
        self.scopes: list[str] = []

    def begin(self, scope: str, until: object, length: timedelta) -> None:
        self.scopes.append(f"{scope} {length.total_seconds():g}")


def busy(retry_after: float | None) -> ProviderError:
    return ProviderError(
        "rate_limited", "busy", outcome="refused", status=429, retry_after=retry_after
    )


def test_a_refusal_pauses_its_model_for_all_processes_and_halves_it() -> None:
    begun, running = Begun(), Counter({"busy": 40})
    shares = ModelShares(begun)
    for _ in range(40):
        shares.refused("busy", busy(7.0), running["busy"])
    assert begun.scopes == ["polls:busy 7"], "those under way together count once"
    assert shares.full(Counter()) == ["busy"]
    assert shares.room("other", Counter()) > 0
    assert 6 < (shares.pause or 0) <= 7
    shares._until.clear()
    assert shares.room("busy", Counter()) == 20
    for _ in range(100):
        shares.answered("busy")
    assert 20 < shares.room("busy", Counter()) < 40
    other = ModelShares(begun)
    other._follow("polls:busy", (now() + MINUTE, MINUTE))
    assert other.room("busy", Counter()) == 0


@one_engine
async def test_a_pause_that_the_provider_asks_for_is_told_to_all_processes(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="videos.status", kind="status", status=429, retry_after=50.0))
    made = (await user.post("/generate/video", json={"prompt": "waves"})).json()
    with api.services.wake.listen("provider-pauses") as listener:
        while not (told := await api.services.db.fetch("SELECT scope FROM provider_pauses")):
            assert await listener.wait(20)
    row = await until(api, made["id"], phase="poll")
    assert [each["scope"] for each in told] == [f"polls:{row.model}"]
    assert len(sandbox.calls("videos.status")) == 1


async def test_a_worker_that_stops_gives_its_looks_back(
    database: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="videos.status", kind="delay", seconds=30.0), video=30)
    settings = settings_of(database)
    async with running_api(tmp_path, sandbox, times=QUICK, **settings) as api:
        user = await api.user()
        made = (await user.post("/generate/video", json={"prompt": "waves"})).json()
        async with asyncio.timeout(20):
            while (row := await row_of(api.services.db, made["id"])).attempt < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert (row.phase, row.lease_token is None) == ("poll", False)
    db = await open_db(database)
    after = await row_of(db, made["id"])
    await db.close()
    assert (after.phase, after.lease_token, after.rescues) == ("poll", None, 0)
    assert after.run_at <= now()


@pytest.fixture
async def idle(postgres_url: str, sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker whose polls are ready for rounds by hand."""
    async with running_api(tmp_path, sandbox, database_url=postgres_url, worker="off") as api:
        worker = worker_of(api)
        begun(worker)
        yield worker
        await worker.close()


def followed_video(**changes: Any) -> Followed:
    return replace(Followed("v", "m", 1, 0, "p", 0, 0, None, None), **changes)


async def test_each_failed_poll_counts_towards_the_deadline(idle: Worker) -> None:
    at_once = ProviderError(
        "provider_unavailable", "busy", outcome="refused", status=503, retry_after=0.0
    )
    await idle._polls._failed(followed_video(), at_once)
    broken = ProviderError("provider_unavailable", "busy", outcome="refused", status=500)
    await idle._polls._failed(followed_video(tries=5000), broken)
    assert [look.followed_ms for look in idle._polls._looks] == [1000, 30_000]


async def test_a_video_claimed_during_a_stop_is_given_back(idle: Worker) -> None:
    waiting = job("processing", "poll", provider_id="p")
    await store.insert(idle._db, waiting)
    asked = iter([False])
    idle._polls._stops = lambda: next(asked, True)
    await idle._polls.round()
    row = await row_of(idle._db, waiting.id)
    assert (row.attempt, row.lease_token, row.rescues) == (1, None, 0)
    assert idle._polls.ids == []


async def test_no_fetch_begins_during_a_stop(idle: Worker) -> None:
    idle._closing = True
    made = VideoJob("p", "completed", "completed")
    assert not idle._fetch(job("processing", "poll"), made)
    assert not idle._follows


async def test_workers_hear_of_a_video_to_fetch_once_that_is_written(idle: Worker) -> None:
    idle._polls._looks.append(Look(followed_video(), "fetch", now(), 0, 0))
    with idle._wake.listen("worker") as listener:
        await idle._polls._release()
        assert await listener.wait(1)


async def test_a_video_is_kept_while_the_database_is_away(
    idle: Worker, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = followed_video(rescues=RESCUES_MAX + 1)
    away = await open_db(postgres_url)
    await away.close()
    with monkeypatch.context() as patch:
        patch.setattr(idle._polls, "_db", away)
        with pytest.raises(DbUnavailable):
            await idle._polls._poll(video)
    assert idle._polls.ids == [video.id]
