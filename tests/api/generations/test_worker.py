"""The worker's leases on both engines, with short times: renewed while it lives, taken over when it
is gone, in spite of clock jumps and database outages."""

import asyncio
from collections.abc import AsyncIterator, Iterable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import time_machine
from structlog.testing import capture_logs

from api import live_processes
from api.background import Background
from api.db import Db
from api.generations import store, transitions
from api.generations.making.polls import Polls
from api.generations.making.steps import Steps
from api.generations.making.worker import LAPSED_BEATS, Worker, WorkerTimes
from api.generations.schemas import GenerationStatus
from api.generations.states import Phase
from api.generations.store import Generation
from api.ids import now
from api.live_processes import LiveProcesses
from api.metrics import Metrics
from api.provider.shared_pauses import LonePauses
from api.shutdown import Stop
from api.wake import Wake
from sandbox.faults import Fault
from tests.api.generations.conftest import settings_of
from tests.api.generations.test_jobs import SEEDREAM, money, until
from tests.api.generations.test_states import job
from tests.api.harness import Api, running_api
from tests.sandbox_server import Sandbox

SHORT = WorkerTimes(lease=1.2, beat=0.1, sweep=0.1, grace=0.05)
ASYNC = {"Prefer": "respond-async"}
HOURS = timedelta(hours=5)
STEPS: list[tuple[GenerationStatus, Phase]] = [
    ("queued", "submit"),
    ("processing", "submitting"),
    ("processing", "submit_unknown"),
    ("processing", "poll"),
    ("processing", "fetch"),
]


@pytest.fixture
async def api(sandbox: Sandbox, database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path, sandbox, times=SHORT, **settings_of(database)) as running:
        yield running


def steps_of(api: Api) -> Steps:
    own = api.services
    return Steps(
        own.db,
        own.wake,
        own.provider,
        own.catalog,
        own.budget,
        own.users,
        own.media,
        own.announcer,
        None,
        LonePauses(),
    )


def _told(logs: Iterable[MutableMapping[str, Any]]) -> list[MutableMapping[str, Any]]:
    return [entry for entry in logs if entry["event"] == "paid_video_of_ended_job"]


def worker_of(api: Api, times: WorkerTimes = SHORT) -> Worker:
    own, wake, steps = api.services, Wake(), steps_of(api)
    alone, pauses = LiveProcesses(None, "worker"), LonePauses()
    polls = Polls(own.db, wake, own.provider, steps, pauses, alone, webhooks=False)
    return Worker(own.db, wake, steps, polls, Stop(0), times, alone)


def begun(worker: Worker) -> Polls:
    """Return its polls, ready for rounds by hand."""
    background = worker._background = Background(Metrics())
    worker._polls.start(background, worker._lease, worker._fetch, worker._stops, worker._look)
    return worker._polls


@asynccontextmanager
async def second_worker(api: Api) -> AsyncIterator[None]:
    """Run a second worker beside the api's own, where PostgreSQL allows it."""
    if api.services.db.engine == "duckdb":
        yield
        return
    background, other = Background(Metrics()), worker_of(api, replace(SHORT, sweep=300.0))
    await other.start(background)
    yield
    await other.close()
    await background.close()


async def at_the_provider(api: Api, made: dict[str, Any]) -> Generation:
    with api.services.wake.listen(f"generation:{made['id']}") as listener:
        while (row := await row_of(api.services.db, made["id"])).phase == "submit":
            assert await listener.wait(20)
    return row


async def ended(api: Api, made: dict[str, Any]) -> Generation:
    return await until(api, made["id"], phase="done")


