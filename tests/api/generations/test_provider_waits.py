"""Jobs that the provider refused without doing anything wait for it; jobs that it may have done are
never sent again."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.db import Db
from api.generations import store, transitions
from api.generations.making import provider_waits, steps
from api.ids import now
from api.provider import breaker
from api.provider.types import ProviderError
from sandbox.faults import Fault
from tests.api.generations.conftest import QUICK, settings_of
from tests.api.generations.test_jobs import SEEDREAM, finished, money, until
from tests.api.generations.test_states import job
from tests.api.harness import Api, running_api
from tests.sandbox_server import Sandbox, sandbox_server

ASKED = {"prompt": "x", "model": SEEDREAM}
LATER = {"Prefer": "respond-async"}


@pytest.fixture
def database(postgres_url: str) -> str:
    return postgres_url


@pytest.fixture(autouse=True)
def quick_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_waits, "FIRST", 0.01)
    monkeypatch.setattr(provider_waits, "LONGEST", 0.05)


@pytest.fixture
async def admin(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with await api.admin() as client:
        yield client


async def waits(api: Api, generation_id: str, tries: int = 1) -> store.Generation:
    """Wait until the provider has refused the job so many times, and return the row."""
    while True:
        row = await store.get(api.services.db, generation_id)
        assert row is not None
        if row.waits_for_provider and row.lease_token is None and row.tries >= tries:
            return row
        with api.services.wake.listen(f"generation:{generation_id}") as listener:
            await listener.wait(0.2)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(call="images", kind="status", status=429, times=8),
        Fault(call="images", kind="status", status=502, times=8, retry_after=0),
        Fault(call="images", kind="status", status=503, times=8, retry_after=0),
        Fault(call="images", kind="status", status=402, times=2, retry_after=1),
    ],
)
async def test_a_job_that_was_not_done_waits_however_often_it_was_tried(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox, fault: Fault
) -> None:
    sandbox.break_with(fault)
    made = (await user.post("/generate/image", json=ASKED, headers=LATER)).json()
    await waits(api, made["id"])
    done = await finished(api, made)
    assert (done["status"], done["waiting"]) == ("completed", None), done["error"]
    refused = [call["status"] for call in sandbox.calls("images")]
    assert (len(refused), refused[-1]) == ((fault.times or 0) + 1, 200)
    assert await money(user) == (done["cost_usd"], "0.000000")


async def test_jobs_outlive_a_provider_that_is_away(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens for more tries than count elsewhere; then the provider is back at the same
    address."""
    monkeypatch.setattr(breaker, "FIRST_PAUSE", timedelta(milliseconds=50))
    with sandbox_server() as first:
        settings: dict[str, Any] = {**settings_of(database), "openrouter_base_url": first.url}
        async with running_api(tmp_path, first, times=QUICK, **settings) as api:
            user = await api.user()
            first.stop()
            made = [
                (await user.post("/generate/image", json=ASKED, headers=LATER)).json()
                for _ in range(3)
            ]
            video = (await user.post("/generate/video", json={"prompt": "waves"})).json()
            for one in (*made, video):
                await waits(api, one["id"], steps.SUBMIT_TRIES_MAX)
            shown = (await user.get(f"/generations/{video['id']}")).json()
            seen = (shown["status"], shown["waiting"], shown["started_at"], shown["error"])
            assert seen == ("queued", "provider", None, None)
            found = (await user.get(f"/generate/video/{video['id']}/status")).json()["waiting"]
            assert found == "provider"
            with sandbox_server(int(first.origin.rpartition(":")[2])) as second:
                ended = [await finished(api, one) for one in (*made, video)]
                assert [one["status"] for one in ended] == ["completed"] * 4, [
                    one["error"] for one in ended
                ]
                assert len(second.calls("images")) + len(second.calls("videos.submit")) == 4, (
                    "each was sent once"
                )


async def test_without_credit_the_queue_stands_still_the_admin_is_told_and_jobs_keep_their_hold(
    api: Api, user: httpx.AsyncClient, admin: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="images", kind="status", status=402))
    made = [
        (await user.post("/generate/image", json=ASKED, headers=LATER)).json() for _ in range(2)
    ]
    for one in made:
        await waits(api, one["id"], tries=3)
    assert len(sandbox.calls("images")) <= 3, (
        "while it is known that there is no credit only one job tries"
    )
    assert (await money(user))[1] == f"{2 * float(made[0]['estimate_usd']):.6f}"
    warnings = (await admin.get("/admin/warnings")).json()["items"]
    assert [(each["code"], each["count"]) for each in warnings] == [("provider_out_of_credit", 2)]
    cancelled = (await user.post(f"/generations/{made[1]['id']}/cancel")).json()
    assert (cancelled["status"], cancelled["waiting"]) == ("cancelled", None)
    sandbox.break_with()
    done = await finished(api, made[0])
    assert done["status"] == "completed", done["error"]
    assert (await admin.get("/admin/warnings")).json()["items"] == []


