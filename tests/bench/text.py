"""The cost of one text request: requests a second, latency, processor time and statements of a real
api, by `python -m tests.bench.text [--engine duckdb] [--connections 1 32 128] [--seconds S]`.

The api has one core. Its provider answers at once and is a process of its own, and so is the load,
on the other cores. With `--streams N`, so many streamed answers at the same moment: the time to the
first token. With `--profile FILE`, shares of packages and functions in place of it.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Literal

import asyncpg
import httpx
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from api.db import duckdb
from api.secrets import ensure_secrets
from cli import process
from sandbox.app import create_app
from tests.bench.memory import memory
from tests.bench.shares import Sampler, sampled
from tests.conftest import running_postgres
from tests.stack import free_ports, get

Engine = Literal["duckdb", "postgresql"]
PASSWORD = "correct horse battery staple"
MODEL = "google/gemini-2.5-flash"
PEOPLE = 16
WARM_SECONDS = 2.0
SHOWN = 60
WORDS = ["Because", " the", " sky", " scatters", " short", " waves", " more", "."]
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Studio:
    """A running api, and the tokens of its people. `statements` counts those of the api."""

    url: str
    pid: int
    tokens: Sequence[str]
    statements: Callable[[], int]
    profile: Path | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one number of connections. Times are in milliseconds, `cpu` and `statements` a request."""

    connections: int
    requests_per_second: float
    p50: float
    p99: float
    cpu: float
    statements: float
    memory_mb: float

    def __str__(self) -> str:
        return (
            f"{self.connections:4} connections: {self.requests_per_second:7.1f} requests/s, "
            f"p50 {self.p50:7.2f} ms, p99 {self.p99:7.2f} ms, {self.cpu:6.2f} ms CPU and "
            f"{self.statements:5.2f} statements a request, {self.memory_mb:5.0f} MB"
        )


@dataclass(frozen=True, slots=True)
class Profile:
    """Milliseconds of processor time of a request, and shares of it in percent: of packages, and of
    functions with all that they call."""

    cpu: float
    packages: dict[str, float]
    functions: dict[str, float]


def _frames() -> bytes:
    """Return an answer as the provider streams it."""
    head = {"id": "gen-bench", "object": "chat.completion.chunk", "created": 0, "model": MODEL}
    parts: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
        for word in WORDS
    ]
    parts.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    usage = {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17, "cost": 0.000031}
    parts.append({**head, "choices": [], "usage": usage})
    return b"".join(f"data: {json.dumps(part)}\n\n".encode() for part in parts) + (
        b"data: [DONE]\n\n"
    )


def _at_once(others: ASGIApp) -> ASGIApp:
    """Answer questions without any delay, and all other calls as the sandbox does."""
    frames = _frames()
    headers = [(b"content-type", b"text/event-stream"), (b"x-generation-id", b"gen-bench")]

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].endswith("/chat/completions"):
            await others(scope, receive, send)
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        asked = json.loads(body)
        assert asked["stream"], asked
        assert asked["messages"][-1]["role"] == "user", asked
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": frames})

    return answer


def _provider(port: int, cores: set[int]) -> None:
    os.sched_setaffinity(0, cores)
    app = _at_once(create_app())
    uvicorn.run(app, port=port, ws="none", log_level="error", timeout_keep_alive=60)


def _count_statements(count: Any) -> None:
    """Count round trips to PostgreSQL, and statements of DuckDB, BEGIN and COMMIT included."""
    run = duckdb._Cursor.run

    def counted_run(self: Any, query: str, args: tuple[object, ...] = ()) -> Any:
        with count.get_lock():
            count.value += 1
        return run(self, query, args)

    duckdb._Cursor.run = counted_run  # type: ignore[method-assign]
    for name in ("fetch", "execute"):
        setattr(asyncpg.Connection, name, _counted(getattr(asyncpg.Connection, name), count))


