"""The speed of the main job: `python -m tests.bench.push_latency [telegram|discord] [--kind image]
[--webhooks] [--apis 3 --workers 2]`.

Prints the time from a command to its accepted card, and from the provider's completion of a picture
or video to the file in the chat; with several processes, on PostgreSQL, also the statements a
second while nobody does anything. Nothing here fails on a slow machine: the figures are for
reading.
"""

import argparse
import asyncio
import statistics
import time
from contextlib import ExitStack
from typing import cast

import asyncpg

from tests.bench.measured import Measured
from tests.conftest import running_postgres
from tests.e2e.people import Account, Person, containing, person_on
from tests.sandbox_server import Sandbox
from tests.stack import Stack, running_stack

SECONDS = {"image": 0.6, "video": 3.0}
CARD_WITHIN, PUSH_WITHIN = 0.2, {True: 0.3, False: 1.5}
"""Targets in seconds; those of the push are by whether there are webhooks."""
IDLE_SECONDS = 20.0
ROUNDS = {"telegram": 20, "discord": 10}
QUICK_ROUNDS = 4
PAUSE = 2.0
"""Seconds between rounds: bots pace what they send to one chat."""
_IDLE = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'migrated'"


async def measure(stack: Stack, person: Person, kind: str) -> tuple[float, float]:
    """Return the seconds from the command to the card, and from the provider's completion to the
    pushed file."""
    prompt = f"waves {time.monotonic_ns()}"
    sandbox = Sandbox(stack.sandbox_url)
    asked = time.monotonic()
    person.says(kind, prompt)
    await person.sees(containing(f"Making your {kind}", prompt))
    card = time.monotonic() - asked
    begun = time.monotonic()
    while not any(prompt in str(call["body"]) for call in sandbox.calls()):
        begun = time.monotonic()
        await asyncio.sleep(0.005)
    completed = begun + SECONDS[kind]
    await person.sees(containing(prompt, files=1), timeout=60)
    return card, time.monotonic() - completed


async def idle(url: str) -> float:
    """Return the transactions a second while nobody asks for anything. A statement on its own is
    one."""
    connection = await asyncpg.connect(url)
    try:
        await asyncio.sleep(5)
        before = cast(int, await connection.fetchval(_IDLE))
        await asyncio.sleep(IDLE_SECONDS)
        return (cast(int, await connection.fetchval(_IDLE)) - before) / IDLE_SECONDS
    finally:
        await connection.close()


def show(what: str, values: list[float]) -> None:
    values = sorted(values)
    worst = values[min(len(values) - 1, int(len(values) * 0.99))]
    print(f"{what}: median {statistics.median(values):.2f} s, 99 % {worst:.2f} s")


async def found(given: argparse.Namespace) -> tuple[list[tuple[float, float]], float | None]:
    """Return what `measure` does for each round, and on PostgreSQL the statements of idle
    processes."""
    env = {f"SANDBOX_{kind.upper()}_SECONDS": str(of) for kind, of in SECONDS.items()}
    if given.webhooks:
        env["OPENROUTER_WEBHOOK_SECRET"] = "a webhook secret of the bench"
    with ExitStack() as opened:
        if given.apis > 1 or given.workers:
            env["DATABASE_URL"] = opened.enter_context(running_postgres()).url("migrated")
        person = opened.enter_context(person_on(given.platform))
        stack = opened.enter_context(
            running_stack(
                **person.env(),
                extra_env=env,
                without=frozenset({"web"}),
                apis=given.apis,
                workers=given.workers,
            )
        )
        if given.webhooks:
            stack.stop("api")
            stack.start("api", extra_env={"PUBLIC_API_URL": stack.api_url})
        if given.apis > 1:
            stack.stop(given.platform)
            stack.start(given.platform, extra_env={"API_URL": stack.url(f"api {given.apis}")})
        await person.connected()
        account = Account(stack)
        person.says("help")
        await person.sees(containing(f"/{given.kind}"))
        await account.link(person)
        figures = []
        for _ in range(given.rounds):
            await asyncio.sleep(PAUSE)
            figures.append(await measure(stack, person, given.kind))
        statements = await idle(env["DATABASE_URL"]) if "DATABASE_URL" in env else None
        account.close()
        return figures, statements


async def bench(into: Measured) -> None:
    """A person asks for a video in a chat. The card is the bot's answer that it is being made; the
    file is pushed when the provider has it. With webhooks the provider says so, without them the
    api asks from time to time. The platforms are fakes on this machine, so the way to the real ones
    is not counted. The worst is that of all rounds.
    """
    into.parameter("seconds of a video", SECONDS["video"])
    of_platforms = {"telegram": QUICK_ROUNDS} if into.quick else ROUNDS
    for platform, rounds in of_platforms.items():
        into.parameter(f"rounds on {platform}", rounds)
        for webhooks in (True, False):
            given = argparse.Namespace(
                platform=platform, kind="video", webhooks=webhooks, apis=1, workers=0, rounds=rounds
            )
            figures, _ = await found(given)
            of = f"{platform}, {'with' if webhooks else 'without'} webhooks"
            cards, pushes = zip(*figures, strict=True)
            push_within = PUSH_WITHIN[webhooks]
            into.add(of, "command to card", statistics.median(cards), "s")
            into.add(of, "the worst card", max(cards), "s", at_most=CARD_WITHIN)
            into.add(of, "completion to file", statistics.median(pushes), "s")
            into.add(of, "the worst file", max(pushes), "s", at_most=push_within)


async def main(given: argparse.Namespace) -> None:
    figures, statements = await found(given)
    if statements is not None:
        print(f"idle: {statements:.1f} statements a second")
    what = f"{given.platform}{' with webhooks' if given.webhooks else ''}, {given.kind}"
    show(f"{what}: command to card", [card for card, _ in figures])
    show(f"{what}: completion to file", [push for _, push in figures])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("platform", choices=["telegram", "discord"], nargs="?", default="telegram")
    parser.add_argument("--kind", choices=list(SECONDS), default="video")
    parser.add_argument("--webhooks", action="store_true")
    parser.add_argument("--apis", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="0: in the api")
    parser.add_argument("--rounds", type=int, default=5)
    asyncio.run(main(parser.parse_args()))
