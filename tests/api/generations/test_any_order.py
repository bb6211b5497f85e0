"""The store's real writes in any order by several workers, operators, webhooks and users; the
promises hold after each one."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, get_args

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from api.budget.service import BudgetService
from api.db import Db
from api.db.open import open_db
from api.deliveries.outbox import DeliveryOutbox
from api.deliveries.store import DeliveryTarget
from api.errors import TimedOut
from api.generations import states, store, transitions
from api.generations.states import MOVES, Phase
from api.generations.store import Generation
from api.ids import now
from api.wake import Wake
from tests.api.generations.test_states import job, reachable

T = TypeVar("T")
FOLLOWED: tuple[Phase, ...] = ("submitting", "submit_unknown", "poll", "fetch")
CHAT = DeliveryTarget("terminal", "c1")


class Jobs(RuleBasedStateMachine):
    """Jobs under random writes. `leases` are jobs as workers remember them, also long after they
    lost them."""

    loop: asyncio.AbstractEventLoop
    db: Db
    leases = Bundle("leases")

    @initialize()
    def open(self) -> None:
        for table in ("generations", "holds", "ledger", "budgets", "deliveries"):
            self.run(self.db.execute(f"DELETE FROM {table}"))
        self.budget = BudgetService(self.db)
        self.outbox = DeliveryOutbox(self.db, Wake())
        self.paid: dict[str, int] = {}
        self.seen: dict[str, states.State] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @rule(kind=st.sampled_from(["image", "video"]), user=st.sampled_from(["ana", "ben"]))
    def accept(self, kind: str, user: str) -> None:
        async def work() -> None:
            new = job(kind=kind, user_id=user)
            async with self.db.transaction() as sql:
                hold = await self.budget.reserve(
                    sql,
                    user_id=user,
                    monthly_micro=10**9,
                    group="users",
                    amount=100,
                    subject=f"generation:{new.id}",
                )
                await store.insert(
                    sql,
                    Generation(
                        **{
                            **{n: getattr(new, n) for n in new.__dataclass_fields__},
                            "hold_id": hold,
                        }
                    ),
                )

        self.run(work())

    @rule(
        target=leases,
        worker=st.sampled_from(["w1", "w2"]),
        late=st.booleans(),
        follow=st.booleans(),
    )
    def claim(self, worker: str, late: bool, follow: bool) -> Generation | None:
        """Claim a job; with `late` the leases of others are over, as if they had died."""
        at = now() + timedelta(seconds=61 if late else 0)
        lapsed = [key[0] for key in self.run(transitions.over(self.db, at))]
        if follow:
            taken = self.run(
                transitions.claim(
                    self.db, FOLLOWED, worker, at, at + timedelta(seconds=60), 1, lapsed
                )
            )
        else:
            taken = self.run(
                transitions.claim_submits(
                    self.db, worker, at, at + timedelta(seconds=60), 1, lapsed
                )
            )
        return taken[0] if taken else None

    @rule(lease=leases)
    def submit(self, lease: Generation | None) -> None:
        if lease is not None and self.run(
            transitions.advance(self.db, lease, "submitting", status="processing")
        ):
            self.paid[lease.id] = self.paid.get(lease.id, 0) + 1

    @rule(
        lease=leases,
        phase=st.sampled_from(
            [phase for phase in get_args(Phase) if phase not in {"done", "submitting", "submit"}]
        ),
    )
    def release(self, lease: Generation | None, phase: Phase) -> None:
        if lease is not None:
            self.run(transitions.release(self.db, lease, phase, now(), now()))

    @rule(lease=leases)
    def refused(self, lease: Generation | None) -> None:
        """Release a job that the provider refused before it did anything: this call was not
        paid."""
        if (
            lease is not None
            and self.run(
                transitions.release(self.db, lease, "submit", now(), now(), status="queued")
            )
            and self.paid.get(lease.id)
        ):
            self.paid[lease.id] -= 1

    @rule(lease=leases, ok=st.booleans())
    def finish(self, lease: Generation | None, ok: bool) -> None:
        async def work() -> None:
            assert lease is not None
            async with self.db.transaction() as sql:
                outcome = {
                    "status": "completed" if ok else "failed",
                    "cost_micro": 70 if ok else None,
                    "finished_at": now(),
                }
                ended = await transitions.finish(sql, lease, outcome)
                if ended is None:
                    return
                if ok:
                    await self.budget.settle(
                        sql, lease.hold_id, cost_micro=70, kind=lease.kind, model=lease.model
                    )
                else:
                    await self.budget.release(sql, lease.hold_id)
                if ended[0] != "cancelled":
                    await self.outbox.announce(sql, lease.id, CHAT, f"generation_{ended[0]}")

        if lease is not None:
            self.run(work())

    @rule(pick=st.integers(0, 5))
    def cancel(self, pick: int) -> None:
        async def work(row: Generation) -> None:
            async with self.db.transaction() as sql:
                if await transitions.cancel_unsubmitted(sql, row.id, now()):
                    await self.budget.release(sql, row.hold_id)
                elif not await transitions.cancel_submitted(sql, row.id, now()):
                    return
                await self.outbox.announce(sql, row.id, CHAT, "generation_failed")

        if (row := self.row(pick)) is not None:
            self.run(work(row))

    @rule(pick=st.integers(0, 5), adopt=st.booleans())
    def webhook(self, pick: int, adopt: bool) -> None:
        if (row := self.row(pick)) is not None:
            if adopt:
                self.run(transitions.adopt_provider_id(self.db, row.id, "p", now()))
            self.run(transitions.nudge(self.db, row.id, now()))

    @rule(pick=st.integers(0, 5), charged=st.booleans(), late=st.booleans())
    def resolve(self, pick: int, charged: bool, late: bool) -> None:
        async def work(row: Generation) -> None:
            phases: tuple[Phase, ...] = (
                ("poll", "fetch") if late else ("submit_unknown", "needs_review")
            )
            async with self.db.transaction() as sql:
                ended = await transitions.end(
                    sql,
                    row.id,
                    phases,
                    now(),
                    cost_micro=100 if charged else None,
                    error=TimedOut("timed_out"),
                )
                if ended is None:
                    return
                if charged:
                    await self.budget.settle(
                        sql, row.hold_id, cost_micro=100, kind=row.kind, model=row.model
                    )
                else:
                    await self.budget.release(sql, row.hold_id)
                if ended.status == "failed":
                    await self.outbox.announce(sql, row.id, CHAT, "generation_failed")

        if (row := self.row(pick)) is not None:
            self.run(work(row))

    def row(self, pick: int) -> Generation | None:
        ids = [
            each["id"] for each in self.run(self.db.fetch("SELECT id FROM generations ORDER BY id"))
        ]
        return self.run(store.get(self.db, ids[pick % len(ids)])) if ids else None

    @invariant()
    def promises(self) -> None:
        self.run(self.check())

    async def check(self) -> None:
        fetch = self.db.fetch
        for row in await fetch("SELECT id, status, phase FROM generations"):
            state = (row["status"], row["phase"])
            assert state in MOVES
            assert reachable(self.seen.get(row["id"], ("queued", "submit")), state, steps=2), (
                self.seen.get(row["id"]),
                state,
            )
            self.seen[row["id"]] = state
        assert [job_id for job_id, calls in self.paid.items() if calls > 1] == [], "paid for twice"
        held = (
            "SELECT scope, held_micro AS held, spent_micro AS spent FROM budgets "
            "WHERE scope LIKE 'user:%'"
        )
        for row in await fetch(held):
            user = row["scope"].removeprefix("user:")
            holds = await fetch(
                "SELECT amount_micro FROM holds WHERE user_id = $1 AND state = 'held'", user
            )
            entries = await fetch("SELECT amount_micro FROM ledger WHERE user_id = $1", user)
            assert row["held"] == sum(one["amount_micro"] for one in holds)
            assert row["spent"] == sum(one["amount_micro"] for one in entries)
        wrong = await fetch(
            "SELECT g.id FROM generations g JOIN holds h ON h.id = g.hold_id "
            "WHERE (g.phase = 'done') = (h.state = 'held')"
        )
        assert wrong == [], "money is held exactly while a job is not over"
        told = await fetch(
            "SELECT generation_id FROM deliveries GROUP BY generation_id HAVING count(*) > 1"
        )
        assert told == []
        ends = await fetch(
            "SELECT id FROM generations WHERE status IN ('completed', 'failed', 'cancelled')"
        )
        assert len(ends) == len(await fetch("SELECT id FROM deliveries")), (
            "whoever waits is told, once"
        )


@pytest.mark.timeout(600)
def test_the_promises_hold_in_any_order(duckdb_path: Path) -> None:
    Jobs.loop = asyncio.new_event_loop()
    Jobs.db = Jobs.loop.run_until_complete(open_db(duckdb_path))
    steps = settings(
        max_examples=6,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    try:
        run_state_machine_as_test(Jobs, settings=steps)
    finally:
        Jobs.loop.run_until_complete(Jobs.db.close())
        Jobs.loop.close()
