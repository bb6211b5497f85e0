"""The time from the start of the product, and of each of its processes, until it answers."""

import asyncio
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from tests.bench.measured import Measured
from tests.bench.programs import processor, python, running
from tests.e2e.people import Person, person_on
from tests.stack import free_ports

ROUNDS, QUICK_ROUNDS = 3, 1
WHOLE = "the whole product"
SECOND_WITHIN = 2.0
PLATFORMS = ("telegram", "discord")
READY = {"sandbox": "/_sandbox/faults", "api": "/readyz", "web": "/healthz"}
PORTS = {"sandbox": "SANDBOX_PORT", "api": "API_PORT", "web": "WEB_PORT"}


async def bench(into: Measured) -> None:
    """The first start has an empty data folder, and what it needs is installed already. The whole
    product is `./run` with the sandbox: it is started when the api is ready with its provider and
    the web answers. After that each process is started alone, while those above it run. A bot is
    started when its platform hears it.
    """
    rounds = QUICK_ROUNDS if into.quick else ROUNDS
    into.parameter("rounds", rounds)
    taken: dict[tuple[str, str], list[float]] = {}

    def keep(of: str, name: str, unit: str, value: float, at_most: float | None = None) -> None:
        values = taken.setdefault((of, name), [])
        values.append(value)
        into.add(of, name, median(values), unit, at_most=at_most)

    for number in range(1, rounds + 1):
        into.say(f"  round {number} of {rounds}")
        with tempfile.TemporaryDirectory(prefix="start-") as name, ExitStack() as opened:
            folder = Path(name)
            people = [opened.enter_context(person_on(platform)) for platform in PLATFORMS]
            env = _env(folder)
            keep(WHOLE, "first start", "s", _whole(folder, env))
            keep(WHOLE, "second start", "s", _whole(folder, env), SECOND_WITHIN)
            for program, seconds, busy in await _each(folder, env, people):
                keep(program, "second start", "s", seconds)
                keep(program, "processor", "s", busy)


def _env(folder: Path) -> dict[str, str]:
    ports = dict(zip(PORTS.values(), map(str, free_ports(len(PORTS))), strict=True))
    return {"DATA_DIR": str(folder / "data"), "DRAIN_SECONDS": "0", **ports}


def _whole(folder: Path, env: dict[str, str]) -> float:
    """Return the seconds until the api is ready, with its provider, and the web answers."""
    with running("product", python("cli.supervisor"), folder, env) as product:
        return max(product.wait_for(_url(env, name)) for name in ("web", "api"))


async def _each(
    folder: Path, env: dict[str, str], people: list[Person]
) -> list[tuple[str, float, float]]:
    """Return name, seconds and processor seconds of each process, started alone one after another
    while those before it run."""
    found = []
    with ExitStack() as opened:
        for name in READY:
            program = opened.enter_context(running(name, python("cli.process", name), folder, env))
            seconds = await asyncio.to_thread(program.wait_for, _url(env, name))
            found.append((name, seconds, processor(program.pids)))
        for person in people:
            name = person.platform
            program = opened.enter_context(
                running(name, python("cli.process", name), folder, env | bot_settings(person))
            )
            await person.connected()
            seconds = time.perf_counter() - program.started
            found.append((name, seconds, processor(program.pids)))
    return found


def _url(env: dict[str, str], name: str) -> str:
    return f"http://127.0.0.1:{env[PORTS[name]]}{READY[name]}"


def bot_settings(person: Person) -> dict[str, str]:
    """Return the settings with which a bot meets the person's platform."""
    fake = person.env()[person.platform]
    name = person.platform.upper()
    env = {f"{name}_API_URL": fake.api_url, f"{name}_BOT_TOKEN": fake.token}
    if person.platform == "discord":
        env["DISCORD_GATEWAY_URL"] = fake.gateway_url
    return env
