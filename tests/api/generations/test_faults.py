"""Faults at the provider, in the worker or between them: the user gets a sentence, nothing is paid
twice, failures are free, and nothing is lost."""

import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.db.open import open_db
from api.generations import store
from api.generations.making import polls, provider_waits, steps
from api.ids import now
from api.provider.shared_pauses import LonePauses
from api.provider.types import ProviderError
from sandbox.faults import Fault
from tests.api.auth.account_services import one_engine
from tests.api.conftest import WEBHOOK_SECRET
from tests.api.generations.conftest import QUICK, settings_of
from tests.api.generations.test_jobs import SEEDREAM, finished, money, until
from tests.api.harness import Api, running_api
from tests.sandbox_server import Sandbox


@pytest.fixture
def database(postgres_url: str) -> str:
    """Use one engine: the faults are outside the database, and the writes are tried on both
    elsewhere."""
    return postgres_url


def paid_calls(sandbox: Sandbox) -> int:
    return len([call for call in sandbox.calls() if call["method"] == "POST"])


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the waits between tries, and keep them too few for the breaker to replace the
    provider's error."""
    monkeypatch.setattr(provider_waits, "FIRST", 0.06)
    monkeypatch.setattr(provider_waits, "PATIENCE", 0.2)


def refusal(status: int) -> Fault:
    return Fault(call="images", kind="status", status=status)


@pytest.mark.parametrize(
    ("fault", "status", "code", "reason"),
    [
        (refusal(502), 502, "provider_unavailable", "provider_failed"),
        (refusal(503), 502, "provider_unavailable", "overloaded"),
        (refusal(401), 502, "provider_unavailable", "key_refused"),
        (refusal(402), 502, "provider_out_of_credit", "out_of_credit"),
        (refusal(403), 422, "content_refused", "safety"),
        (Fault(call="images", kind="garbage"), 502, "outcome_unknown", "unreadable_answer"),
        (Fault(call="images", kind="empty"), 502, "provider_unavailable", "no_image"),
        (Fault(call="images", kind="lost"), 502, "outcome_unknown", "connection_lost"),
        (Fault(call="images", kind="drop"), 502, "outcome_unknown", "connection_lost"),
    ],
)
async def test_a_failed_image_says_why_and_costs_nothing(
    user: httpx.AsyncClient,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
    status: int,
    code: str,
    reason: str,
) -> None:
    sandbox.break_with(fault)
    answer = await user.post("/generate/image", json={"prompt": "x", "model": SEEDREAM})
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert (problem["code"], problem["reason"]) == (code, reason)
    assert problem.get("charged_usd") == (None if code == "outcome_unknown" else "0.000000")
    assert len(answer.json()["detail"]) > 20
    assert await money(user) == ("0.000000", "0.000000")
    sandbox.reset()
    monkeypatch.setattr(provider_waits, "PATIENCE", 900.0)
    again = await user.post("/generate/image", json={"prompt": "x", "model": SEEDREAM})
    assert again.status_code == 200, "a retry by the user works"


async def test_a_busy_provider_is_asked_again_and_the_user_only_waits(
    user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="images", kind="status", status=429, retry_after=0, times=2))
    answer = await user.post("/generate/image", json={"prompt": "x", "model": SEEDREAM})
    assert answer.status_code == 200, answer.text


