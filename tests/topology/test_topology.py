"""The whole product on several machines' worth of processes, while they are killed by chance.

`TOPOLOGY_KILLS=100` kills longer, `TOPOLOGY_SEED=7` otherwise: `pytest tests/topology -s`.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from sandbox.faults import Fault
from tests.api.media.s3 import s3_server
from tests.e2e.people import Account, DiscordPerson, InvitedAccount, Person, TelegramPerson
from tests.fakes.discord import GUILD_CHANNEL_ID, GUILD_ID, FakeDiscord, running_discord
from tests.fakes.telegram import FakeTelegram, running_telegram
from tests.sandbox_server import Sandbox
from tests.stack import Stack, replicas, running_stack
from tests.topology import promises
from tests.topology.balancer import Balancer, running_balancer
from tests.topology.crowd import Ask, Crowd
from tests.topology.killer import Killer
from tests.topology.short_times import IDENTIFY_SECONDS, shorten

KILLS = int(os.environ.get("TOPOLOGY_KILLS", "15"))
SEED = int(os.environ.get("TOPOLOGY_SEED", "14"))
pytestmark = pytest.mark.timeout(420 + 20 * KILLS)

NUMBERS = {"api": 3, "worker": 3, "web": 2, "telegram": 2, "discord": 2}
GROUPS = {program: replicas(program, number) for program, number in NUMBERS.items()}
SETTINGS = {
    "DATABASE_POOL": "5",
    "MEDIA_URL": "s3://studio/media",
    "DEFAULT_MONTHLY_USD": "100000",
    "SANDBOX_IMAGE_SECONDS": "1.2",
    "SANDBOX_VIDEO_SECONDS": "3",
    "SANDBOX_FIRST_TOKEN_SECONDS": "0.1",
}
SLOW_SECONDS = 0.7


@dataclass
class Topology:
    stack: Stack
    telegram: FakeTelegram
    discord: FakeDiscord
    apis: Balancer
    webs: Balancer
    database: asyncpg.Connection


@asynccontextmanager
async def running(folder: Path, postgres_url: str) -> AsyncIterator[Topology]:
    with ExitStack() as up:
        s3 = up.enter_context(s3_server(folder))
        telegram = up.enter_context(running_telegram())
        discord = up.enter_context(running_discord())
        discord.portal(shards=NUMBERS["discord"], identify_seconds=IDENTIFY_SECONDS / 2)
        apis, webs = (up.enter_context(running_balancer()) for _ in range(2))
        stack = up.enter_context(
            running_stack(
                telegram=telegram,
                discord=discord,
                extra_env={
                    **SETTINGS,
                    **s3.settings("owner"),
                    "DATABASE_URL": postgres_url,
                    "API_URL": apis.url,
                },
                without=frozenset({"web", "telegram", "discord"}),
                apis=NUMBERS["api"],
                workers=NUMBERS["worker"],
                apart=True,
                prepare=shorten,
            )
        )
        apis.members = [stack.port(name) for name in GROUPS["api"]]
        webs.members = [stack.port(name) for name in GROUPS["web"]]
        for program in ("web", "telegram", "discord"):
            for name in GROUPS[program]:
                stack.start(name)
        database = await asyncpg.connect(postgres_url)
        try:
            yield Topology(stack, telegram, discord, apis, webs, database)
        finally:
            await database.close()


async def test_killed_members_lose_nothing_and_pay_nothing_twice(
    tmp_path: Path, postgres_url: str
) -> None:
    began = time.monotonic()
    async with running(tmp_path, postgres_url) as world:
        ana = Account(world.stack, world.apis.url)
        ben = InvitedAccount(ana, "anton@example.org")
        on_telegram = [TelegramPerson(world.telegram, chat) for chat in (501, 502)]
        on_discord = [
            DiscordPerson(world.discord),
            DiscordPerson(world.discord, "700000000000000002", "800000000000000002"),
        ]
        shards = [[shard, NUMBERS["discord"]] for shard in range(NUMBERS["discord"])]
        await world.discord.until(lambda scene: scene.shards_connected == shards, 60)
        await on_telegram[0].connected()
        people: list[tuple[Account, Person]] = [
            *zip((ana, ben), on_telegram, strict=True),
            *zip((ana, ben), on_discord, strict=True),
        ]
        for account, person in people:
            await account.link(person)
        on_discord[1].channel = GUILD_CHANNEL_ID
        ready = time.monotonic()
        slow_down(world)

        crowd = Crowd(SEED)
        killer = Killer(world.stack, list(GROUPS.values()), SEED)
        async with asyncio.TaskGroup() as asking:
            for each in on_telegram:
                asking.create_task(crowd.on_telegram(each))
            asking.create_task(crowd.on_discord(on_discord[0], None))
            asking.create_task(crowd.on_discord(on_discord[1], GUILD_ID))
            asking.create_task(crowd.by_program(ben))
            asking.create_task(crowd.on_web(world.webs.url, "ana@example.org"))
            await killer.strike(KILLS)
            crowd.resting.set()
        killed = time.monotonic()
        report = await check(world, crowd, killer, ana, ben)
        now = time.monotonic()
        print(
            f"\nseed {SEED}: up {ready - began:.0f} s, killing {killed - ready:.0f} s, "
            f"rest and checks {now - killed:.0f} s; {report}"
        )


def slow_down(world: Topology) -> None:
    """Let the calls that cannot be repeated take long enough to be hit."""
    always: dict[str, Any] = {"times": 1_000_000, "seconds": SLOW_SECONDS}
    for method in ("sendPhoto", "sendVideo"):
        world.telegram.fault(method, "slow_after", **always)
    world.discord.fault("POST", r"/channels/\d+/messages$", "slow_after", **always)
    submit = Fault(call="videos.submit", kind="delay", seconds=SLOW_SECONDS)
    Sandbox(world.stack.sandbox_url).break_with(submit)


async def check(world: Topology, crowd: Crowd, killer: Killer, ana: Account, ben: Account) -> str:
    """Wait for the rest, compare everything, and return a line with the numbers."""
    sandbox = Sandbox(world.stack.sandbox_url)
    await promises.at_rest(world.database)
    decided = await promises.decide(await promises.opened(world.database, sandbox), ana)
    await promises.at_rest(world.database)
    books = await promises.opened(world.database, sandbox)
    promises.check_ends(books, crowd.asks)
    await promises.check_money(books, world.database, ana, [ana, ben])

    def asked_on(platform: str) -> list[Ask]:
        return [ask for ask in crowd.asks if ask.place and ask.place[0] == platform]

    twice = promises.check_telegram(books, world.telegram, asked_on("telegram"))
    promises.check_discord(books, world.discord, asked_on("discord"), killer)
    assert crowd.signed_out == []
    files = promises.check_files(books, [ana, ben])
    ends = Counter(job["status"] for job in books.jobs)
    deaths = Counter(death.program for death in killer.deaths)
    return (
        f"{sum(deaths.values())} kills {dict(deaths)}; {len(crowd.asks)} asks, "
        f"{len(books.jobs)} jobs {dict(ends)}, {decided} decided by the operator, {files} files, "
        f"{crowd.pages} pages, {twice} results twice on Telegram"
    )
