"""`./run faults calls`: the provider and the chats break at each call of a scripted day, in each
class of faults; after each day the promises are counted and the invariants looked at."""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Literal, get_args

import httpx

import api.generations.making.provider_waits
import api.generations.making.steps
import api.provider.breaker
import api.provider.openrouter
import bots.discord.rest
from api.schemas import usd
from sandbox.faults import CallKind, Fault
from tests.faults.day import Day, Platform
from tests.faults.fault_classes import (
    AT_DISCORD,
    AT_PROVIDER,
    AT_TELEGRAM,
    AWAY,
    OF_WEBHOOKS,
    at_provider,
)
from tests.faults.kill import done
from tests.topology import promises
from tests.topology.crowd import Ask, Crowd
from tests.topology.short_times import shorten
from tests.topology.world import SETTINGS, Engine, World, running_world

Side = Literal["provider", "telegram", "discord"]
PLATFORMS: tuple[Platform, ...] = get_args(Platform)
AT_ONCE = 12
"""Days that are lived at the same time, each in a chat of its own."""
UNCLEAR = {"reset_after", "hang", "slow", "bad_json", "cut"}
"""Classes after which nobody can tell what an answer has cost: the provider is asked later."""
ANSWERED_AT_LAST = 10.0
"""Seconds for an answer once nothing is left to do."""
UNPAID = {"models", "images.models", "videos.models", "key"}
FAST = {
    **SETTINGS,
    "CHAT_SIGNUP": "open",
    "GUEST_MONTHLY_USD": "100000",
    **{f"SANDBOX_{name}_SECONDS": "0" for name in ("FIRST_TOKEN", "TOKEN", "GENERATION")},
    "SANDBOX_IMAGE_SECONDS": "0.05",
    "SANDBOX_VIDEO_SECONDS": "0.4",
}


def hurry() -> None:
    """Shorten in each process, beside the leases, the patience with who does not answer. The
    breaker stays closed: each fault has to be met."""
    shorten()
    impatient = httpx.Timeout(5, connect=2)
    for name in ("_QUICK", "_TEXT", "_IMAGE", "_SUBMIT", "_DOWNLOAD"):
        setattr(api.provider.openrouter, name, impatient)
    api.provider.breaker.FAILURES = 10_000
    api.generations.making.provider_waits.FIRST = 0.2
    api.generations.making.steps.UNKNOWN_LOOK = 1.0
    api.generations.making.steps.PROVIDER_TIME_MAX = 8.0
    bots.discord.rest.TEXT_SECONDS = bots.discord.rest.FILES_SECONDS = 6.0


@dataclass(frozen=True)
class Case:
    """`call`: the kind of the provider's call, `any` at a chat, or `command`, which the platform
    brings twice. `number` counts from 0. The class `refuse` needs the world for itself, and breaks
    what comes behind the call."""

    side: Side
    platform: Platform
    name: str
    call: CallKind | Literal["any", "command"]
    number: int

    def __str__(self) -> str:
        where = self.side if self.side == self.platform else f"{self.side} by {self.platform}"
        return f"{where}: {self.name} at {self.call} {self.number + 1}"


@dataclass
class Played:
    case: Case | None
    day: Day
    wrong: list[str] = field(default_factory=list)