async def test_a_provider_that_is_down_fails_the_job_with_a_sentence(
    tmp_path: Path, sandbox: Sandbox, database: str
) -> None:
    async with running_api(tmp_path, sandbox, **settings_of(database)) as api:
        user = await api.user()
        models = await user.get("/models")
        assert models.json()
    # nobody listens there; the models are known already
    away = Sandbox("http://127.0.0.1:9")
    async with running_api(tmp_path, away, refresh=False, **settings_of(database)) as api:
        login = await api.client.post(
            "/auth/login",
            json={"email": "ana@example.org", "password": "correct horse battery staple"},
        )
        user = api.signed(login.json()["access_token"])
        answer = await user.post("/generate/image", json={"prompt": "x"})
        assert (answer.status_code, answer.json()["code"]) == (502, "provider_unavailable")
        assert await money(user) == ("0.000000", "0.000000")
        ready = (await api.client.get("/readyz")).json()
        assert (ready["ready"], ready["checks"]["provider"]["ok"]) == (True, False)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(call="videos.status", kind="status", status=500, times=1),
        Fault(call="videos.status", kind="garbage", times=1),
        Fault(call="videos.status", kind="drop", times=1),
        Fault(call="videos.content", kind="status", status=401, times=1),
        Fault(call="videos.content", kind="status", status=402, times=1),
        Fault(call="videos.content", kind="status", status=502, times=1),
        Fault(call="videos.content", kind="cut", times=1),
        Fault(call="videos.content", kind="garbage", times=1),
    ],
)
async def test_a_video_that_is_paid_arrives_in_spite_of(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox, fault: Fault
) -> None:
    sandbox.break_with(fault)
    made = (await user.post("/generate/video", json={"prompt": "waves"})).json()
    assert (await finished(api, made))["status"] == "completed"
    assert len(sandbox.calls("videos.submit")) == 1


@pytest.mark.parametrize("state", ["failed", "expired", "cancelled"])
async def test_a_video_that_fails_at_the_provider_is_not_charged(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox, state: str
) -> None:
    sandbox.break_with(Fault(call="videos.job", kind="ends_as", value=state))
    made = await finished(
        api, (await user.post("/generate/video", json={"prompt": "waves"})).json()
    )
    assert made["status"] == "failed"
    assert made["error"]["reason"] == ("timed_out" if state == "expired" else "provider_failed")
    assert await money(user) == ("0.000000", "0.000000")


async def test_a_lost_submit_answer_is_never_sent_again_and_waits_for_the_operator(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="videos.submit", kind="lost"))
    made = (await user.post("/generate/video", json={"prompt": "waves"})).json()
    await until(api, made["id"], phase="needs_review")
    seen = (await user.get(f"/generations/{made['id']}")).json()
    assert (seen["status"], seen["needs_review"], seen["error"]) == ("processing", True, None)
    assert (await user.get(f"/generate/video/{made['id']}/status")).json()["needs_review"]
    assert paid_calls(sandbox) == 1
    assert await money(user) == ("0.000000", made["estimate_usd"]), (
        "the hold stays until it is known"
    )


async def test_a_job_cancelled_during_its_submit_is_not_tried_again(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(image=30)
    made = (
        await user.post(
            "/generate/image", json={"prompt": "x"}, headers={"Prefer": "respond-async"}
        )
    ).json()
    row = await until(api, made["id"], phase="submitting")
    assert (await user.post(f"/generations/{made['id']}/cancel")).json()["status"] == "cancelled"
    services = api.services
    worker = steps.Steps(
        services.db,
        services.wake,
        services.provider,
        services.catalog,
        services.budget,
        services.users,
        services.media,
        services.announcer,
        None,
        LonePauses(),
    )
    await worker.submit_failed(
        row, ProviderError("rate_limited", "busy", outcome="refused", status=429, retry_after=0)
    )
    after = await store.get(services.db, row.id)
    assert after is not None
    assert (after.status, after.phase) == ("cancelled", "done")
    assert await money(user) == ("0.000000", "0.000000")


async def test_a_stale_workers_write_changes_nothing(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """Another worker took the job meanwhile: the result, money and delivery of the first are not
    written."""
    sandbox.break_with(image=1)
    made = (
        await user.post(
            "/generate/image", json={"prompt": "x"}, headers={"Prefer": "respond-async"}
        )
    ).json()
    row = await until(api, made["id"], phase="submitting")
    await api.services.db.execute(
        "UPDATE generations SET attempt = attempt + 1, lease_token = 'another' WHERE id = $1",
        row.id,
    )
    with api.services.wake.listen("worker") as listener:
        await listener.wait(10)
    after = await store.get(api.services.db, row.id)
    assert after is not None
    assert (after.status, after.lease_token, after.cost_micro) == ("processing", "another", None)
    assert (await money(user))[0] == "0.000000"


async def left_behind(database: str, generation_id: str, **columns: object) -> None:
    """Leave the row as a killed process does: leased in the middle of a phase, with the lease
    over."""
    db = await open_db(database)
    sets = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, 3))
    query = (
        "UPDATE generations SET lease_token = 'dead', attempt = attempt + 1, run_at = $2, "
        f"{sets} WHERE id = $1"
    )
    await db.execute(query, generation_id, now(), *columns.values())
    await db.close()


