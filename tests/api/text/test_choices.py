"""Searching the web and thinking: asked for, preferred, refused, paid, and told."""

from decimal import Decimal
from typing import Any

import httpx

from api.catalog.model import Model
from api.schemas import usd
from api.text.choices import chosen
from api.text.schemas import TextIn
from sandbox.faults import Fault
from tests.api.harness import Api
from tests.api.text.test_documents import asked, last_body
from tests.sandbox_server import Sandbox

PLAIN, ALWAYS, NEITHER = (
    "openai/gpt-5-mini",
    "google/gemini-2.5-flash",
    "meta-llama/llama-3.3-70b-instruct:free",
)


async def preferred(client: httpx.AsyncClient, **wanted: Any) -> None:
    answer = await client.put("/users/me/preferences", json=wanted)
    assert answer.status_code == 200, answer.text


async def test_a_search_is_bounded_held_and_cited(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    question = "Compare the news of today."
    body = {"prompt": question, "model": PLAIN, "web": True}
    estimate = (await ana.post("/generate/estimate", json={**body, "kind": "text"})).json()
    plain = (
        await ana.post("/generate/estimate", json={**body, "kind": "text", "web": False})
    ).json()
    assert Decimal(estimate["cost_usd"]) - Decimal(plain["cost_usd"]) > Decimal("0.021")
    answer = await asked(ana, question, web=True)
    (tool,) = last_body(sandbox)["tools"]
    assert tool["type"] == "openrouter:web_search"
    assert (tool["parameters"]["engine"], tool["parameters"]["max_uses"]) == ("exa", 3)
    assert "Today is" in last_body(sandbox)["messages"][0]["content"]
    # of two searches with three addresses each, one stands there twice and two have no title
    assert [one["url"] for one in answer["citations"]] == [
        "https://example.org/1",
        "https://news.example.com/1",
        "https://example.org/2",
        "https://news.example.com/2",
    ]
    assert [bool(one["title"]) for one in answer["citations"]] == [True, False, True, False]
    assert answer["usage"]["searches"] == 2
    (held,) = await api.services.db.fetch("SELECT amount_micro FROM holds")
    assert Decimal("0.014") < Decimal(answer["cost_usd"]) < usd(held["amount_micro"])
    # the day that is told is a few characters more than the estimate knows
    assert usd(held["amount_micro"]) >= Decimal(estimate["cost_usd"])


async def test_searches_count_under_both_names_and_are_paid_without_a_bill(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    stream = (
        'data: {"id":"g","model":"m","choices":[{"delta":{"content":"Tea."}}]}\n\n'
        'data: {"id":"g","choices":[{"delta":{},"finish_reason":"stop"}],"usage":'
        '{"prompt_tokens":9,"completion_tokens":2,'
        '"server_tool_use":{"web_search_requests":2}}}\n\n'
        "data: [DONE]"
    )
    sandbox.break_with(Fault(call="chat", kind="replay", body=stream))
    answer = await asked(ana, "Tea?", web=True)
    assert answer["usage"]["searches"] == 2
    assert Decimal(answer["cost_usd"]) >= Decimal("0.014")


async def test_a_preference_counts_as_far_as_the_model_can(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    await preferred(ana, web_search=True, effort="medium")
    await asked(ana, "Tea?")
    assert last_body(sandbox)["reasoning"] == {"effort": "medium"}
    assert "tools" in last_body(sandbox)
    await asked(ana, "Tea?", web=False, effort="off")
    assert last_body(sandbox)["reasoning"] == {"effort": "none"}
    assert "tools" not in last_body(sandbox)
    await asked(ana, "Tea?", model=NEITHER)
    assert not {"tools", "reasoning"} & last_body(sandbox).keys()
    await asked(ana, "Tea?", model=ALWAYS)  # it has no medium effort
    assert "reasoning" not in last_body(sandbox)


async def test_what_a_model_cannot_do_is_refused_in_words(ana: httpx.AsyncClient) -> None:
    for model, option, allowed in (
        (ALWAYS, {"effort": "off"}, ["low", "high"]),
        (ALWAYS, {"effort": "medium"}, ["low", "high"]),
        (NEITHER, {"web": True}, None),
    ):
        body = {"prompt": "Tea?", "model": model, **option}
        refused = await ana.post("/generate/text", json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, "option_unsupported")
        assert (refused.json().get("allowed") or None) == allowed


async def test_thinking_is_timed_counted_and_remembered(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(token=0.01)
    answer = await asked(ana, "Tea? --words 3", effort="high")
    assert answer["usage"]["thinking_tokens"] > 20
    assert answer["usage"]["thinking_seconds"] >= 0.2
    talk = (await ana.get(f"/conversations/{answer['conversation_id']}")).json()["messages"]
    assert talk[1]["thinking_seconds"] == answer["usage"]["thinking_seconds"]


async def test_much_thinking_has_more_room(api: Api) -> None:
    model: Model = api.services.catalog.resolve("text", PLAIN, "user")

    def room(**wanted: Any) -> int:
        return chosen(model, TextIn(prompt="?", **wanted), web=False, effort=None).most_tokens(
            model
        )

    assert room(effort="high") == 2 * room(effort="low")
