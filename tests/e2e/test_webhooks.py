"""Webhooks of the sandbox to the real api: signed, over HTTP, as the provider sends them."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sandbox.faults import Fault
from tests.e2e.people import Account
from tests.plain_http import PLAIN
from tests.sandbox_server import Sandbox
from tests.stack import Stack, running_stack

SECRET = {"OPENROUTER_WEBHOOK_SECRET": "a webhook secret of the tests"}


@pytest.fixture
def stack() -> Iterator[Stack]:
    with running_stack(
        extra_env={**SECRET, "SANDBOX_VIDEO_SECONDS": "1"}, without=frozenset({"api", "web"})
    ) as stack:
        stack.start("api", extra_env={"PUBLIC_API_URL": stack.api_url})
        yield stack


@pytest.fixture
def account(stack: Stack) -> Iterator[Account]:
    account = Account(stack)
    yield account
    account.close()


def finished(account: Account, job: dict[str, Any]) -> dict[str, Any]:
    """Ask until the job ends: the next poll is half a minute away, so only a webhook can end it
    sooner."""
    while job["status"] in {"queued", "processing"}:
        time.sleep(0.1)
        job = account.get(f"/generations/{job['id']}")
    return job


def test_a_webhook_ends_the_wait(stack: Stack, account: Account) -> None:
    job = account.http.post("/generate/video", json={"prompt": "waves"}).raise_for_status().json()
    assert finished(account, job)["status"] == "completed"
    sandbox = Sandbox(stack.sandbox_url)
    assert len(sandbox.calls("videos.status")) <= 2, "not found out by polling"


def test_a_webhook_repairs_a_submit_whose_answer_was_lost(stack: Stack, account: Account) -> None:
    sandbox = Sandbox(stack.sandbox_url)
    sandbox.break_with(Fault(call="videos.submit", kind="lost"), video=1)
    job = account.http.post("/generate/video", json={"prompt": "waves"}).raise_for_status().json()
    assert finished(account, job)["status"] == "completed"
    assert len(sandbox.calls("videos.submit")) == 1


def test_a_stranger_cannot_wake_a_job(stack: Stack) -> None:
    answer = httpx.post(
        f"{stack.api_url}/webhooks/openrouter/anything",
        json={"type": "x", "data": {"id": "y"}},
        trust_env=False,
        verify=PLAIN,
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
