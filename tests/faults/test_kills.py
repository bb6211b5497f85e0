"""kill -9 of the api at each named point of a job, and a start after it: paid at most once, right
money, never lost without a word."""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.fault_points import VARIABLE, FaultPoint
from api.secrets import ensure_secrets
from tests.e2e.people import Account
from tests.sandbox_server import Sandbox
from tests.stack import Stack, running_stack

pytestmark = pytest.mark.timeout(300)

# The job after the start, and how often the provider was paid. Before the intent is committed
# nothing was sent; after it nothing is sent again, and a result that was not recorded is lost with
# its process: an image is not charged, a video waits for the operator.
POINTS: list[tuple[str, FaultPoint, str, int]] = [
    ("image", "accepted", "completed", 1),
    ("image", "submitting", "failed", 0),
    ("image", "answered", "failed", 1),
    ("image", "kept", "failed", 1),
    ("image", "finished", "completed", 1),
    ("video", "accepted", "completed", 1),
    ("video", "submitting", "needs_review", 0),
    ("video", "answered", "needs_review", 1),
    ("video", "kept", "completed", 1),
    ("video", "finished", "completed", 1),
]
SECRET = "a webhook secret of the tests"


@dataclass
class World:
    """The running api and its account; each case ends with the next start of the api."""

    stack: Stack
    account: Account
    sandbox: Sandbox
    armed: Path
    env: Mapping[str, str]
    spent: float = 0.0
    held: float = 0.0
    made: int = field(default=0)

    def paid(self) -> int:
        return len([call for call in self.sandbox.calls() if call["method"] == "POST"])

    def post(self, path: str, case: str) -> httpx.Response:
        headers = {"Idempotency-Key": case, "Prefer": "respond-async"}
        return self.account.http.post(path, json={"prompt": "a fox"}, headers=headers)

    def die(self) -> None:
        """Wait for the death at the armed point, and start the api again."""
        end = time.monotonic() + 60
        while self.stack.alive("api"):
            assert time.monotonic() < end, "the point was not reached"
            time.sleep(0.02)
        self.armed.write_text("")
        self.stack.start("api", extra_env=self.env)

    def restart(self, **env: str) -> None:
        self.stack.kill("api")
        self.env = {**self.env, **env}
        self.stack.start("api", extra_env=self.env)

    def ended(self, job: dict[str, Any]) -> dict[str, Any]:
        end = time.monotonic() + 90
        while (
            job["status"] in {"queued", "processing"}
            and not job["needs_review"]
            and time.monotonic() < end
        ):
            job = self.account.get(f"/generations/{job['id']}")
            time.sleep(0.1)
        return job

    def check(self, case: str, job: dict[str, Any]) -> None:
        """Count one more job, and compare the money of all so far."""
        self.made += 1
        self.spent += float(job["cost_usd"] or 0)
        self.held += float(job["estimate_usd"]) if job["needs_review"] else 0.0
        jobs = self.account.jobs()
        assert (len(jobs), len([one for one in jobs if one["id"] == job["id"]])) == (
            self.made,
            1,
        ), case
        end = time.monotonic() + 10
        # a job tells its cost as soon as the provider does, a moment before it is booked
        while (money := self.money()) != pytest.approx(
            (self.spent, self.held), abs=1e-6
        ) and time.monotonic() < end:
            time.sleep(0.05)
        assert money == pytest.approx((self.spent, self.held), abs=1e-6), case

    def money(self) -> tuple[float, float]:
        me = self.account.get("/users/me")
        return float(me["spent_usd"]), float(me["held_usd"])


def test_no_kill_pays_twice_or_loses_a_job(tmp_path: Path) -> None:
    armed = tmp_path / "point"
    armed.write_text("")
    env = {
        "SANDBOX_IMAGE_SECONDS": "0.1",
        "SANDBOX_VIDEO_SECONDS": "0.1",
        "OPENROUTER_WEBHOOK_SECRET": SECRET,
        VARIABLE: str(armed),
    }
    with running_stack(extra_env=env, without=frozenset({"web"})) as stack:
        world = World(stack, Account(stack), Sandbox(stack.sandbox_url), armed, {})
        for kind, point, found, paid in POINTS:
            made_and_killed(world, kind, point, found, paid)
        cancelled_and_killed(world)
        hooked_and_killed(world)
        erased_and_killed(world)
        answered_and_killed(world)
        world.account.close()


