"""The moves of a job: the table is ARCHITECTURE.md's, and no write makes another move."""

import asyncio
import random
import re
from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest

from api.db import Db
from api.db.open import open_db
from api.errors import TimedOut
from api.generations import states, store, transitions
from api.generations.schemas import GenerationStatus
from api.generations.states import MOVES, Phase, State
from api.generations.store import Generation
from api.ids import new_id, now, short_id, token
from tests.api.auth.account_services import one_engine
from tests.rules.source import ROOT

ENDS = [state for state, targets in MOVES.items() if not targets]
ROW = re.compile(r"^\| `(\w+/\w+)` \| ((?:`\w+/\w+` ?)+)\|$", re.MULTILINE)


def job(
    status: GenerationStatus = "queued", phase: Phase = "submit", **columns: object
) -> Generation:
    values: dict[str, object] = dict.fromkeys(store.Generation.__dataclass_fields__)
    values |= {
        "id": new_id(), "short_id": short_id(), "user_id": "ana", "kind": "video",
        "mode": "text_to_video", "model": "m",
        "model_name": "M",
        "prompt": "x", "options": {}, "inputs": (), "status": status, "phase": phase, "attempt": 0,
        "rescues": 0,
        "tries": 0,
        "run_at": now(), "nudges": 0, "callback_token": token(128), "hold_id": "h",
        "estimate_micro": 100, "source": "api",
        "sandbox": True, "favourite": False, "created_at": now(), **columns,
    }  # fmt: skip
    return Generation(**values)  # type: ignore[arg-type]


def drawn() -> dict[str, set[str]]:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    return {found[1]: set(re.findall(r"\w+/\w+", found[2])) for found in ROW.finditer(text)}


def test_the_table_is_the_one_in_the_architecture() -> None:
    assert drawn() == {
        states.name(state): {states.name(to) for to in targets}
        for state, targets in MOVES.items()
        if targets
    }


def test_every_phase_can_be_reached_and_left() -> None:
    reached = {to for targets in MOVES.values() for to in targets} | {("queued", "submit")}
    assert reached == set(MOVES)
    assert {phase for _, phase in MOVES} == set(get_args(Phase))


def test_nothing_leaves_an_end_or_takes_a_cancelled_job_back() -> None:
    assert set(ENDS) == {("completed", "done"), ("failed", "done"), ("cancelled", "done")}
    found = {to[0] for state, targets in MOVES.items() if state[0] == "cancelled" for to in targets}
    assert found == {"cancelled"}


TARGETS: list[tuple[Phase, GenerationStatus | None]] = [
    ("submit", "queued"),
    ("submitting", "processing"),
    ("submit_unknown", None),
    ("poll", None),
    ("fetch", None),
    ("needs_review", None),
]
ENDINGS: list[tuple[Phase, GenerationStatus | None]] = [("done", "completed"), ("done", "failed")]


@one_engine
@pytest.mark.parametrize("write", ["advance", "release", "finish", "others"])
async def test_a_write_makes_only_moves_of_the_table(db: Db, write: str) -> None:
    """Each write is tried from every state to every other, with a fence that fits."""
    for state in MOVES:
        leased = replace(job(*state), lease_token="mine")
        targets = TARGETS if write in {"advance", "release"} else ENDINGS
        for phase, status in targets:
            await store.insert(db, leased)
            at = now()
            if write == "advance":
                await transitions.advance(db, leased, phase, status=status)
            elif write == "release":
                await transitions.release(db, leased, phase, at, at, status=status)
            elif write == "finish":
                await transitions.finish(db, leased, {"status": status, "finished_at": at})
            else:
                await transitions.claim(db, get_args(Phase), "other", at, at, 1)
                await transitions.adopt_provider_id(db, leased.id, "p", at)
                await transitions.cancel_unsubmitted(db, leased.id, at)
                await transitions.cancel_submitted(db, leased.id, at)
                await transitions.end(
                    db, leased.id, get_args(Phase), at, cost_micro=None, error=TimedOut("timed_out")
                )
            after = await store.get(db, leased.id)
            assert after is not None
            assert reachable(
                state, (after.status, after.phase), steps=1 if write != "others" else 5
            ), (state, after.status, after.phase)
            await store.delete(db, leased.id)


def reachable(start: State, end: State, steps: int) -> bool:
    return start == end or (steps > 0 and any(reachable(to, end, steps - 1) for to in MOVES[start]))


async def test_the_intent_to_pay_is_written_once_by_one_lease_as_well(db: Db) -> None:
    await store.insert(db, job())
    (lease,) = await transitions.claim_submits(db, "w", now(), now() + timedelta(seconds=60), 1)
    assert await transitions.advance(db, lease, "submitting", status="processing")
    assert not await transitions.advance(db, lease, "submitting", status="processing")


async def test_a_worker_that_was_given_up_writes_nothing(db: Db) -> None:
    at = now()
    await store.insert(db, job("processing", "poll", run_at=at))
    (late,) = await transitions.claim(db, ["poll"], "w1", at, at + timedelta(seconds=60), 1)
    (holder,) = await transitions.claim(
        db, ["poll"], "w2", at + timedelta(seconds=61), at + timedelta(seconds=121), 1, [late.id]
    )
    for given_up in (
        late,
        replace(holder, attempt=late.attempt),
        replace(holder, lease_token="w1"),
    ):
        assert not await transitions.advance(db, given_up, "fetch")
        assert not await transitions.release(db, given_up, "fetch", at, at)
        assert (
            await transitions.finish(db, given_up, {"status": "failed", "finished_at": at}) is None
        )
    assert await store.get(db, holder.id) == holder
    assert await transitions.advance(db, holder, "fetch")