def _counted(call: Callable[..., Awaitable[Any]], count: Any) -> Callable[..., Awaitable[Any]]:
    def counted(*args: Any, **more: Any) -> Awaitable[Any]:
        with count.get_lock():
            count.value += 1
        return call(*args, **more)

    return counted


def _api(env: dict[str, str], folder: Path, core: int, count: Any, profile: str | None) -> None:
    os.sched_setaffinity(0, {core})
    os.chdir(folder)
    os.environ.update(env)
    with (folder / "api.log").open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    _count_statements(count)
    if profile is not None:
        Sampler(Path(profile)).listen()
    process.run("api")


def _cores() -> tuple[int, set[int]]:
    """Return the api's core, and those of all others."""
    mine = sorted(os.sched_getaffinity(0))
    return mine[0], set(mine[1:]) or set(mine)


@contextmanager
def _database(engine: Engine, cores: set[int]) -> Iterator[dict[str, str]]:
    if engine == "duckdb":
        yield {}
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    with running_postgres() as server:
        os.sched_setaffinity(0, before)
        asyncio.run(make_durable(server.url("postgres")))
        yield {"DATABASE_URL": server.url("migrated")}


async def make_durable(url: str) -> None:
    """Undo what tests do for speed."""
    connection = await asyncpg.connect(url)
    for statement in ("ALTER SYSTEM RESET fsync", "SELECT pg_reload_conf()"):
        await connection.execute(statement)
    await connection.close()


@contextmanager
def running_studio(engine: Engine, profile: str | None = None) -> Iterator[Studio]:
    core, others = _cores()
    count = _SPAWN.Value("q", 0)
    api_port, provider_port = free_ports(2)
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        env = opened.enter_context(_database(engine, others)) | {
            "DATA_DIR": str(folder),
            "API_PORT": str(api_port),
            "OPENROUTER_BASE_URL": f"http://127.0.0.1:{provider_port}/api/v1",
            "DRAIN_SECONDS": "0",
            "DEFAULT_MONTHLY_USD": "1000000",
            "WEB_SIGNUP": "open",
        }
        provider = _SPAWN.Process(target=_provider, args=(provider_port, others))
        api = _SPAWN.Process(target=_api, args=(env, folder, core, count, profile))
        for one in (provider, api):
            one.start()
            opened.callback(one.join, 20)
            opened.callback(one.terminate)
        url = f"http://127.0.0.1:{api_port}"
        while (answer := get(f"{url}/readyz")) is None or answer[0] != 200:
            if not api.is_alive():
                raise SystemExit((folder / "api.log").read_text()[-4000:])
            time.sleep(0.05)
        os.sched_setaffinity(0, others)
        assert api.pid is not None
        tokens = people(url, ensure_secrets(folder).setup_token)
        place = Path(profile) if profile else None
        yield Studio(url, api.pid, tokens, lambda: int(count.value), place)


def people(url: str, setup_token: str) -> list[str]:
    """Register people, each from an address of its own: one address may not register many."""
    body = {"email": "admin@example.org", "password": PASSWORD}
    httpx.post(
        f"{url}/auth/setup", json={**body, "token": setup_token}, trust_env=False
    ).raise_for_status()
    found = []
    for number in range(PEOPLE):
        body["email"] = f"person{number}@example.org"
        transport = httpx.HTTPTransport(local_address=f"127.0.1.{number + 1}")
        with httpx.Client(transport=transport, timeout=60) as client:
            answer = client.post(f"{url}/auth/register", json=body).raise_for_status()
        found.append(answer.json()["access_token"])
    return found


def _request(studio: Studio, token: str, *, stream: bool = False) -> bytes:
    body = json.dumps({"prompt": "Why is the sky blue?", "model": MODEL, "stream": stream})
    return (
        f"POST /generate/text HTTP/1.1\r\nhost: {studio.url.removeprefix('http://')}\r\n"
        f"authorization: Bearer {token}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n{body}"
    ).encode()


