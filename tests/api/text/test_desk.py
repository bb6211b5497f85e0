"""Answers that are opened and ended together: no race passes a budget, and none pays for another
one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
import pytest

from api import ids
from api.budget.moves import Group, Want
from api.budget.schemas import BudgetIn
from api.budget.service import BudgetService
from api.callers import Caller
from api.db.open import open_db
from api.errors import BudgetExceeded
from api.schemas import usd
from api.text import endings, idempotency, store
from api.text.desk import SUBJECT, AnswerOpening, Desk
from api.text.idempotency import Claim
from api.text.schemas import TextIn
from api.text.store import Conversation
from sandbox.faults import Fault
from tests.api.harness import Api, running_api
from tests.api.text.test_endings import unconfirmed_once
from tests.api.text.test_stopping import first_words
from tests.sandbox_server import Sandbox

GROUPS: dict[str, Group] = {"ana": "users", "ben": "users", "eve": "guests", "root": "admins"}
OWN, GUESTS, ALL = 20, 10, 45


@pytest.fixture
async def api(sandbox: Sandbox, database: str, tmp_path: Path) -> AsyncIterator[Api]:
    url = database if "://" in database else f"duckdb://{database}"
    async with running_api(tmp_path, sandbox, database_url=url) as running:
        yield running


def desk_of(api: Api) -> Desk:
    return api.services.text._desk


def opening(user: str, number: int, amount: int = 1, process: str | None = "own") -> AnswerOpening:
    want = Want(user, OWN, GROUPS[user], amount, f"{SUBJECT}{number}", process)
    return AnswerOpening(want, None, None, ())


async def hold_image(budget: BudgetService, api: Api, user: str, number: int) -> str:
    async with api.services.db.transaction() as sql:
        return await budget.reserve(
            sql,
            user_id=user,
            monthly_micro=OWN,
            group=GROUPS[user],
            amount=1,
            subject=f"generation:{number}",
        )


async def test_128_questions_and_images_at_once_pass_no_budget(api: Api) -> None:
    """Of four people: their own budgets, those of guests, and that of everybody."""
    budget = api.services.budget
    await budget.set_limit(BudgetIn(scope="guests", monthly_usd=usd(GUESTS)), actor_id="root")
    await budget.set_limit(BudgetIn(scope="global", monthly_usd=usd(ALL)), actor_id="root")
    users = [list(GROUPS)[number % 4] for number in range(128)]
    asked = [
        desk_of(api).open(opening(user, number))
        if number % 8 < 6
        else hold_image(budget, api, user, number)
        for number, user in enumerate(users)
    ]
    found = await asyncio.gather(*asked, return_exceptions=True)
    refused = [each for each in found if isinstance(each, BaseException)]
    assert all(isinstance(each, BudgetExceeded) for each in refused), refused
    held = {user: (await budget.of_user(user))[1] for user in GROUPS}
    assert sum(held.values()) == len(found) - len(refused) == ALL
    assert held["eve"] <= GUESTS
    assert max(held.values()) <= OWN
    shared = {each.scope: each.held_usd for each in await budget.shared()}
    assert shared["global"] == usd(ALL)
    assert await budget.balance("ana", 10 * ALL, "users") == 0
    assert await budget.audit() == []
    open_ids = [each for each in found if isinstance(each, str)]

    async def release(hold_id: str) -> bool:
        async with budget.transaction() as sql:
            return await budget.release(sql, hold_id)

    await asyncio.gather(*(release(each) for each in open_ids))
    assert [await budget.of_user(user) for user in GROUPS] == [(0, 0)] * 4
    assert await budget.audit() == []


async def test_a_wrong_member_of_a_round_fails_alone(api: Api) -> None:
    """A conversation that is gone, a key that another request has, and an amount that is too
    high."""
    budget, now = api.services.budget, ids.now()
    old = Conversation("gone", "ana", "x", now.replace(year=2000), now.replace(year=2000))
    good, gone, first, second = (opening("ana", number) for number in range(4))
    claim = Claim("ana:key", "hash", f"{SUBJECT}2")
    found = await asyncio.gather(
        *(
            desk_of(api).open(each)
            for each in (
                good,
                AnswerOpening(gone.want, None, old, ()),
                AnswerOpening(first.want, claim, None, ()),
                AnswerOpening(second.want, claim, None, ()),
                opening("ana", 4, OWN + 1),
            )
        ),
        return_exceptions=True,
    )
    kinds = [type(each).__name__ for each in found]
    assert kinds == ["str", "NotFound", "str", "Duplicate", "BudgetExceeded"]
    assert await budget.of_user("ana") == (0, 2)
    assert await budget.audit() == []


async def test_a_question_that_is_cancelled_while_it_waits_holds_nothing(api: Api) -> None:
    asked = [asyncio.create_task(desk_of(api).open(opening("ana", n))) for n in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    late = asyncio.create_task(desk_of(api).open(opening("ana", 3)))
    await asyncio.sleep(0)
    asked[0].cancel()
    late.cancel()
    await asyncio.gather(*asked[1:])
    await desk_of(api).open(opening("ben", 4))
    assert await api.services.budget.of_user("ana") == (0, 2)
    assert await api.services.budget.audit() == []


async def test_an_account_that_is_erased_while_it_asks_is_settled_for_nobody(
    api: Api, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="chat", kind="stall", after=3))
    async with await api.user("ana") as ana:
        caller = Caller((await ana.get("/users/me")).json()["id"], "user")
    text, budget = api.services.text, api.services.budget
    running = await text.begin(caller, TextIn(prompt="Tell me a long story."))
    await first_words(api, running)
    assert (await budget.of_user(caller.user_id))[1] > 0
    await api.services.eraser.erase(caller.user_id, actor_id=caller.user_id)
    assert await budget.of_user(caller.user_id) == (0, 0)
    running.stop()
    assert running.task is not None
    await running.task
    assert await budget.audit() == []
    spent, held = await budget.of_user("deleted")
    assert (spent > 0, held) == (True, 0)


async def test_an_answer_that_was_freed_as_that_of_a_dead_process_is_booked_once(
    api: Api, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process stood still, and the commit that ends it is not confirmed at first."""
    sandbox.break_with(Fault(call="chat", kind="stall", after=3))
    async with await api.user("ana") as ana:
        caller = Caller((await ana.get("/users/me")).json()["id"], "user")
    text, budget = api.services.text, api.services.budget
    running = await text.begin(caller, TextIn(prompt="Tell me a long story."), "key")
    await first_words(api, running)
    async with budget.transaction() as sql:
        assert await budget.release(sql, running.hold_id)
        await idempotency.free(sql, [SUBJECT + running.id])
    left = unconfirmed_once("ended", monkeypatch)
    monkeypatch.setattr(endings, "SETTLE_WAITS", (0.0,))
    running.stop()
    assert running.task is not None
    await running.task
    assert left == []
    found = await api.services.db.fetch("SELECT amount_micro FROM ledger")
    assert [each["amount_micro"] > 0 for each in found] == [True]
    assert await budget.of_user(caller.user_id) == (found[0]["amount_micro"], 0)
    kept = await api.services.conversations.detail(caller.user_id, running.conversation.id)
    assert [each.role for each in kept.messages] == ["user", "assistant"]
    assert await budget.audit() == []


