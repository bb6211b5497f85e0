"""PostgreSQL fails over: it is read-only for a while, or drops all connections. Nothing stops for
good, and nothing paid is lost."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from api.generations import store
from api.generations.making.worker import WorkerTimes
from tests.api.db.test_postgres import Server, reset, server
from tests.api.harness import Api, running_api
from tests.sandbox_server import Sandbox
from tests.stack import ROOT, free_ports

__all__ = ["reset", "server"]

QUICK = WorkerTimes(beat=0.2, pause_most=0.2, look_unheard=0.1, grace=0.05)
AWAY = 1.5


async def demote(server: Server) -> None:
    await server.do("ALTER DATABASE {database} SET default_transaction_read_only = on")
    await server.drop_connections()


async def promote(server: Server) -> None:
    await server.do("ALTER DATABASE {database} RESET default_transaction_read_only")
    await server.drop_connections()


async def done(api: Api, made: dict[str, Any]) -> store.Generation:
    """Wait for the end by asking: a ring may be missed while the database is away."""
    async with asyncio.timeout(30):
        while True:
            row = await store.get(api.services.db, made["id"])
            assert row is not None
            if row.phase == "done":
                return row
            await asyncio.sleep(0.05)


async def answered(call: Any) -> httpx.Response:
    """Repeat the call after each 503, as a client does, and return the first other answer."""
    async with asyncio.timeout(30):
        while True:
            answer: httpx.Response = await call()
            if answer.status_code != 503:
                return answer
            assert int(answer.headers["retry-after"]) > 0
            await asyncio.sleep(0.05)


async def test_the_worker_the_loops_and_a_paid_image_outlive_a_failover(
    server: Server, reset: None, postgres_url: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with (
        running_api(tmp_path, sandbox, times=QUICK, database_url=postgres_url) as api,
        await api.user() as user,
    ):

        async def ask() -> httpx.Response:
            return await user.post(
                "/generate/image", json={"prompt": "x"}, headers={"Prefer": "respond-async"}
            )

        sandbox.break_with(image=AWAY / 2)
        paid = (await ask()).json()
        with api.services.wake.listen(f"generation:{paid['id']}") as listener:
            while (
                row := await store.get(api.services.db, paid["id"])
            ) is not None and row.phase == "submit":
                await listener.wait(5)
        await demote(server)
        until = asyncio.get_running_loop().time() + AWAY
        while asyncio.get_running_loop().time() < until:
            assert (await ask()).status_code == 503
            ready = (await api.client.get("/readyz")).json()
            assert not ready["ready"]
            assert not ready["checks"]["database"]["ok"]
            assert (await user.get("/healthz")).status_code == 200
            await asyncio.sleep(0.1)
        assert (await answered(lambda: user.get("/users/me"))).status_code == 200, (
            "who reads goes on"
        )
        assert "worker-heartbeat" in api.services.background.failing
        assert not ready["checks"]["background"]["ok"]
        await promote(server)
        made = await answered(ask)
        assert made.status_code == 202, made.text
        found = [(await done(api, one)).status for one in (paid, made.json())]
        assert found == ["completed", "completed"]
        assert (await store.get(api.services.db, paid["id"])).rescues == 0  # type: ignore[union-attr]
        assert len([call for call in sandbox.calls() if call["method"] == "POST"]) == 2
        async with asyncio.timeout(30):
            while api.services.background.failing:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.05)
        assert (await api.client.get("/readyz")).json()["ready"]
        assert not api.services.background.broken.is_set()


AS_IS = (
    "import sys; from api import background; background.BROKEN_AFTER = 1; from cli.process "
    "import run; sys.exit(run('{}'))"
)


@pytest.mark.parametrize("process", ["api", "worker"])
async def test_work_that_cannot_go_on_ends_its_process_with_an_error(
    server: Server, postgres_url: str, sandbox: Sandbox, tmp_path: Path, process: str
) -> None:
    """A column of the table of jobs is renamed, and no wait mends that."""
    database = await asyncpg.connect(postgres_url)
    await database.execute("ALTER TABLE generations RENAME COLUMN lease_token TO gone")
    env = {
        "PYTHONPATH": str(ROOT),
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": postgres_url,
        "OPENROUTER_BASE_URL": sandbox.url,
        "OPENROUTER_API_KEY": "sk-or-tests",
        "API_PORT": str(free_ports(1)[0]),
        **({"WORKER": "off"} if process == "worker" else {}),
    }
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        AS_IS.format(process),
        env=env,
        cwd=tmp_path,
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        async with asyncio.timeout(60):
            said, _ = await child.communicate()
        assert child.returncode == 1
        assert b"background_broken" in said
        assert b"UndefinedColumnError" in said, "what it was that failed"
    finally:
        if child.returncode is None:
            child.kill()
        await database.execute("ALTER TABLE generations RENAME COLUMN gone TO lease_token")
        await database.close()