@pytest.mark.parametrize(
    "columns",
    [
        {"phase": "submit", "status": "queued", "provider_id": None},
        {"phase": "poll"},
        {"phase": "fetch"},
    ],
)
async def test_a_job_found_after_a_crash_goes_on(
    tmp_path: Path, sandbox: Sandbox, database: str, columns: dict[str, object]
) -> None:
    sandbox.break_with(video=2)
    async with running_api(tmp_path, sandbox, times=QUICK, **settings_of(database)) as api:
        user = await api.user()
        made = (await user.post("/generate/video", json={"prompt": "waves"})).json()
        await until(api, made["id"], phase="poll")
    await left_behind(database, made["id"], **columns)
    async with running_api(tmp_path, sandbox, times=QUICK, **settings_of(database)) as api:
        assert (await finished(api, made))["status"] == "completed"


async def test_a_job_found_in_the_middle_of_its_paid_call_is_not_sent_again(
    tmp_path: Path, sandbox: Sandbox, database: str
) -> None:
    async with running_api(tmp_path, sandbox, times=QUICK, **settings_of(database)) as api:
        user = await api.user()
        made = (await user.post("/generate/image", json={"prompt": "x"})).json()
    calls = paid_calls(sandbox)
    await left_behind(
        database, made["id"], phase="submitting", status="processing", finished_at=None
    )
    async with running_api(tmp_path, sandbox, times=QUICK, **settings_of(database)) as api:
        failed = await finished(api, made)
        assert (failed["status"], failed["error"]["code"]) == ("failed", "outcome_unknown")
    assert paid_calls(sandbox) == calls


async def test_nothing_is_bought_for_a_person_who_is_over_the_limit_by_then(
    tmp_path: Path, sandbox: Sandbox, database: str
) -> None:
    async with running_api(tmp_path, sandbox, worker="off", **settings_of(database)) as api:
        user = await api.user()
        ask = {"prompt": "x"}
        made = await user.post("/generate/image", json=ask, headers={"Prefer": "respond-async"})
        await api.services.db.execute("UPDATE users SET monthly_micro = 1")
        second = await user.post("/generate/image", json=ask)
        assert (second.status_code, second.json()["reason"]) == (402, "budget_own")
    calls = paid_calls(sandbox)
    async with running_api(tmp_path, sandbox, times=QUICK, **settings_of(database)) as api:
        failed = await finished(api, made.json())
        assert (failed["status"], failed["error"]["reason"]) == ("failed", "budget_spent")
        assert await api.services.db.fetch("SELECT id FROM holds WHERE state = 'held'") == []
    assert paid_calls(sandbox) == calls


async def webhook(
    api: Api,
    row: store.Generation,
    provider_id: str,
    *,
    secret: str = WEBHOOK_SECRET,
    late: float = 0,
) -> httpx.Response:
    body = json.dumps(
        {"type": "video.generation.completed", "data": {"id": provider_id, "status": "completed"}}
    ).encode()
    return await signed(api, row.callback_token or "", body, secret=secret, late=late)


async def signed(
    api: Api, token: str, body: bytes, *, secret: str = WEBHOOK_SECRET, late: float = 0
) -> httpx.Response:
    stamp = str(int(time.time() - late))
    signature = hmac.new(secret.encode(), stamp.encode() + b"," + body, hashlib.sha256).hexdigest()
    headers = {
        "X-OpenRouter-Signature": f"t={stamp},v1={signature}",
        "Content-Type": "application/json",
    }
    return await api.client.post(f"/webhooks/openrouter/{token}", content=body, headers=headers)