@asynccontextmanager
async def _connection(
    studio: Studio,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(studio.url.rpartition(":")[2]))
    try:
        yield reader, writer
    finally:
        writer.close()


async def _ask_until(studio: Studio, token: str, end: float, taken: list[float]) -> None:
    """Ask one question after the other, and note the seconds of each."""
    request = _request(studio, token)
    async with _connection(studio) as (reader, writer):
        while (began := time.perf_counter()) < end:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            answer = await reader.readexactly(length)
            assert head.startswith(b"HTTP/1.1 200"), (head, answer)
            taken.append(time.perf_counter() - began)


async def _load(studio: Studio, connections: int, seconds: float) -> list[float]:
    taken: list[float] = []
    end = time.perf_counter() + seconds
    tokens = cycle(studio.tokens)
    await asyncio.gather(
        *(_ask_until(studio, next(tokens), end, taken) for _ in range(connections))
    )
    return taken


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _share(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


async def measure(studio: Studio, connections: int, seconds: float) -> Figures:
    await _load(studio, connections, min(WARM_SECONDS, seconds))
    cpu, statements = _cpu_seconds(studio.pid), studio.statements()
    began = time.perf_counter()
    taken = await _load(studio, connections, seconds)
    spent = time.perf_counter() - began
    cpu, statements = _cpu_seconds(studio.pid) - cpu, studio.statements() - statements
    return Figures(
        connections,
        len(taken) / spent,
        statistics.median(taken) * 1000,
        _share(taken, 0.99) * 1000,
        cpu / len(taken) * 1000,
        statements / len(taken),
        next(iter(memory(studio.pid).values())),
    )


async def profile(studio: Studio, connections: int, seconds: float) -> Profile:
    """Return the shares of the api's processor time under a load."""
    assert studio.profile is not None
    await _load(studio, connections, WARM_SECONDS)
    sampled(studio.pid, studio.profile, begins=True)
    cpu = _cpu_seconds(studio.pid)
    taken = await _load(studio, connections, seconds)
    cpu = _cpu_seconds(studio.pid) - cpu
    sampled(studio.pid, studio.profile, begins=False)
    found = json.loads(studio.profile.read_text())
    return Profile(cpu / len(taken) * 1000, found["packages"], found["functions"])


async def _first_token(studio: Studio, token: str, go: asyncio.Event) -> float:
    async with _connection(studio) as (reader, writer):
        await go.wait()
        began = time.perf_counter()
        writer.write(_request(studio, token, stream=True))
        await reader.readuntil(b"event: delta")
        taken = time.perf_counter() - began
        await reader.readuntil(b"event: done")
        return taken


async def measure_streams(studio: Studio, streams: int) -> list[float]:
    """Return the seconds to the first token of streams that begin at the same moment."""
    go, tokens = asyncio.Event(), cycle(studio.tokens)
    tasks = [asyncio.create_task(_first_token(studio, next(tokens), go)) for _ in range(streams)]
    await asyncio.sleep(0.5)
    go.set()
    return await asyncio.gather(*tasks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=["duckdb", "postgresql"], default="duckdb")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 32, 128])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--streams", type=int, default=0)
    parser.add_argument("--profile")
    given = parser.parse_args()
    with running_studio(given.engine, given.profile) as studio:
        if given.profile:
            found = asyncio.run(profile(studio, max(given.connections), given.seconds))
            for shares in (found.packages, found.functions):
                for name, share in [*shares.items()][:SHOWN]:
                    print(f"{share:5.1f} %  {name}")
            return
        for number in given.connections:
            print(f"{given.engine}: {asyncio.run(measure(studio, number, given.seconds))}")
        if given.streams:
            for _ in range(3):
                taken = asyncio.run(measure_streams(studio, given.streams))
                print(
                    f"{given.engine}: {given.streams} streams, first token p50 "
                    f"{statistics.median(taken) * 1000:.0f} ms, "
                    f"p99 {_share(taken, 0.99) * 1000:.0f} ms"
                )


if __name__ == "__main__":
    main()
