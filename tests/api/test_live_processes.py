"""Apis and workers know how many they are, and a dead one's answers may be asked again."""

import asyncio
from pathlib import Path

import pytest

from api import live_processes
from api.budget.service import BudgetService
from api.db import Db
from api.duties import Duties
from api.generations.making.poll_pace import Pace
from api.ids import now
from api.leases import Leases
from api.live_processes import LiveProcesses
from api.text import dead_answers, idempotency, service
from api.text.desk import SUBJECT
from tests.api.harness import running_api
from tests.sandbox_server import Sandbox


async def killed(db: Db, processes: LiveProcesses) -> None:
    query = "UPDATE leases SET held_until = now() - INTERVAL '1 second' WHERE name = $1"
    await db.execute(query, processes.name)


async def test_processes_know_how_many_of_them_make_generations(db: Db) -> None:
    leases = Leases(db)
    api, one, other = (LiveProcesses(leases, role) for role in ("api", "worker", "worker"))
    for each in (api, one, other, api):
        await each.turn()
    assert api.workers == 2
    await one.close()
    await api.turn()
    assert api.workers == 1


def test_workers_share_the_rate_of_polls() -> None:
    pace = Pace(40.0)
    pace.take(40)
    pace.share(10)
    assert pace._rate == 4.0
    pace.share(1)
    assert pace._rate == 40.0


async def test_a_process_is_dead_when_it_was_missing_for_a_while(db: Db) -> None:
    """After an outage of the database all of them are missing at first."""
    one, other = LiveProcesses(Leases(db), "api"), LiveProcesses(Leases(db), "api")
    await one.turn()
    await other.turn()
    names = [one.name, other.name]
    assert await one.dead(names) == []
    await killed(db, other)
    assert await one.dead(names) == []
    assert await one.dead(names, 0.0) == [other.name]
    await other.turn()
    assert await one.dead(names) == []


async def test_an_answer_of_a_dead_process_is_freed_and_one_of_a_living_is_not(
    postgres_url: str, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_answers, "PAID_PATIENCE", 0.0)
    async with (
        running_api(tmp_path, sandbox, database_url=postgres_url) as api,
        await api.user() as user,
    ):
        own = api.services
        user_id = (await user.get("/users/me")).json()["id"]
        dead = LiveProcesses(own.leases, "api")
        await own.processes.turn()
        for name, answer in ((dead.name, "lost"), (own.processes.name, "going on")):
            await hold(own.budget, own.db, user_id, answer, name)
        await own.text.free_dead()
        await own.text.free_dead()
        held = await own.budget.held_by(SUBJECT)
        assert [each.subject for each in held] == [f"{SUBJECT}going on"]
        assert await idempotency.recall(own.db, idempotency.key_of(user_id, "lost")) is None
        kept = await idempotency.recall(own.db, idempotency.key_of(user_id, "going on"))
        assert kept is not None


async def test_an_answer_of_the_process_that_did_the_duties_is_freed_within_a_minute(
    postgres_url: str, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a process that has no duties."""
    longest = live_processes.LEASE + live_processes.PAID_PATIENCE + 2 * service.FREED_EVERY
    assert longest < 60
    monkeypatch.setattr(dead_answers, "PAID_PATIENCE", 0.1)
    monkeypatch.setattr(service, "FREED_EVERY", 0.05)
    async with running_api(tmp_path, sandbox, database_url=postgres_url) as api:
        own = api.services
        monkeypatch.setattr(Duties, "held", False)
        await hold(own.budget, own.db, "ana", "lost", LiveProcesses(own.leases, "api").name)
        for _ in range(400):
            if not await own.budget.held_by(SUBJECT):
                break
            await asyncio.sleep(0.05)
        assert await own.budget.held_by(SUBJECT) == []


async def hold(budget: BudgetService, db: Db, user_id: str, answer: str, process: str) -> None:
    async with db.transaction() as sql:
        key = idempotency.key_of(user_id, answer)
        await idempotency.claim(sql, [idempotency.Claim(key, "hash", SUBJECT + answer)], now())
        await budget.reserve(
            sql,
            user_id=user_id,
            monthly_micro=1_000_000,
            group="users",
            amount=1000,
            subject=SUBJECT + answer,
            process=process,
        )
