"""PostgreSQL with the worker as a process of its own: accepted by one process, made by another, killed in the middle and taken up again."""

import time

import pytest

from tests.e2e.people import Account
from tests.stack import running_stack

pytestmark = pytest.mark.timeout(180)


def test_a_separate_worker_makes_what_the_api_accepts(postgres_url: str) -> None:
    env = {"DATABASE_URL": postgres_url, "WORKER": "off", "SANDBOX_IMAGE_SECONDS": "0.1"}
    with running_stack(extra_env=env, without=frozenset({"web"})) as stack:
        account = Account(stack)
        job = account.http.post("/generate/image", json={"prompt": "a fox"}, headers={"Prefer": "respond-async"}).raise_for_status().json()
        assert account.get(f"/generations/{job['id']}")["status"] == "queued", "nobody makes it yet"
        stack.start("worker", wait=False)
        end = time.monotonic() + 60
        while job["status"] in {"queued", "processing"} and time.monotonic() < end:
            time.sleep(0.1)
            job = account.get(f"/generations/{job['id']}")
        assert job["status"] == "completed"
        assert account.http.get(job["images"][0]["url"]).status_code == 200
        account.close()
        assert stack.stop("worker") == 0
