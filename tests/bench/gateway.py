"""One question through gateways, whose provider answers at once: ours on both engines, a bare
proxy, LiteLLM and Portkey, in one run and in turns."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import asyncpg

from tests.bench import gateways, programs
from tests.bench.competitors import LITELLM, PORTKEY, NotHere
from tests.bench.gateways import Gateway
from tests.bench.load import Answers, load
from tests.bench.measured import Measured
from tests.bench.text import make_durable
from tests.conftest import run, running_postgres
from tests.sandbox_server import sandbox_server

CONNECTIONS = (1, 32, 128)
STREAMS = 200
DUCKDB, POSTGRESQL = "ours on DuckDB", "ours on PostgreSQL"
NONE, BARE = "no gateway", "a bare proxy"
ADDED_AT_MOST = 5.0
FIRST_WORD_WITHIN = {"p50": 0.2, "p99": 0.5}
COMPARED = {BARE: "a bare proxy's", f"LiteLLM {LITELLM}": "LiteLLM's"}
COMPARED |= {f"Portkey {PORTKEY}": "Portkey's"}
AT_LEAST = {(DUCKDB, "LiteLLM's"): 5.0, (POSTGRESQL, "Portkey's"): 1.0}


@dataclass(frozen=True)
class Plan:
    """`seconds` are those of one load. No round begins after `longest` seconds."""

    rounds: int = 3
    longest: float = 120.0
    seconds: float = 2.0
    warm_seconds: float = 2.0
    connections: tuple[int, ...] = CONNECTIONS
    streams: int = STREAMS
    others: bool = True
    """Measure gateways that have to be installed, too."""


QUICK = Plan(rounds=1, seconds=1.2, warm_seconds=1.0)


@dataclass
class Found:
    """The values of each round by row and column."""

    into: Measured
    values: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    def add(
        self, of: str, name: str, unit: str, value: float, at_most: float | None = None
    ) -> None:
        """Keep the value, and put the middle of the rounds so far into the result."""
        self.values.setdefault((of, name), []).append(value)
        self.into.add(of, name, self.middle(of, name), unit, at_most=at_most)

    def middle(self, of: str, name: str) -> float:
        return median(self.values[of, name])

    def is_right(self, of: str, what: str, answers: Answers) -> bool:
        """Tell whether all answers were right. Otherwise the gateway has no figure for this."""
        if answers.wrong:
            self.failed.add(of)
            self.into.leave_out(f"{of}, {what}", f"an answer was wrong: {answers.wrong[0][:200]}")
        return not answers.wrong


async def bench(into: Measured) -> None:
    """One short question after another on each kept connection, or 200 streams asked for in the
    same moment, with a word every 50 ms. All gateways get the same question and the same 16 words.
    Every answer is checked, and a wrong one leaves its gateway without a figure. After a warm-up
    the rounds take turns over the gateways; each figure is the middle of its rounds.

    The server under test has one core for itself. The load, the provider and PostgreSQL have the
    others, so the database's processor time stands in a column of its own; its memory is not
    counted. "No gateway" is the same load at the provider itself: the load is not what limits the
    others. Ours is asked by 16 people in turn.

    They do not do the same work. The bare proxy compares a token and passes bytes on. Portkey
    checks no key of its own and keeps nothing. LiteLLM checks its key and runs without a database:
    it keeps nothing either, and holds no budget. Ours checks the session, reserves the money under
    every limit before the call, settles it after, and keeps ledger, conversation, question and
    answer on the disk (fsync is on). Whoever asks, ours asks the provider for a stream; the others
    ask for whole answers as they were asked.
    """
    await measure(into, QUICK if into.quick else Plan())


async def measure(into: Measured, plan: Plan) -> None:
    if len(programs.CORES) > 1:
        os.sched_setaffinity(0, programs.OTHERS)
    else:
        into.leave_out("a core for the server alone", "this machine has one core")
    into.parameter("seconds of a load", plan.seconds)
    found = Found(into)
    with ExitStack() as opened:
        running = _start(into, plan, opened)
        for gateway in running:
            await load(gateway.port, gateway.whole, max(plan.connections), plan.warm_seconds)
        began = time.monotonic()
        for number in range(1, plan.rounds + 1):
            if time.monotonic() - began > plan.longest:
                break
            into.say(f"  round {number} of {plan.rounds}")
            for gateway in running:
                await _measure(found, gateway, plan)
            _ratios(found, plan)
            into.parameter("rounds", number)


def _start(into: Measured, plan: Plan, opened: ExitStack) -> list[Gateway]:
    """Start the gateways, and name those that cannot be had here."""
    folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="gateway-")))
    sandbox = opened.enter_context(sandbox_server())
    none = opened.enter_context(gateways.no_gateway(folder, sandbox.origin))
    provider = f"http://127.0.0.1:{none.port}/api/v1"
    starts: dict[str, Callable[[], AbstractContextManager[Gateway]]] = {
        BARE: lambda: gateways.bare_proxy(folder, provider),
        f"Portkey {PORTKEY}": lambda: gateways.portkey(folder, provider),
        POSTGRESQL: lambda: _on_postgresql(folder, provider),
        DUCKDB: lambda: gateways.ours(DUCKDB, folder, provider, {}),
        f"LiteLLM {LITELLM}": lambda: gateways.litellm(folder, provider),
    }
    running = [none]
    for name, start in starts.items():
        if name in {BARE, POSTGRESQL, DUCKDB} or plan.others:
            into.say(f"  starting {name}")
            try:
                running.append(opened.enter_context(start()))
            except NotHere as error:
                into.leave_out(name, str(error))
            except programs.DidNotStart as error:
                if name in {BARE, POSTGRESQL, DUCKDB}:
                    raise
                into.leave_out(name, f"it did not start ({str(error)[-200:]})")
    return running


@contextmanager
def _on_postgresql(folder: Path, provider: str) -> Iterator[Gateway]:
    with running_postgres() as server:
        place = run(_prepared(server.url("postgres")))
        pid = int((place / "postmaster.pid").read_text().split()[0])
        env = {"DATABASE_URL": server.url("migrated")}
        with gateways.ours(POSTGRESQL, folder, provider, env, pid) as gateway:
            yield gateway


async def _prepared(url: str) -> Path:
    """Let the server write as in production, and return its folder."""
    await make_durable(url)
    connection = await asyncpg.connect(url)
    try:
        return Path(await connection.fetchval("SHOW data_directory"))
    finally:
        await connection.close()


async def _measure(found: Found, gateway: Gateway, plan: Plan) -> None:
    """Measure one gateway once."""
    name, asked = gateway.name, 0
    busy, stored = programs.processor(gateway.pids()), programs.processor(gateway.database())
    for connections in plan.connections:
        answers = await load(gateway.port, gateway.whole, connections, plan.seconds)
        what = _connections(connections)
        if found.is_right(name, what, answers):
            asked += len(answers.whole)
            found.add(name, what, "req/s", answers.per_second)
            found.add(name, f"p50, {what}", "ms", median(answers.whole) * 1000)
    if asked and name != NONE:
        found.add(
            name,
            "processor",
            "ms of CPU",
            (programs.processor(gateway.pids()) - busy) * 1000 / asked,
        )
        if gateway.database():
            used = programs.processor(gateway.database()) - stored
            found.add(name, "its database", "ms of CPU", used * 1000 / asked)
        found.add(name, "memory", "MB", programs.memory(gateway.pids()))
    if plan.streams:
        await _measure_streams(found, gateway, plan)


async def _measure_streams(found: Found, gateway: Gateway, plan: Plan) -> None:
    name = gateway.name
    answers = await load(gateway.port, gateway.streamed, plan.streams, 0)
    if found.is_right(name, f"{plan.streams} streams", answers):
        waits = sorted(answers.first)
        for part, wait in {"p50": median(waits), "p99": waits[int(len(waits) * 0.99)]}.items():
            within = FIRST_WORD_WITHIN[part] if name in {DUCKDB, POSTGRESQL} else None
            found.add(name, f"{part} of the first word, {plan.streams} streams", "s", wait, within)


def _ratios(found: Found, plan: Plan) -> None:
    """Put what the figures so far say about ours."""
    for name in (POSTGRESQL, DUCKDB):
        alone = f"p50, {_connections(1)}"
        if (name, alone) in found.values:
            added = found.middle(name, alone) - found.middle(NONE, alone)
            found.into.add(name, "added to the p50", added, "ms", at_most=ADDED_AT_MOST)
        for other, whose in COMPARED.items():
            for connections in plan.connections:
                what = _connections(connections)
                if connections > 1 and {(name, what), (other, what)} <= found.values.keys():
                    ratio = found.middle(name, what) / found.middle(other, what)
                    column = f"times {whose} req/s, {what}"
                    found.into.add(name, column, ratio, "x", at_least=AT_LEAST.get((name, whose)))
        for what in ("processor", "memory"):
            if {(name, what), (BARE, what)} <= found.values.keys():
                ratio = found.middle(BARE, what) / found.middle(name, what)
                found.into.add(name, f"{what}: a bare proxy's over ours", ratio, "x")


def _connections(number: int) -> str:
    return f"{number} connection{'s' if number > 1 else ''}"