async def test_the_lease_of_what_is_under_way_never_ends(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(image=1.8)
    async with second_worker(api):
        made = (
            await user.post(
                "/generate/image", json={"prompt": "x", "model": SEEDREAM}, headers=ASYNC
            )
        ).json()
        await at_the_provider(api, made)
        leases = set()
        while (row := await row_of(api.services.db, made["id"])).phase == "submitting":
            leases.add(row.run_at)
            assert row.run_at > now(), "nobody renewed it"
            await asyncio.sleep(0.02)
    assert len(leases) > 3
    assert (row.status, row.attempt, row.rescues) == ("completed", 1, 0)
    assert len(sandbox.calls("images")) == 1


@pytest.mark.parametrize("phase", ["poll", "submit", "submitting"])
async def test_jobs_of_a_dead_worker_are_taken_up_by_another(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox, phase: Phase
) -> None:
    """A video is followed, an unsent job is sent, and one that may have been sent is not sent
    again."""
    sandbox.break_with(video=0.5)
    made = (await user.post("/generate/video", json={"prompt": "x"}, headers=ASYNC)).json()
    row = await until(api, made["id"], phase="poll")
    dead = replace(
        row,
        id=row.id[:-1] + ("0" if row.id[-1] != "0" else "1"),
        short_id="dead",
        callback_token="dead",
        phase=phase,
        status="queued" if phase == "submit" else "processing",
        lease_token="dead",
        run_at=now() - timedelta(seconds=1),
    )
    await store.insert(api.services.db, dead)
    after = await until(api, dead.id, phase="needs_review" if phase == "submitting" else "done")
    assert after.status == ("processing" if phase == "submitting" else "completed")
    assert after.rescues <= 1
    await ended(api, made)
    assert len(sandbox.calls("videos.submit")) == (2 if phase == "submit" else 1)


async def test_a_worker_that_only_missed_a_beat_keeps_its_job(
    postgres_url: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The database was away, or the clock has jumped: all leases are over at once while their
    workers live."""
    async with running_api(tmp_path, sandbox, database_url=postgres_url, worker="off") as api:
        db, worker = api.services.db, worker_of(api)
        held = job(
            "processing",
            "poll",
            lease_token="other",
            run_at=now() - timedelta(hours=5),
            provider_id="p",
        )
        await store.insert(db, held)
        polls = begun(worker)
        for _ in range(2):
            await worker.beat()
            await polls.round()
            assert await store.get(db, held.id) == held
        await transitions.extend(db, [held.id], "other", now() + timedelta(seconds=0.05))
        await asyncio.sleep(SHORT.beat * LAPSED_BEATS)
        await worker.beat()
        await polls.round()
        assert (await row_of(db, held.id)).lease_token == "other", (
            "it was renewed in between: the wait begins anew"
        )
        await asyncio.sleep(SHORT.beat * LAPSED_BEATS)
        await worker.beat()
        await polls.round()
        assert (await row_of(db, held.id)).attempt == held.attempt + 1
        await worker.close()


async def test_jobs_of_a_worker_known_to_be_dead_do_not_wait_for_their_leases(
    postgres_url: str, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but those that may have been paid for just now: a worker that only stands still brings
    their results."""
    monkeypatch.setattr(live_processes, "PATIENCE", 0.0)
    async with running_api(tmp_path, sandbox, database_url=postgres_url, worker="off") as api:
        db, leases = api.services.db, api.services.leases
        worker, dead, alive = worker_of(api), *(LiveProcesses(leases, "worker") for _ in range(2))
        worker._processes = LiveProcesses(leases, "worker")
        await worker._processes.turn()
        await alive.turn()
        held = {
            (owner, phase): job(status, phase, lease_token=owner.name, run_at=now() + HOURS)
            for owner in (dead, alive)
            for status, phase in STEPS
        }
        for row in held.values():
            await store.insert(db, row)
        for _ in range(2):  # it has to be missed first
            await worker.free_dead()
        for (owner, phase), row in held.items():
            after = await row_of(db, row.id)
            if owner is dead and phase != "submitting":
                assert (after.lease_token, after.rescues, after.attempt) == (None, 1, 1), phase
                assert after.run_at <= now()
                assert not await transitions.advance(db, row, phase), "it is fenced off"
            else:
                assert after == row


async def row_of(db: Db, generation_id: str) -> Generation:
    row = await store.get(db, generation_id)
    assert row is not None
    return row


async def test_the_sweep_comes_by_itself_again_and_again(api: Api) -> None:
    db = api.services.db
    for number in range(2):
        await store.add_event(db, f"old {number}", None, "{}", now() - timedelta(hours=49))
        async with asyncio.timeout(10):
            while await db.fetch("SELECT dedupe_key FROM webhook_events"):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("jump", [HOURS, -HOURS], ids=["forwards", "backwards"])
@pytest.mark.parametrize("kind", ["image", "video"])
async def test_a_clock_that_jumps_by_hours_costs_nobody_a_job(
    database: str, tmp_path: Path, sandbox: Sandbox, jump: timedelta, kind: str
) -> None:
    """Sweeps are too far apart to run here: files have the system's times, which do not jump."""
    sandbox.break_with(image=1.0, video=1.5)
    times = replace(SHORT, sweep=300.0)
    async with (
        running_api(tmp_path, sandbox, times=times, **settings_of(database)) as api,
        await api.user() as user,
        second_worker(api),
    ):
        made = (await user.post(f"/generate/{kind}", json={"prompt": "x"}, headers=ASYNC)).json()
        await (
            until(api, made["id"], phase="poll") if kind == "video" else at_the_provider(api, made)
        )
        with time_machine.travel(now() + jump):
            row = await ended(api, made)
    assert (row.status, row.rescues) == ("completed", 0)
    found = len(
        [call for call in sandbox.calls() if call["kind"] in {"images", "chat", "videos.submit"}]
    )
    assert found == 1


async def test_a_video_that_is_never_done_is_given_up_after_an_hour_of_waits(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(video=3600)
    made = (await user.post("/generate/video", json={"prompt": "x"}, headers=ASYNC)).json()
    row = await until(api, made["id"], phase="poll")
    assert (row.followed_ms or 0) < 60_000
    await api.services.db.execute(
        "UPDATE generations SET followed_ms = 3600000, run_at = $1", now()
    )
    api.services.wake.ring("worker")
    row = await ended(api, made)
    assert (row.status, row.error_code) == ("failed", "timed_out")
    assert await money(user) == ("0.000000", "0.000000")


async def stolen(api: Api, generation_id: str) -> Generation:
    """Let another worker take the job while the first one waits for the provider."""
    at = now() + timedelta(hours=1)
    (taken,) = await transitions.claim(
        api.services.db,
        ["submitting"],
        "thief",
        at,
        now() + timedelta(seconds=60),
        1,
        [generation_id],
    )
    assert (taken.id, taken.phase) == (generation_id, "submit_unknown")
    return taken


async def under_way(api: Api, user: httpx.AsyncClient, sandbox: Sandbox) -> dict[str, Any]:
    """Return a video that the provider takes a moment to accept."""
    sandbox.break_with(Fault(call="videos.submit", kind="delay", seconds=0.5))
    made: dict[str, Any] = (
        await user.post("/generate/video", json={"prompt": "x"}, headers=ASYNC)
    ).json()
    assert (await at_the_provider(api, made)).phase == "submitting"
    return made


@pytest.mark.parametrize("by_now", ["submit_unknown", "needs_review", "cancelled"])
async def test_a_paid_video_is_followed_by_whoever_has_the_job(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox, by_now: str
) -> None:
    made = await under_way(api, user, sandbox)
    taken = await stolen(api, made["id"])
    if by_now == "needs_review":
        assert await transitions.release(api.services.db, taken, "needs_review", now(), now())
    elif by_now == "cancelled":
        await user.post(f"/generations/{made['id']}/cancel")
    row = await ended(api, made)
    assert row.status == ("cancelled" if by_now == "cancelled" else "completed")
    assert row.provider_id
    assert row.cost_micro
    assert len(sandbox.calls("videos.submit")) == 1
    assert (await money(user))[1] == "0.000000"


async def test_the_id_of_a_paid_video_of_an_ended_job_is_shown_to_the_operator(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    admin = await api.admin()
    made = await under_way(api, user, sandbox)
    await stolen(api, made["id"])
    with capture_logs() as logs:
        resolved = await admin.post(
            f"/admin/generations/{made['id']}/resolve", json={"outcome": "failed_free"}
        )
        assert resolved.status_code == 200, resolved.text
        async with asyncio.timeout(10):
            while not (said := _told(logs)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        shown = (await admin.get(f"/admin/generations/{made['id']}")).json()
    assert shown["provider_id"]
    assert shown["status"] == "failed"
    found = [(entry["provider_id"], entry["log_level"]) for entry in said]
    assert found == [(shown["provider_id"], "error")]


async def test_a_step_that_ended_well_forgets_the_rescues_before_it(api: Api) -> None:
    """Four short outages during a long video do not make it a job that kills its process."""
    row = job("processing", "poll", rescues=3, attempt=1, lease_token="mine", run_at=now())
    await store.insert(api.services.db, row)
    assert await transitions.release(api.services.db, row, "poll", row.run_at, now())
    after = await store.get(api.services.db, row.id)
    assert after is not None
    assert after.rescues == 0
