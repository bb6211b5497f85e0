"""kill -9 of the api at each named point of a job, and a start after it: paid at most once, right money, never lost without a word."""

import contextlib
import time
from typing import Any

import httpx
import pytest

from api.fault_points import VARIABLE, FaultPoint
from tests.e2e.people import Account
from tests.sandbox_server import Sandbox
from tests.stack import Stack, running_stack

pytestmark = pytest.mark.timeout(240)

# What is found after the start, and how often the provider was paid. Before the intent is committed nothing was sent; after it nothing is
# sent again, and a result that was not recorded is lost with its process: an image is not charged, a video waits for the operator.
POINTS: list[tuple[str, FaultPoint, str, int]] = [
    ("image", "accepted", "completed", 1),
    ("image", "submitting", "failed", 0),
    ("image", "answered", "failed", 1),
    ("image", "kept", "failed", 1),
    ("image", "finished", "completed", 1),
    ("video", "submitting", "needs_review", 0),
    ("video", "answered", "needs_review", 1),
    ("video", "kept", "completed", 1),
]


def died(stack: Stack) -> None:
    end = time.monotonic() + 60
    while stack.alive("api"):
        assert time.monotonic() < end, "the point was not reached"
        time.sleep(0.02)


def ended(account: Account, job: dict[str, Any]) -> dict[str, Any]:
    end = time.monotonic() + 90
    while job["status"] in {"queued", "processing"} and not job["needs_review"] and time.monotonic() < end:
        job = account.get(f"/generations/{job['id']}")
        time.sleep(0.02)
    return job


def test_no_kill_pays_twice_or_loses_a_job() -> None:
    env = {"SANDBOX_IMAGE_SECONDS": "0.1", "SANDBOX_VIDEO_SECONDS": "0.1"}
    with running_stack(extra_env=env, without=frozenset({"web"})) as stack:
        account = Account(stack)
        sandbox = Sandbox(stack.sandbox_url)
        spent, held = 0.0, 0.0
        for kind, point, found, paid in POINTS:
            case = f"{kind}-{point}"
            calls = len([call for call in sandbox.calls() if call["method"] == "POST"])
            stack.kill("api")
            stack.start("api", extra_env={VARIABLE: point})
            headers = {"Idempotency-Key": case, "Prefer": "respond-async"}
            with contextlib.suppress(httpx.HTTPError):  # it may die before or after its answer
                account.http.post(f"/generate/{kind}", json={"prompt": "a fox"}, headers=headers)
            died(stack)
            stack.start("api")
            repeated = account.http.post(f"/generate/{kind}", json={"prompt": "a fox"}, headers=headers).raise_for_status()
            job = ended(account, repeated.json())
            assert len([call for call in sandbox.calls() if call["method"] == "POST"]) - calls == paid, case
            assert ("needs_review" if job["needs_review"] else job["status"]) == found, case
            assert len([one for one in account.jobs() if one["id"] == job["id"]]) == 1
            spent += float(job["cost_usd"] or 0)
            held += float(job["estimate_usd"]) if job["needs_review"] else 0.0
            me = account.get("/users/me")
            assert (float(me["spent_usd"]), float(me["held_usd"])) == pytest.approx((spent, held), abs=1e-6), case
        assert len(account.jobs()) == len(POINTS)
        account.close()