async def answers(client: httpx.AsyncClient, prompts: Sequence[str]) -> list[httpx.Response]:
    return await asyncio.gather(
        *(client.post("/generate/text", json={"prompt": each}) for each in prompts)
    )


async def test_answers_that_end_together_are_each_kept_and_booked(api: Api) -> None:
    prompts = [f"question {number}" for number in range(20)]
    async with await api.user("ana") as ana:
        found = [each.raise_for_status().json() for each in await answers(ana, prompts)]
        me = (await ana.get("/users/me")).json()
    spent = sum(round(float(each["cost_usd"]) * 1_000_000) for each in found)
    assert round(float(me["spent_usd"]) * 1_000_000) == spent > 0
    assert float(me["held_usd"]) == 0
    for prompt, answer in zip(prompts, found, strict=True):
        said = await store.messages(api.services.db, answer["conversation_id"], 9)
        assert [each.content for each in said] == [prompt, answer["text"]]
    assert await api.services.budget.audit() == []


async def test_processes_on_postgresql_pass_no_budget_together(postgres_url: str) -> None:
    dbs = [await open_db(postgres_url) for _ in range(2)]
    budgets = [BudgetService(db, global_limit_micro=15) for db in dbs]

    async def round_of(budget: BudgetService, first: int) -> list[bool]:
        wants = [
            Want(list(GROUPS)[n % 4], OWN, GROUPS[list(GROUPS)[n % 4]], 1, f"{SUBJECT}{n}", "own")
            for n in range(first, first + 8)
        ]
        async with budget.transaction() as sql:
            moved = await budget.move(sql, [], wants)
        return [not isinstance(hold, BudgetExceeded) for hold in moved.opened]

    found = await asyncio.gather(
        *(round_of(budgets[number % 2], number * 8) for number in range(8))
    )
    assert sum(sum(each) for each in found) == 15
    assert await budgets[0].audit() == []
    for db in dbs:
        await db.close()