@dataclass
class Report:
    """`met`: faults that were met, by side. `unmet`: those whose call did not come."""

    met: Counter[str] = field(default_factory=Counter)
    unmet: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Calls:
    """Days in one world. `number` makes each day's chat."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.report = Report()
        self._number = 0

    async def play(self, cases: Sequence[Case | None]) -> list[Played]:
        """Live a day for each case at the same time, and judge them."""
        world = self.world
        world.telegram.forget()
        world.discord.forget()
        world.sandbox.reset()
        played = [Played(case, self._day(case)) for case in cases]
        world.sandbox.break_with(*[fault for one in played for fault in self._at_provider(one)])
        for one in played:
            self._at_chats(one)
        async with asyncio.TaskGroup() as living:
            for one in played:
                living.create_task(one.day.live(world.telegram, world.discord))
        self._count(played)
        await self._judge(played)
        return played

    def _day(self, case: Case | None) -> Day:
        self._number += 1
        platform = case.platform if case is not None else PLATFORMS[self._number % 2]
        twice = case.number if case is not None and case.call == "command" else None
        return Day(platform, self._number, twice=twice)

    @staticmethod
    def _at_provider(one: Played) -> Iterator[Fault]:
        case = one.case
        if case is None or case.side != "provider":
            return
        assert case.call not in {"any", "command"}
        where = {"prompt": one.day.name, "skip": case.number}
        if case.name == "refuse":
            gone = {"call": case.call, "kind": "gone", "seconds": AWAY, "times": 1}
            yield Fault.model_validate({**gone, **where})
        else:
            yield at_provider(case.call, case.name, **where)  # type: ignore[arg-type]

    def _at_chats(self, one: Played) -> None:
        case = one.case
        if case is None or case.side == "provider" or case.call == "command":
            return
        gone = {"kind": "gone_after", "seconds": AWAY}
        if case.side == "telegram":
            more = dict(gone if case.name == "refuse" else AT_TELEGRAM[case.name])
            self.world.telegram.fault("*", skip=case.number, chat=int(one.day.chat), **more)
        else:
            more = dict(gone if case.name == "refuse" else AT_DISCORD[case.name])
            self.world.discord.fault("*", "", skip=case.number, channel=one.day.chat, **more)

    def _count(self, played: list[Played]) -> None:
        world = self.world
        left = {str(chat) for chat in world.telegram.scene().faults_left}
        left |= {str(chat) for chat in world.discord.scene().faults_left}
        prompts = {fault.prompt for fault in world.sandbox.faults()}
        for one in played:
            if one.case is None:
                continue
            if one.day.chat in left or one.day.name in prompts:
                self.report.unmet.append(str(one.case))
            else:
                self.report.met[one.case.side] += 1

    async def _judge(self, played: list[Played]) -> None:
        world = self.world
        crowd = Crowd(0)
        crowd.asks = [ask for one in played for ask in one.day.asks]
        await promises.at_rest(world.rows)
        books = await promises.opened(world.rows, world.sandbox, crowd)
        if await promises.decide(books, world.admin):
            await promises.at_rest(world.rows)
            books = await promises.opened(world.rows, world.sandbox, crowd)
        booked = await self._booked()
        for one in played:
            for answered in one.day.waits:
                try:
                    await answered(ANSWERED_AT_LAST)
                except AssertionError as error:
                    one.wrong.append(f"{one.day.name} has a command without an answer: {error}")
            mine = _of(books, one.day.asks)
            checks: list[Callable[[], object]] = [
                lambda: promises.check_ends(mine, one.day.asks),  # noqa: B023 - called at once
                lambda: self._in_chat(mine, one),  # noqa: B023
                lambda: check_money(mine, one, booked.get(one.day.chat, 0)),  # noqa: B023
            ]
            for check in checks:
                try:
                    check()
                except AssertionError as error:
                    one.wrong.append(str(error))
            for wrong in one.wrong:
                self._note(f"{one.case or one.day.platform}: {wrong}")
        try:
            await promises.check_invariants(world.apis.url, world.stack)
        except AssertionError as error:
            cases = ", ".join(str(one.case) for one in played)
            self._note(f"invariants after {cases}: {error}")

    def _note(self, wrong: str) -> None:
        self.report.wrong.append(wrong)
        print(f"WRONG {wrong}", flush=True)

    def _in_chat(self, books: promises.Books, one: Played) -> None:
        if one.day.platform == "telegram":
            promises.check_telegram(books, self.world.telegram, one.day.asks)
        else:
            promises.check_discord(books, self.world.discord, one.day.asks)

    async def _booked(self) -> dict[str, int]:
        """Return micro-dollars in the ledger by the chat of their guest."""
        rows = await self.world.rows.fetch(
            "SELECT platform_user_id AS chat, CAST(sum(amount_micro) AS BIGINT) AS micro "
            "FROM ledger JOIN links ON links.user_id = ledger.user_id GROUP BY 1"
        )
        return {row["chat"]: row["micro"] for row in rows}


def _of(books: promises.Books, asks: list[Ask]) -> promises.Books:
    markers = {ask.marker for ask in asks}
    jobs = [job for job in books.jobs if job["prompt"] in markers]
    ids = {job["id"] for job in jobs}
    rows = [row for row in books.deliveries if row["generation_id"] in ids]
    return promises.Books(jobs, [], rows, books.calls)


def check_money(books: promises.Books, one: Played, booked: int) -> None:
    """Each request was worked on once at most, what came costs what was billed, and the ledger has
    just that."""
    asks, billed = one.day.asks, Decimal()
    for ask in asks:
        paid, job = books.paid(ask.marker), books.job(ask.marker)
        assert len(paid) <= 1, f"{ask.marker} was paid {len(paid)} times"
        if job is not None and job["status"] == "completed":
            assert abs(usd(job["cost_micro"]) - paid[0]) <= Decimal("0.000001"), job
        billed += sum(paid)
    missing = billed - usd(booked)
    unclear = one.case is not None and one.case.side == "provider" and one.case.name in UNCLEAR
    most = Decimal("0.00001")
    assert -most <= missing, f"booked {usd(booked)} for work of {billed}"
    assert unclear or missing <= most, f"booked {usd(booked)} for work of {billed}"


async def matrix(calls: Calls) -> list[Case]:
    """Return all cases, by the calls of a day on which all goes well."""
    await calls.play([None])
    day_of: dict[Platform, list[int]] = {}
    found: list[Case] = []
    for _ in PLATFORMS:
        (played,) = await calls.play([None])
        platform = played.day.platform
        seen = Counter[str]()
        made: list[tuple[CallKind, int]] = [("webhooks", 0)]
        for call in calls.world.sandbox.calls():
            if call["kind"] not in UNPAID:
                made.append((call["kind"], seen[call["kind"]]))
                seen[call["kind"]] += 1
        for kind, number in made:
            names = OF_WEBHOOKS if kind == "webhooks" else [*AT_PROVIDER, "refuse"]
            found += [Case("provider", platform, name, kind, number) for name in names]
        day_of[platform] = list(range(_calls_at(calls.world, played.day)))
        classes = AT_TELEGRAM if platform == "telegram" else AT_DISCORD
        found += [
            Case(platform, platform, name, "any", number)
            for number in day_of[platform]
            for name in [*classes, "refuse"]
        ]
        found += [
            Case(platform, platform, "duplicate", "command", number)
            for number in range(len(played.day.commands))
        ]
        print(
            f"{platform}: a day has {len(made)} calls of the provider and "
            f"{len(day_of[platform])} of the chat"
        )
    return found


def _calls_at(world: World, day: Day) -> int:
    if day.platform == "telegram":
        calls = world.telegram.scene().calls
        return sum(str(call.params.get("chat_id")) == day.chat for call in calls)
    return sum(one["channel"] == day.chat for one in world.discord.scene().requests)


def batches(cases: Sequence[Case], at_once: int) -> Iterator[list[Case]]:
    """Yield cases of days that may be lived at the same time; those of one class go together, as
    some take long."""
    alone = [case for case in cases if case.name == "refuse"]
    others = sorted((case for case in cases if case.name != "refuse"), key=lambda case: case.name)
    for begin in range(0, len(others), at_once):
        yield others[begin : begin + at_once]
    for case in alone:
        yield [case]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="./run faults calls", description=__doc__)
    parser.add_argument("--side", choices=get_args(Side), help="only its calls (all three)")
    parser.add_argument("--name", help="only this class, such as cut")
    parser.add_argument("--every", type=int, default=1, help="one case of so many (1: all)")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help=f"days at a time ({AT_ONCE})")
    parser.add_argument("--engine", choices=get_args(Engine), default="duckdb")
    chosen = parser.parse_args(arguments)

    async def work(folder: Path, url: str | None) -> int:
        async with running_world(
            chosen.engine, folder, url, slow=False, settings=FAST, prepare=hurry
        ) as world:
            calls = Calls(world)
            wanted = [
                case
                for case in await matrix(calls)
                if chosen.side in {None, case.side} and chosen.name in {None, case.name}
            ][:: chosen.every]
            return await _all(calls, wanted, chosen.at_once)

    return done(chosen.engine, work)


async def _all(calls: Calls, cases: Sequence[Case], at_once: int) -> int:
    """Return 1 when a promise was broken."""
    lived = 0
    print(f"{len(cases)} cases", flush=True)
    for batch in batches(cases, at_once):
        began = time.monotonic()
        calls.world.admin.sign_in()  # a token of access lives for a quarter of an hour
        played = await calls.play(batch)
        lived += len(batch)
        bad = sum(bool(one.wrong) for one in played)
        print(
            f"{lived} of {len(cases)}: {batch[0]} and {len(batch) - 1} more in "
            f"{time.monotonic() - began:.0f} s{f', {bad} WRONG' if bad else ''}",
            flush=True,
        )
    report = calls.report
    print("\n".join(f"not met: {case}" for case in report.unmet))
    print(
        f"{lived} days, faults met {dict(report.met)}, {len(report.unmet)} whose call did not "
        f"come; {len(report.wrong)} promises broken."
    )
    return 1 if report.wrong else 0