async def test_a_decision_is_about_the_phases_that_it_names(db: Db) -> None:
    followed = job("processing", "poll")
    await store.insert(db, followed)
    late = TimedOut("timed_out")
    decided = await transitions.end(
        db, followed.id, ["needs_review"], now(), cost_micro=None, error=late
    )
    assert decided is None
    assert await store.get(db, followed.id) == followed


async def test_a_generation_keeps_the_providers_job_that_it_has(db: Db) -> None:
    ended = job("failed", "done")
    await store.insert(db, ended)
    assert await transitions.name_provider_id(db, ended.id, "first")
    assert not await transitions.name_provider_id(db, ended.id, "second")
    assert await transitions.name_provider_id(db, ended.id, "first")
    row = await store.get(db, ended.id)
    assert row is not None
    assert row.provider_id == "first"


async def test_the_user_with_the_fewest_jobs_under_way_goes_first(db: Db) -> None:
    at = now()
    for number in range(10):
        await store.insert(
            db, job(user_id="ana", kind="image", run_at=at - timedelta(seconds=100 - number))
        )
    (first,) = await transitions.claim_submits(db, "w", at, at + timedelta(seconds=60), 1)
    await store.insert(db, job(user_id="ben", kind="image", run_at=at))
    (second,) = await transitions.claim_submits(db, "w", at, at + timedelta(seconds=60), 1)
    assert (first.user_id, second.user_id) == ("ana", "ben")


async def test_the_position_in_the_queue_is_the_order_of_the_claims(db: Db) -> None:
    at = now()
    owners = {"ana": 3, "ben": 2, "cleo": 1}
    for age, (user, jobs) in enumerate(owners.items()):
        for number in range(jobs):
            await store.insert(
                db,
                job(
                    user_id=user,
                    kind="image",
                    run_at=at - timedelta(seconds=100 - 10 * age - number),
                ),
            )
    refused = job(user_id="dan", kind="image", run_at=at + timedelta(seconds=5))
    await store.insert(db, refused)
    ids = [row["id"] for row in await db.fetch("SELECT id FROM generations")]
    said = await transitions.queue_positions(db, ids, at)
    taken = [
        (await transitions.claim_submits(db, "w", at, at + timedelta(seconds=60), 1))[0]
        for _ in range(sum(owners.values()))
    ]
    assert [one.user_id for one in taken] == ["ana", "ben", "cleo", "ana", "ben", "ana"]
    assert said.pop(refused.id) == 4, "tried again later, it is still dan's first"
    assert [one.id for one in taken] == sorted(said, key=said.__getitem__)
    assert await transitions.queue_positions(db, ids, at) == {refused.id: 1}, (
        "whoever is taken waits no more"
    )


async def test_nobody_gets_more_places_than_the_limit(db: Db) -> None:
    at = now()
    until = at + timedelta(seconds=60)
    for kind in ("image", "video"):
        for _ in range(5):
            await store.insert(db, job(kind=kind))
    taken = await transitions.claim_submits(db, "w", now(), until, 50)
    assert (
        sorted(one.kind for one in taken)
        == ["image"] * transitions.IMAGES_PER_USER + ["video"] * transitions.VIDEOS_PER_USER
    )
    assert await transitions.claim_submits(db, "w", now(), until, 50) == []
    video = next(one for one in taken if one.kind == "video")
    assert await transitions.advance(db, video, "submitting", status="processing")
    assert await transitions.release(db, video, "poll", until, at)
    assert await transitions.claim_submits(db, "w", now(), until, 50) == [], (
        "a video that is followed keeps its place"
    )
    (followed,) = await transitions.claim(db, ("poll",), "w", until, until, 5)
    await transitions.finish(db, followed, {"status": "failed", "finished_at": at})
    found = [one.kind for one in await transitions.claim_submits(db, "w", now(), until, 50)]
    assert found == ["video"]


@pytest.mark.parametrize("phase", ["submitting", "poll", "fetch"])
async def test_a_cancelled_job_keeps_its_place_until_it_ends_at_the_provider(
    db: Db, phase: Phase
) -> None:
    at = now()
    until = at + timedelta(seconds=60)
    given_up = [
        job("cancelled", phase, lease_token="w", run_at=until)
        for _ in range(transitions.VIDEOS_PER_USER)
    ]
    for one in (*given_up, *(job(run_at=at) for _ in range(3))):
        await store.insert(db, one)
    assert await transitions.claim_submits(db, "w", at, until, 50) == []
    await transitions.finish(db, given_up[0], {"status": "failed", "finished_at": at})
    assert len(await transitions.claim_submits(db, "w", at, until, 50)) == 1


async def test_workers_that_claim_at_the_same_moment_never_get_the_same_job(
    postgres_url: str,
) -> None:
    """Each worker has its own connections and claims random numbers until nothing is left."""
    dbs = [await open_db(postgres_url) for _ in range(2)]
    try:
        at = now()
        until = at + timedelta(seconds=60)
        jobs = [
            job(user_id=f"user-{number % 7}", kind=random.choice(["image", "video"]), run_at=at)
            for number in range(60)
        ]
        for one in jobs:
            await store.insert(dbs[0], one)

        async def work(name: str, db: Db) -> list[str]:
            taken = []
            for _ in range(40):
                for one in await transitions.claim_submits(
                    db, name, at, until, random.randint(1, 5)
                ):
                    taken.append(one.id)
                    assert await transitions.advance(db, one, "submitting", status="processing")
                    assert await transitions.finish(
                        db, one, {"status": "failed", "finished_at": at}
                    )
            return taken

        found = await asyncio.gather(
            *(work(f"w{number}", db) for number, db in enumerate(dbs) for _ in range(2))
        )
        assert sorted(one for taken in found for one in taken) == sorted(one.id for one in jobs)
    finally:
        for db in dbs:
            await db.close()
