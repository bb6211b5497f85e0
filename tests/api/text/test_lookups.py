"""The cost of a cut or stopped answer is looked up until the provider knows it, and replaces the
booked estimate."""

import asyncio
from decimal import Decimal
from typing import Any

import httpx
import pytest

from api import ids
from api.callers import Caller
from api.schemas import micro, usd
from api.text.cost_lookups import Lookups, LookupTimes
from api.text.schemas import TextIn
from sandbox.faults import Fault
from tests.api.harness import Api
from tests.api.provider.test_answers import said
from tests.api.text.test_answers import money, streamed
from tests.api.text.test_endings import replay, shown
from tests.api.text.test_stopping import ended, first_words
from tests.sandbox_server import Sandbox

SOON = LookupTimes(waits=(0.0, 0.05, 0.1, 0.2, 0.4), look=0.0)


@pytest.fixture
async def lookups(api: Api, monkeypatch: pytest.MonkeyPatch) -> Lookups:
    """Return the look-ups of a later process; the api's own are switched off."""
    monkeypatch.setattr(api.services.text.lookups, "wake", lambda: None)
    return Lookups(api.services.db, api.services.provider, api.services.budget, SOON)


async def rows(api: Api) -> list[Any]:
    return list(await api.services.db.fetch("SELECT * FROM text_lookups"))


async def looked_up(api: Api, lookups: Lookups) -> None:
    async with asyncio.timeout(20):
        while await rows(api):
            await api.services.db.execute(
                "UPDATE text_lookups SET due_at = $1 WHERE tries = 0", ids.now()
            )
            await lookups.turn()
            await asyncio.sleep(0.01)


async def billed(api: Api, sandbox: Sandbox) -> str:
    """Return the cost in the provider's record of the one open answer."""
    (row,) = await rows(api)
    async with httpx.AsyncClient(
        base_url=sandbox.url, headers={"Authorization": "Bearer x"}
    ) as web:
        record = (await web.get("/generation", params={"id": row["provider_id"]})).json()["data"]
    assert record["cancelled"] is True
    return f"{usd(micro(Decimal(str(record['total_cost'])))):.6f}"


async def cut(ana: httpx.AsyncClient, sandbox: Sandbox, **timing: float) -> tuple[str, str]:
    """Break an answer off, and return its id and the amount charged at first."""
    sandbox.break_with(Fault(call="chat", kind="cut", after=40, times=1), **timing)
    heard = await streamed(ana, prompt="Tell me about tea --words 200")
    return heard[0][1]["id"], heard[-1][1]["error"]["charged_usd"]


async def test_a_cut_answer_costs_in_the_end_what_the_provider_says(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox, lookups: Lookups
) -> None:
    answer, estimate = await cut(ana, sandbox)
    assert await money(ana) == (estimate, "0.000000"), "the estimate stands until then"
    real = await billed(api, sandbox)
    assert real != estimate
    await looked_up(api, lookups)
    spent, _ = await money(ana)
    assert spent == real
    assert (await ana.post(f"/generate/text/{answer}/stop")).json() == {
        "charged_usd": spent,
        "stopped": False,
    }
    assert (await shown(ana))[1]["cost_usd"] == spent
    assert await api.services.budget.audit() == []


async def test_it_is_asked_again_until_the_provider_knows(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox, lookups: Lookups
) -> None:
    _, estimate = await cut(ana, sandbox, generation=0.2)
    await looked_up(api, lookups)
    assert (await money(ana))[0] != estimate
    assert len(sandbox.calls("generation")) > 1


async def test_a_provider_that_fails_meanwhile_is_asked_again(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox, lookups: Lookups
) -> None:
    _, estimate = await cut(ana, sandbox)
    sandbox.break_with(Fault(call="generation", kind="status", status=401, times=2))
    await looked_up(api, lookups)
    assert (await money(ana))[0] != estimate


async def test_a_cost_that_the_provider_never_tells_stays_estimated(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox, lookups: Lookups
) -> None:
    _, estimate = await cut(ana, sandbox, generation=3600)
    await looked_up(api, lookups)
    assert await money(ana) == (estimate, "0.000000")
    assert len(sandbox.calls("generation")) == len(SOON.waits)


async def test_a_stopped_answer_is_asked_for_too(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox, lookups: Lookups
) -> None:
    caller = Caller((await ana.get("/users/me")).json()["id"], "user")
    sandbox.break_with(Fault(call="chat", kind="stall", after=3, seconds=30))
    running = await api.services.text.begin(caller, TextIn(prompt="Tell me a long story."))
    await first_words(api, running)
    running.stop()
    await ended(running)
    real = await billed(api, sandbox)
    await looked_up(api, lookups)
    assert (await money(ana))[0] == real


async def test_an_answer_without_a_bill_is_asked_for_and_one_with_a_bill_is_not(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox, lookups: Lookups
) -> None:
    await streamed(ana)
    assert await rows(api) == []
    sandbox.break_with(replay(said("No bill.")))
    await streamed(ana)
    assert [row["provider_id"] for row in await rows(api)] == ["gen-1"]


async def test_an_account_that_is_erased_leaves_nothing_to_ask_for(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox, lookups: Lookups
) -> None:
    await cut(ana, sandbox)
    await api.services.text.erase_user((await ana.get("/users/me")).json()["id"])
    assert await rows(api) == []


async def test_a_running_process_looks_by_itself(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.services.text.lookups, "_times", SOON)
    _, estimate = await cut(ana, sandbox)
    async with asyncio.timeout(20):
        while await rows(api):  # noqa: ASYNC110 - a row that goes sets no event
            await asyncio.sleep(0.02)
    assert (await money(ana))[0] != estimate