def made_and_killed(world: World, kind: str, point: FaultPoint, found: str, paid: int) -> None:
    case, calls = f"{kind}-{point}", world.paid()
    world.armed.write_text(point)
    with contextlib.suppress(httpx.HTTPError):  # the api may die before or after its answer
        world.post(f"/generate/{kind}", case)
    world.die()
    job = world.ended(world.post(f"/generate/{kind}", case).raise_for_status().json())
    assert world.paid() - calls == paid, case
    assert ("needs_review" if job["needs_review"] else job["status"]) == found, case
    world.check(case, job)


def answered_and_killed(world: World) -> None:
    """Kill the api while it answers: an answer is kept with its cost, or neither, and nothing stays
    held."""
    spent, held = world.money()
    ends: list[tuple[FaultPoint, int]] = [("opened", 0), ("ending", 1), ("ended", 1)]
    for point, asked in ends:
        calls = world.paid()
        world.armed.write_text(point)
        with contextlib.suppress(httpx.HTTPError):
            world.post("/generate/text", f"text-{point}")
        world.die()
        assert world.paid() - calls == asked, point
        kept = world.account.get("/conversations")["items"]
        booked = world.money()
        answer = world.post("/generate/text", f"text-{point}").raise_for_status().json()
        after = world.money()
        is_kept = point == "ended"
        assert (answer["conversation_id"] in {each["id"] for each in kept}) is is_kept, point
        cost = float(answer["cost_usd"])
        assert cost > 0
        assert booked == pytest.approx((spent + cost * is_kept, held), abs=1e-6), point
        assert after == pytest.approx((spent + cost, held), abs=1e-6), point
        assert world.paid() - calls == asked + (not is_kept), point
        spent += cost
    found = world.account.get("/admin/budgets")["audit"]["differences"]
    assert found == []


def cancelled_and_killed(world: World) -> None:
    """Kill the api before a cancel is answered: the provider still makes the video, and its real
    cost is booked after the start."""
    world.sandbox.break_with(video=1.0)
    calls = world.paid()
    job = world.post("/generate/video", "cancel").raise_for_status().json()
    while (
        world.account.get(f"/generations/{job['id']}")["started_at"] is None
        or world.paid() == calls
    ):
        time.sleep(0.1)
    world.armed.write_text("cancelled")
    with contextlib.suppress(httpx.HTTPError):
        world.post(f"/generations/{job['id']}/cancel", "cancel-it")
    world.die()
    end = time.monotonic() + 60
    while (job := world.account.get(f"/generations/{job['id']}"))[
        "cost_usd"
    ] is None and time.monotonic() < end:
        time.sleep(0.05)
    assert (job["status"], world.paid() - calls) == ("cancelled", 1)
    world.check("cancel", job)


def hooked_and_killed(world: World) -> None:
    """Kill the api in a webhook: the provider repeats it, or a poll comes, and the job is finished
    once."""
    world.restart(PUBLIC_API_URL=world.stack.api_url)
    world.sandbox.break_with(video=0.5)
    calls = world.paid()
    world.armed.write_text("hooked")
    job = world.post("/generate/video", "hooked").raise_for_status().json()
    world.die()
    job = world.ended(job)
    assert (job["status"], world.paid() - calls) == ("completed", 1)
    world.check("hooked", job)


def erased_and_killed(world: World) -> None:
    """Kill the api when a job is deleted and its files are there: no row of it is left to name
    them, so that the sweep takes them."""
    job = world.account.jobs()[0]
    world.armed.write_text("erased")
    with contextlib.suppress(httpx.HTTPError):
        world.account.http.delete(f"/generations/{job['id']}")
    world.die()
    assert job["id"] not in {one["id"] for one in world.account.jobs()}
    key = ensure_secrets(world.stack.data_dir).operator_key
    headers = {"Authorization": f"Bearer {key}"}
    found = world.account.http.get("/internal/invariants", headers=headers).raise_for_status()
    assert [one for one in found.json()["invariants"] if one["state"] == "broken"] == []
