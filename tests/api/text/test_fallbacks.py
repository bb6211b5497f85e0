"""Other models that answer when the chosen one cannot, by the operator's list."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from api.schemas import usd
from sandbox.faults import Fault
from tests.api.harness import Api, running_api
from tests.api.text.test_documents import asked, last_body
from tests.sandbox_server import Sandbox

PLAIN, DEAR, NEITHER = (
    "openai/gpt-5-mini",
    "anthropic/claude-haiku-4.5",
    "meta-llama/llama-3.3-70b-instruct:free",
)


@pytest.fixture
async def api(sandbox: Sandbox, postgres_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    named = f"nobody/has-it, {NEITHER}, {DEAR}"
    async with running_api(
        tmp_path, sandbox, database_url=postgres_url, text_fallbacks=named
    ) as running:
        yield running


async def test_another_model_answers_is_named_and_paid(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="chat", kind="status", status=503, model=PLAIN))
    # the free one cannot search
    answer = await asked(ana, "What is new?", web=True)
    assert (answer["model"], answer["instead_of"]) == (DEAR, "OpenAI: GPT-5 Mini")
    assert last_body(sandbox)["models"] == [PLAIN, DEAR]
    assert last_body(sandbox)["session_id"] == answer["conversation_id"]
    (held,) = await api.services.db.fetch("SELECT amount_micro FROM holds")
    # the dearest: five times the price of the asked one for each of 8,192 tokens
    assert usd(held["amount_micro"]) > Decimal("0.04")
    (booked,) = await api.services.db.fetch("SELECT model FROM ledger")
    assert booked["model"] == DEAR
    talk = (await ana.get(f"/conversations/{answer['conversation_id']}")).json()["messages"]
    assert talk[1]["model"] == DEAR


async def test_the_asked_model_answers_while_it_can(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    answer = await asked(ana, "What is new?")
    assert (answer["model"], answer["instead_of"]) == (PLAIN, None)
    assert last_body(sandbox)["models"] == [PLAIN, NEITHER, DEAR]
