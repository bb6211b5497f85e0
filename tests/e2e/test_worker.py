"""PostgreSQL with the worker as a process of its own: one process accepts a job, another makes it,
is killed, and a third takes it up."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.api.db.test_postgres import Server, reset, server
from tests.api.test_failover import demote, promote
from tests.e2e.people import Account
from tests.stack import running_stack

__all__ = ["reset", "server"]

pytestmark = pytest.mark.timeout(180)


def test_a_separate_worker_makes_what_the_api_accepts(postgres_url: str) -> None:
    env = {"DATABASE_URL": postgres_url, "WORKER": "off", "SANDBOX_IMAGE_SECONDS": "0.1"}
    with running_stack(extra_env=env, without=frozenset({"web"})) as stack:
        account = Account(stack)
        job = (
            account.http.post(
                "/generate/image", json={"prompt": "a fox"}, headers={"Prefer": "respond-async"}
            )
            .raise_for_status()
            .json()
        )
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


async def test_api_and_worker_outlive_a_failover_of_the_database(
    server: Server, reset: None, postgres_url: str
) -> None:
    """The database is read-only for three seconds and drops all connections: the same processes go
    on, and requests meanwhile are told to wait."""
    env = {"DATABASE_URL": postgres_url, "WORKER": "off", "SANDBOX_IMAGE_SECONDS": "1.5"}
    with running_stack(extra_env=env, without=frozenset({"web"})) as stack:
        stack.start("worker", wait=False)
        before = stack.pids
        account = Account(stack)

        def ask() -> httpx.Response:
            return account.http.post(
                "/generate/image", json={"prompt": "a fox"}, headers={"Prefer": "respond-async"}
            )

        def reached(job: dict[str, Any], *wanted: str) -> bool:
            answer = account.http.get(f"/generations/{job['id']}")
            return answer.status_code == 200 and answer.json()["status"] in wanted

        paid = ask().raise_for_status().json()
        wait_until(lambda: reached(paid, "processing"))
        await demote(server)
        end = time.monotonic() + 3
        while time.monotonic() < end:
            answer = ask()
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable"), (
                answer.text
            )
            assert answer.headers["retry-after"]
            await asyncio.sleep(0.2)
        assert account.http.get("/readyz").status_code == 503
        await promote(server)
        wait_until(lambda: account.http.get("/readyz").status_code == 200)
        made = ask().raise_for_status().json()
        wait_until(lambda: reached(paid, "completed") and reached(made, "completed"))
        assert stack.pids == before
        account.close()


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)
