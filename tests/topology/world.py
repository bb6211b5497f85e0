"""The whole product with everybody around it: fakes of both platforms, balancers, people with
accounts and chats. On PostgreSQL as on several machines, with DuckDB one process of each kind."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import asyncpg

from api.fault_points import VARIABLE
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
from tests.topology.killer import Group, Killer
from tests.topology.rows import FileRows, Rows, ServerRows
from tests.topology.short_times import IDENTIFY_SECONDS, shorten

Engine = Literal["duckdb", "postgresql"]
NUMBERS: Mapping[Engine, Mapping[str, int]] = {
    "duckdb": {"api": 1, "web": 1, "telegram": 1, "discord": 1},
    "postgresql": {"api": 3, "worker": 3, "web": 2, "telegram": 2, "discord": 2},
}
SETTINGS = {
    "DEFAULT_MONTHLY_USD": "100000",
    "OPENROUTER_WEBHOOK_SECRET": "a webhook secret of the tests",
    "SANDBOX_IMAGE_SECONDS": "1.2",
    "SANDBOX_VIDEO_SECONDS": "3",
    "SANDBOX_FIRST_TOKEN_SECONDS": "0.1",
}
SLOW_SECONDS = 0.7
STARTED_LATER = ("web", "telegram", "discord")
"""Programs that reach the api through its balancer."""


@dataclass
class World:
    """`armed`: the file that names the point at which processes die."""

    engine: Engine
    stack: Stack
    groups: Mapping[str, Group]
    armed: Path
    telegram: FakeTelegram
    discord: FakeDiscord
    apis: Balancer
    webs: Balancer
    rows: Rows
    admin: Account = field(init=False)
    member: Account = field(init=False)
    on_telegram: list[TelegramPerson] = field(init=False)
    on_discord: list[DiscordPerson] = field(init=False)

    @property
    def sandbox(self) -> Sandbox:
        return Sandbox(self.stack.sandbox_url)

    async def settle_in(self) -> None:
        """Make two accounts with two linked chats each."""
        self.admin = Account(self.stack, self.apis.url)
        self.member = InvitedAccount(self.admin, "anton@example.org")
        self.on_telegram = [TelegramPerson(self.telegram, chat) for chat in (501, 502)]
        self.on_discord = [
            DiscordPerson(self.discord),
            DiscordPerson(self.discord, "700000000000000002", "800000000000000002"),
        ]
        number = len(self.groups["discord"])
        shards = [[shard, number] for shard in range(number)]
        if number > 1:
            await self.discord.until(lambda scene: scene.shards_connected == shards, 60)
        else:
            await self.on_discord[0].connected()
        await self.on_telegram[0].connected()
        accounts = (self.admin, self.member)
        people: list[tuple[Account, Person]] = [
            *zip(accounts, self.on_telegram, strict=True),
            *zip(accounts, self.on_discord, strict=True),
        ]
        for account, person in people:
            await account.link(person)
        self.on_discord[1].channel = GUILD_CHANNEL_ID

    def slow_down(self) -> None:
        """Let the calls that cannot be repeated take long enough to be hit."""
        always: dict[str, Any] = {"times": 1_000_000, "seconds": SLOW_SECONDS}
        for method in ("sendPhoto", "sendVideo"):
            self.telegram.fault(method, "slow_after", **always)
        self.discord.fault("POST", r"/channels/\d+/messages$", "slow_after", **always)
        self.break_provider()

    def break_provider(self, *faults: Fault) -> None:
        submit = Fault(call="videos.submit", kind="delay", seconds=SLOW_SECONDS)
        self.sandbox.break_with(*faults, submit)

    def begin_anew(self) -> None:
        """Forget the calls of the provider that were counted, and sign in again."""
        self.sandbox.reset()
        self.break_provider()
        for account in (self.admin, self.member):
            account.sign_in()

    @asynccontextmanager
    async def asking(self, crowd: Crowd) -> AsyncIterator[None]:
        """Let everybody ask at every door until the end of the block."""
        async with asyncio.TaskGroup() as asking:
            for each in self.on_telegram:
                asking.create_task(crowd.on_telegram(each))
            asking.create_task(crowd.on_discord(self.on_discord[0], None))
            asking.create_task(crowd.on_discord(self.on_discord[1], GUILD_ID))
            asking.create_task(crowd.by_program(self.member))
            asking.create_task(crowd.tidying(self.member))
            asking.create_task(crowd.on_web(self.webs.url, self.admin.email))
            yield
            crowd.resting.set()

    async def check(self, crowd: Crowd, killer: Killer) -> str:
        """Wait for the rest, compare everything, and return a line with the numbers."""
        await promises.at_rest(self.rows)
        books = await promises.opened(self.rows, self.sandbox, crowd)
        decided = await promises.decide(books, self.admin)
        await promises.at_rest(self.rows)
        books = await promises.opened(self.rows, self.sandbox, crowd)
        promises.check_ends(books, crowd.asks)
        promises.check_tidied(books, crowd, self.member)
        await promises.check_money(books, self.rows, self.admin, [self.admin, self.member])

        def asked_on(platform: str) -> list[Ask]:
            return [ask for ask in crowd.asks if ask.place and ask.place[0] == platform]

        twice = await promises.in_time(
            lambda: promises.check_telegram(books, self.telegram, asked_on("telegram"))
        )
        await promises.in_time(
            lambda: promises.check_discord(books, self.discord, asked_on("discord"), killer)
        )
        assert crowd.signed_out == []
        files = promises.check_files(books, [self.admin, self.member])
        await promises.check_invariants(self.apis.url, self.stack)
        ends = Counter(job["status"] for job in books.jobs)
        return (
            f"{len(crowd.asks)} asks, {len(books.jobs)} jobs {dict(ends)}, {decided} decided by "
            f"the operator, {len(crowd.deleted)} deleted, {files} files, {crowd.pages} pages, "
            f"{twice} results twice on Telegram"
        )


@asynccontextmanager
async def running_world(
    engine: Engine,
    folder: Path,
    postgres_url: str | None = None,
    *,
    slow: bool = True,
    settings: Mapping[str, str] = SETTINGS,
    prepare: Callable[[], None] = shorten,
) -> AsyncIterator[World]:
    """Yield a settled world; `postgres_url`: an empty database on a server. `slow`: see
    `World.slow_down`; `prepare`: see `Stack`."""
    groups = {name: replicas(name, number) for name, number in NUMBERS[engine].items()}
    armed = folder / "point"
    armed.write_text("")
    with ExitStack() as up:
        telegram = up.enter_context(running_telegram())
        discord = up.enter_context(running_discord(ticking=True))
        discord.portal(shards=len(groups["discord"]), identify_seconds=IDENTIFY_SECONDS / 2)
        apis, webs = (up.enter_context(running_balancer()) for _ in range(2))
        env = {**settings, "API_URL": apis.url, "PUBLIC_API_URL": apis.url, VARIABLE: str(armed)}
        if engine == "postgresql":
            assert postgres_url is not None
            s3 = up.enter_context(s3_server(folder))
            env |= {
                **s3.settings("owner"),
                "MEDIA_URL": "s3://studio/media",
                "DATABASE_URL": postgres_url,
                "DATABASE_POOL": "5",
            }
        stack = up.enter_context(
            running_stack(
                telegram=telegram,
                discord=discord,
                extra_env=env,
                data_dir=folder / "data",
                without=frozenset(STARTED_LATER),
                apis=len(groups["api"]),
                workers=len(groups.get("worker", ())),
                apart=True,
                prepare=prepare,
            )
        )
        apis.members = [stack.port(name) for name in groups["api"]]
        webs.members = [stack.port(name) for name in groups["web"]]
        for program in STARTED_LATER:
            for name in groups[program]:
                stack.start(name)
        async with AsyncExitStack() as late:
            rows: Rows = FileRows(stack)
            if engine == "postgresql":
                connection = await asyncpg.connect(postgres_url)
                late.push_async_callback(connection.close)
                rows = ServerRows(connection)
            world = World(engine, stack, groups, armed, telegram, discord, apis, webs, rows)
            await world.settle_in()
            if slow:
                world.slow_down()
            yield world