HOOKS: dict[str, Any] = {
    "openrouter_webhook_secret": WEBHOOK_SECRET,
    "public_api_url": "http://127.0.0.1:9",
}


async def test_a_webhook_that_came_while_the_answer_was_still_awaited_is_used(
    tmp_path: Path, sandbox: Sandbox, database: str
) -> None:
    async with running_api(tmp_path, sandbox, times=QUICK, **HOOKS, **settings_of(database)) as api:
        user = await api.user()
        made = (await user.post("/generate/video", json={"prompt": "waves"})).json()
        row = await until(api, made["id"], phase="poll")
        await store.add_event(
            api.services.db, f"{row.provider_id}:video.generation.completed", row.id, "{}", now()
        )
    await left_behind(database, made["id"], phase="submitting", provider_id=None)
    async with running_api(tmp_path, sandbox, times=QUICK, **HOOKS, **settings_of(database)) as api:
        assert (await finished(api, made))["status"] == "completed"
    assert len(sandbox.calls("videos.submit")) == 1


async def test_a_webhook_finishes_a_job_long_before_the_next_poll(
    tmp_path: Path, sandbox: Sandbox, database: str
) -> None:
    sandbox.break_with(video=1.5)
    async with running_api(tmp_path, sandbox, times=QUICK, **HOOKS, **settings_of(database)) as api:
        user = await api.user()
        made = (await user.post("/generate/video", json={"prompt": "waves"})).json()
        with api.services.wake.listen("polls") as listener:
            row = await until(api, made["id"], phase="poll")
            while (row.run_at - now()).total_seconds() < polls.POLL_BEHIND_WEBHOOKS / 2:
                await listener.wait(5)
                row = await until(api, made["id"], phase="poll")
        assert (await webhook(api, row, row.provider_id or "")).status_code == 204
        assert (await webhook(api, row, row.provider_id or "")).status_code == 204, (
            "a repeat is fine"
        )
        for _ in range(5):
            done = await api.services.generations.wait(row, 1)
            if done.finished:
                break
            await webhook(api, row, row.provider_id or "")
        assert done.status == "completed"


@one_engine
async def test_a_signed_webhook_that_cannot_be_read_is_refused(
    tmp_path: Path, sandbox: Sandbox, database: str
) -> None:
    bodies = [
        b"[" * 5_000,
        b'{"type":' * 5_000,
        b'{"type": "x\\ud83d", "data": {"id": "gen-1"}}',
        b'{"type": "x\\u0000", "data": {"id": "gen-1"}}',
        b'{"type": "' + b"x" * 10_000 + b'", "data": {"id": "gen-1"}}',
        b'{"type": "x", "data": {"id": "gen-\\udfff"}}',
        b'{"type": "x", "data": {"id": ' + b"9" * 5_000 + b"}}",
        b'{"type": "x", "data": []}',
        b"\xff\xfe",
        b"",
    ]
    async with running_api(tmp_path, sandbox, times=QUICK, **HOOKS, **settings_of(database)) as api:
        for body in bodies:
            answer = await signed(api, "anything", body)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), body[
                :50
            ]
        assert await api.services.db.fetch("SELECT dedupe_key FROM webhook_events") == []


@pytest.mark.parametrize(
    ("secret", "late"), [("wrong", 0), (WEBHOOK_SECRET, 400), (WEBHOOK_SECRET, -400)]
)
async def test_a_webhook_that_is_not_the_providers_is_refused(
    tmp_path: Path, sandbox: Sandbox, database: str, secret: str, late: float
) -> None:
    async with running_api(tmp_path, sandbox, times=QUICK, **HOOKS, **settings_of(database)) as api:
        user = await api.user()
        made = (await user.post("/generate/video", json={"prompt": "waves"})).json()
        row = await until(api, made["id"], phase="poll")
        assert (await webhook(api, row, "gen-vid-1", secret=secret, late=late)).status_code == 401
        assert await api.services.db.fetch("SELECT dedupe_key FROM webhook_events") == []