async def test_waiting_ends_with_its_cause_and_without_a_charge(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_waits, "PATIENCE", 0.3)
    monkeypatch.setattr(breaker, "FAILURES", 10_000)  # it would be the cause of the last refusal
    sandbox.break_with(Fault(call="images", kind="status", status=503))
    failed = await finished(
        api, (await user.post("/generate/image", json=ASKED, headers=LATER)).json()
    )
    seen = (failed["status"], failed["error"]["reason"], failed["error"]["charged_usd"])
    assert seen == ("failed", "overloaded", "0.000000")
    assert await money(user) == ("0.000000", "0.000000")
    sandbox.break_with(Fault(call="images", kind="status", status=429, retry_after=3600))
    before = len(sandbox.calls("images"))
    failed = await finished(
        api, (await user.post("/generate/image", json=ASKED, headers=LATER)).json()
    )
    assert (failed["error"]["reason"], len(sandbox.calls("images")) - before) == ("busy", 1), (
        "the provider has said that it is of no use"
    )


def refusal(**facts: Any) -> ProviderError:
    return ProviderError(
        facts.pop("code", "provider_unavailable"),
        facts.pop("reason", "provider_failed"),
        **{"outcome": "refused", **facts},
    )


@pytest.mark.parametrize(
    ("error", "may"),
    [
        (refusal(outcome="not_sent", reason="unreachable"), True),
        (refusal(status=500), True),
        (refusal(status=429, code="rate_limited"), True),
        (refusal(status=402, code="provider_out_of_credit"), True),
        (refusal(status=403, code="provider_out_of_credit"), True),
        (refusal(outcome="unknown", status=502), False),
        (refusal(status=502, cost_micro=7), False),
        (refusal(status=200, reason="unusable_image"), False),
        (refusal(status=200, reason="no_image"), False),
        (refusal(status=401, reason="key_refused"), False),
        (refusal(status=503, code="content_refused"), False),
        (refusal(outcome="not_sent", code="invalid_request"), False),
    ],
)
def test_only_what_proves_that_nothing_was_done_waits(error: ProviderError, may: bool) -> None:
    assert provider_waits.may_wait(error) is may


async def test_a_job_that_waits_holds_no_place(db: Db) -> None:
    at = now()
    for _ in range(transitions.VIDEOS_PER_USER):
        await store.insert(db, job(run_at=at + timedelta(seconds=20), followed_ms=7, tries=5))
    await store.insert(db, job(run_at=at))
    assert len(await transitions.claim_submits(db, "w", at, at + timedelta(seconds=60), 5)) == 1


async def test_a_user_over_the_limit_is_stopped_before_the_next_paid_call(
    api: Api, user: httpx.AsyncClient, admin: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """Three jobs are under way at once, and cost far more than was held for them."""
    sandbox.break_with(image=30)
    for _ in range(transitions.IMAGES_PER_USER):
        taken = (await user.post("/generate/image", json=ASKED, headers=LATER)).json()
        row = await until(api, taken["id"], phase="submitting")
    mine = (await user.post("/generate/image", json=ASKED, headers=LATER)).json()
    calls = len(sandbox.calls("images"))
    me = (await user.get("/users/me")).json()
    async with api.services.db.transaction() as sql:
        await transitions.finish(sql, row, {"status": "failed", "finished_at": now()})
        await api.services.budget.settle(
            sql,
            row.hold_id,
            cost_micro=int(float(me["monthly_usd"]) * 1e6),
            kind="image",
            model=row.model,
        )
    api.services.wake.ring("worker")
    failed = await finished(api, mine)
    seen = (failed["status"], failed["error"]["code"], failed["error"]["charged_usd"])
    assert seen == ("failed", "budget_exceeded", "0.000000")
    assert len(sandbox.calls("images")) == calls
    assert await money(user) == (me["monthly_usd"], f"{2 * float(mine['estimate_usd']):.6f}"), (
        "only what is under way is held"
    )
