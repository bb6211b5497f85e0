"""The ends of answers, from streams as providers send them: their text, their events, the stored
message and the booked cost."""

import base64
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import httpx
import pytest

from api.budget.moves import Bill, Movement, Want
from api.budget.service import BudgetService
from api.db import DbUnavailable, Sql
from api.errors import StorageFull
from api.media.service import MediaService
from api.text import desk, endings, store
from sandbox.faults import Fault
from tests.api.harness import Api
from tests.api.media.samples import picture
from tests.api.provider.test_answers import events, said
from tests.api.text.test_answers import NOTHING, ask, money, streamed
from tests.cases import case
from tests.sandbox_server import Sandbox


def replay(body: str, *, breaks: bool = False) -> Fault:
    return Fault(call="chat", kind="replay", body=body, breaks=breaks)


async def told(client: httpx.AsyncClient, **more: Any) -> tuple[str, dict[str, Any]]:
    """Return the text as its reader has it, and the last event's data."""
    text, last = "", dict[str, Any]()
    for name, last in await streamed(client, **more):
        if name == "delta":
            text += last["text"]
        elif name == "thinking" and last["forget"]:
            text = ""
    return text, last


async def shown(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Return the messages of the newest conversation."""
    items = (await client.get("/conversations")).json()["items"]
    found: list[dict[str, Any]] = (
        (await client.get(f"/conversations/{items[0]['id']}")).json()["messages"] if items else []
    )
    return found


async def agree(client: httpx.AsyncClient, charged: str) -> None:
    """Check that the announced cost is the booked one, and that nothing is held."""
    assert await money(client) == (charged, "0.000000")


@pytest.mark.parametrize(
    ("name", "finish"), [("length", "length"), ("content_filter", "content_filter")]
)
async def test_the_end_of_an_answer_is_told_and_kept(
    ana: httpx.AsyncClient, sandbox: Sandbox, name: str, finish: str
) -> None:
    sandbox.break_with(replay(case(f"finish-reason/{name}.sse")))
    text, done = await told(ana)
    assert (done["answer"]["text"], done["answer"]["finish_reason"]) == (text, finish)
    await agree(ana, done["answer"]["cost_usd"])
    question, answer = await shown(ana)
    seen = (question["finish_reason"], answer["finish_reason"], answer["id"])
    assert seen == (None, finish, done["answer"]["id"])
    assert (await ask(ana)).json()["finish_reason"] == finish
    sandbox.reset()
    assert (await ask(ana)).json()["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("name", "breaks", "charged"),
    [("cut_mid", True, None), ("no_finish", False, "0.001230")],
)
async def test_a_broken_answer_says_what_was_booked(
    ana: httpx.AsyncClient, sandbox: Sandbox, name: str, breaks: bool, charged: str | None
) -> None:
    sandbox.break_with(replay(case(f"charged-but-says-not/{name}.sse"), breaks=breaks))
    text, end = await told(ana)
    assert text
    seen = (end["error"]["code"], end["error"]["reason"])
    assert seen == ("provider_unavailable", "connection_lost")
    assert Decimal(end["error"]["charged_usd"]) > 0
    assert charged in {None, end["error"]["charged_usd"]}
    await agree(ana, end["error"]["charged_usd"])
    _, answer = await shown(ana)
    found = (answer["text"], answer["finish_reason"], answer["cost_usd"])
    assert found == (text, "broken", end["error"]["charged_usd"])
    spent = Decimal((await money(ana))[0])
    problem = (await ask(ana)).json()
    assert Decimal(problem["charged_usd"]) == Decimal((await money(ana))[0]) - spent > 0


async def test_a_line_that_is_no_json_costs_nothing_but_itself(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(replay(case("charged-but-says-not/nonjson_mid.sse")))
    text, done = await told(ana)
    assert done["answer"]["text"] == text == "Half of the answer is here and then the rest."
    await agree(ana, "0.001230")


async def test_a_failure_that_cost_nothing_says_so(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    for fault in (
        Fault(call="chat", kind="status", status=503),
        Fault(call="chat", kind="stream_error", after=4),
    ):
        sandbox.break_with(fault)
        _, end = await told(ana)
        assert end["error"]["charged_usd"] == "0.000000"
        assert (await ask(ana)).json()["charged_usd"] == "0.000000"
        await agree(ana, "0.000000")


@pytest.mark.parametrize(
    ("name", "reason", "charged"),
    [("reasoning_length", "thinking_only", "0.016400"), ("tool_calls", "empty_answer", "0.001230")],
)
async def test_an_answer_without_a_word_says_why_and_what_it_cost(
    ana: httpx.AsyncClient, sandbox: Sandbox, name: str, reason: str, charged: str
) -> None:
    sandbox.break_with(replay(case(f"empty-answer-charged/{name}.sse")))
    text, end = await told(ana)
    assert text == ""
    seen = (end["error"]["code"], end["error"]["reason"], end["error"]["charged_usd"])
    assert seen == ("no_answer", reason, charged)
    await agree(ana, charged)
    headers = {"Idempotency-Key": "once"}
    for _ in range(2):
        answer = await ana.post("/generate/text", json={"prompt": "Why?"}, headers=headers)
        found = (answer.status_code, answer.json()["reason"], answer.json()["charged_usd"])
        assert found == (502, reason, charged)
    assert len(sandbox.calls("chat")) == 2, "the same key is paid once"


async def test_a_model_that_thinks_is_seen_to_and_not_quoted(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    for name in ("think_tags", "think_close_only"):
        sandbox.break_with(replay(case(f"think-tags/{name}.sse")))
        heard = await streamed(ana)
        assert "thinking" in [event for event, _ in heard]
        text, done = await told(ana)
        assert text.strip() == done["answer"]["text"].strip() == "The answer is **4**."
        assert done["answer"]["usage"]["thinking_tokens"] > 0
    _, answer = await shown(ana)
    assert answer["text"] == text
    await ask(ana, conversation_id=done["answer"]["conversation_id"])
    assert all(
        "user wants" not in str(message)
        for message in sandbox.calls("chat")[-1]["body"]["messages"]
    )


async def test_thinking_is_told_once_until_words_come(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(
        replay(
            events(
                {"reasoning": "a"},
                {"reasoning": "b"},
                {"content": "4"},
                {"reasoning": "c"},
                {"content": "2"},
            )
        )
    )
    found = [name for name, _ in await streamed(ana)]
    assert found == ["start", "thinking", "delta", "thinking", "delta", "done"]


async def test_thinking_is_paid_for_also_where_the_stream_breaks(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    first = events({"reasoning": "x" * 4000}).split("\n\n")[0]
    sandbox.break_with(replay(first, breaks=True))
    _, end = await told(ana)
    assert Decimal(end["error"]["charged_usd"]) > Decimal("0.001")
    await agree(ana, end["error"]["charged_usd"])


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {"prompt_tokens": None, "completion_tokens": None, "cost": None},
        {"prompt_tokens": "many", "completion_tokens": 1.5, "cost": "free"},
        {"prompt_tokens": 0, "completion_tokens": 0},
        {"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": None}},
        {"cost": 1e300},
    ],
)
async def test_a_bill_that_cannot_be_read_is_estimated(
    ana: httpx.AsyncClient, sandbox: Sandbox, usage: object
) -> None:
    stream = said("word " * 400).replace(
        "data: [DONE]", f"data: {json.dumps({'choices': [], 'usage': usage})}\n\ndata: [DONE]"
    )
    sandbox.break_with(replay(stream))
    _, done = await told(ana)
    assert Decimal(done["answer"]["cost_usd"]) >= Decimal("0.001"), "667 tokens of an answer"
    found = done["answer"]["usage"]
    counted = {"prompt_tokens": 7, "completion_tokens": 667, "thinking_tokens": 0}
    assert found == {**counted, "thinking_seconds": 0.0, "searches": 0}
    await agree(ana, done["answer"]["cost_usd"])


async def test_a_key_of_our_own_costs_what_the_supplier_takes(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(replay(case("byok-cost/usage_with_upstream.sse")))
    _, done = await told(ana)
    assert done["answer"]["cost_usd"] == "0.010000"
    await agree(ana, "0.010000")


async def test_characters_cut_in_two_reach_reader_and_store(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(replay(said("A fox \ud83e", "\udd8a, a half \ud83d", "and a nul \x00.")))
    text, done = await told(ana)
    assert done["answer"]["text"] == text == "A fox 🦊, a half \ufffdand a nul ."
    _, answer = await shown(ana)
    assert answer["text"] == text


async def test_sources_are_told_and_kept_but_not_sent_again(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    def cited(url: str) -> Mapping[str, Any]:
        return {
            "annotations": [
                {"type": "url_citation", "url_citation": {"url": url, "title": f"Of {url}"}}
            ]
        }

    sandbox.break_with(
        replay(
            events(
                {"content": "Yes [1], no [2]."},
                dict(cited("https://a.example/")),
                dict(cited("https://b.example/")),
            )
        )
    )
    _, done = await told(ana)
    expected = [
        {"number": 1, "url": "https://a.example/", "title": "Of https://a.example/"},
        {"number": 2, "url": "https://b.example/", "title": "Of https://b.example/"},
    ]
    assert done["answer"]["citations"] == expected
    assert (await shown(ana))[1]["citations"] == expected
    sandbox.reset()
    await ask(ana, conversation_id=done["answer"]["conversation_id"])
    assert "example" not in str(sandbox.calls("chat")[-1]["body"]["messages"])


def with_picture(*texts: str) -> str:
    url = "data:image/png;base64," + base64.b64encode(picture()).decode()
    image = {"type": "image_url", "image_url": {"url": url}}
    return events(*({"content": text} for text in texts), {"images": [image]})


async def test_pictures_of_an_answer_are_kept_with_it(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(replay(with_picture("Here.")))
    answer = await ana.post(
        "/generate/text", json={"prompt": "Draw"}, headers={"Idempotency-Key": "k"}
    )
    (image,) = answer.json()["images"]
    assert (await api.client.get(image["url"])).content == picture()
    again = await ana.post(
        "/generate/text", json={"prompt": "Draw"}, headers={"Idempotency-Key": "k"}
    )
    assert [each["id"] for each in again.json()["images"]] == [image["id"]]
    question, shown_answer = await shown(ana)
    seen = (question["images"], [each["id"] for each in shown_answer["images"]])
    assert seen == ([], [image["id"]])
    sandbox.reset()
    await ask(ana, "And its colour?", conversation_id=answer.json()["conversation_id"])
    first, before, now = sandbox.calls("chat")[-1]["body"]["messages"]
    assert (first["content"], before["content"]) == ("Draw", "Here.")
    assert [part["type"] for part in now["content"]] == ["text", "image_url"]
    await ana.delete(f"/conversations/{answer.json()['conversation_id']}")
    assert (await api.client.get(image["url"])).status_code == 404
    assert await api.services.db.fetch("SELECT id FROM media") == []


async def test_an_answer_of_a_picture_alone_is_an_answer(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(replay(with_picture()))
    _, done = await told(ana)
    assert (done["answer"]["text"], len(done["answer"]["images"])) == ("", 1)
    sandbox.reset()
    await ask(ana, conversation_id=done["answer"]["conversation_id"])
    found = sandbox.calls("chat")[-1]["body"]["messages"][1]
    assert found == {"role": "assistant", "content": "[picture]"}


async def test_a_picture_that_cannot_be_kept_does_not_cost_the_words(
    ana: httpx.AsyncClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise StorageFull("storage_full")

    monkeypatch.setattr(MediaService, "keep_shown", full)
    sandbox.break_with(replay(with_picture("Here.")))
    _, done = await told(ana)
    assert (done["answer"]["text"], done["answer"]["images"]) == ("Here.", [])
    await agree(ana, done["answer"]["cost_usd"])


async def test_going_on_goes_on_behind_that_answer(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(replay(case("finish-reason/length.sse")))
    first = (await ask(ana, "Tell me all.", model="anthropic/claude-haiku-4.5")).json()
    sandbox.reset()
    await ask(ana, "Something else.", conversation_id=first["conversation_id"])
    on = (await ask(ana, "Go on.", after=first["id"])).json()
    assert on["conversation_id"] == first["conversation_id"]
    sent = sandbox.calls("chat")[-1]["body"]
    assert sent["model"] == "anthropic/claude-haiku-4.5", "the model that has answered goes on"
    found = [message["content"] for message in sent["messages"]]
    assert found == ["Tell me all.", first["text"], "Go on."]
    async with await api.user("eve") as eve:
        assert (await ask(eve, "Go on.", after=first["id"])).status_code == 404
        assert await money(eve) == NOTHING
    for nobodys in ("nothing", (await shown(ana))[0]["id"]):
        assert (await ask(ana, "Go on.", after=nobodys)).status_code == 404


async def test_the_booked_cost_can_be_asked_for(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    answer = (await ask(ana)).json()
    charge = await ana.post(f"/generate/text/{answer['id']}/stop")
    assert charge.json() == {"charged_usd": answer["cost_usd"], "stopped": False}
    async with await api.user("eve") as eve:
        assert (await eve.post(f"/generate/text/{answer['id']}/stop")).status_code == 404
    sandbox.break_with(Fault(call="chat", kind="status", status=503))
    start, _ = await streamed(ana)
    found = (await ana.post(f"/generate/text/{start[1]['id']}/stop")).json()
    assert found == {"charged_usd": "0.000000", "stopped": False}


async def test_the_bill_of_a_refusal_is_booked_and_given_back(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    usage = f"data: {json.dumps({'choices': [], 'usage': {'cost': 0.002}})}\n\ndata: [DONE]"
    sandbox.break_with(replay(events(finish="content_filter").replace("data: [DONE]", usage)))
    start, end = await streamed(ana)
    assert (end[1]["error"]["reason"], end[1]["error"]["charged_usd"]) == ("safety", "0.000000")
    await agree(ana, "0.000000")
    answer = (await ana.post(f"/generate/text/{start[1]['id']}/stop")).json()
    assert answer == {"charged_usd": "0.000000", "stopped": False}
    row = await api.services.db.fetch_one("SELECT spent_micro FROM budgets WHERE scope = 'global'")
    assert row is not None
    assert row["spent_micro"] == 2000, "the provider was paid"


async def test_an_answer_that_cannot_be_kept_is_settled_and_given(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: Sql, new: Sequence[object]) -> None:
        if new:
            raise ValueError("nobody expected this")

    monkeypatch.setattr(store, "add_messages", broken)
    for _ in range(2):  # the second time is not paid again
        answer = await ana.post(
            "/generate/text", json={"prompt": "Why?"}, headers={"Idempotency-Key": "k"}
        )
        assert answer.status_code == 200
        assert answer.json()["text"]
        await agree(ana, answer.json()["cost_usd"])


async def test_a_database_that_is_away_for_a_moment_is_waited_for(
    ana: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, move = 2, BudgetService.move

    async def sometimes(
        self: BudgetService, sql: Sql, bills: Sequence[Bill], wants: Sequence[Want]
    ) -> Movement:
        nonlocal away
        if bills and away:
            away -= 1
            raise DbUnavailable("failing over")
        return await move(self, sql, bills, wants)

    monkeypatch.setattr(BudgetService, "move", sometimes)
    monkeypatch.setattr(endings, "SETTLE_WAITS", (0.0, 0.0, 0.0))
    answer = (await ask(ana)).json()
    await agree(ana, answer["cost_usd"])
    assert len(await shown(ana)) == 2


def unconfirmed_once(point: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Break the connection after one commit at this point; returns the points that are left."""
    left = [point]

    def cut(at: str) -> None:
        if at in left:
            left.remove(at)
            raise DbUnavailable("the connection broke at the commit")

    monkeypatch.setattr(desk, "fault_point", cut)
    return left


async def test_an_answer_whose_commit_was_not_confirmed_says_what_was_booked(
    ana: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = unconfirmed_once("ended", monkeypatch)
    monkeypatch.setattr(endings, "SETTLE_WAITS", (0.0,))
    answer = (await ask(ana)).json()
    assert Decimal(answer["cost_usd"]) > 0
    await agree(ana, answer["cost_usd"])
    assert left == []


async def test_a_question_whose_commit_was_not_confirmed_can_be_asked_again_at_once(
    api: Api, ana: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    unconfirmed_once("opened", monkeypatch)
    body, headers = {"prompt": "Why?"}, {"Idempotency-Key": "k"}
    found = [await ana.post("/generate/text", json=body, headers=headers) for _ in range(2)]
    assert [each.status_code for each in found] == [503, 200]
    await agree(ana, found[1].json()["cost_usd"])
    assert await api.services.budget.audit() == []


async def test_an_error_that_nobody_expected_leaves_nothing_held(
    api: Api, ana: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr("api.text.answer.Answer.hear", broken)
    answer = await ana.post(
        "/generate/text", json={"prompt": "Why?"}, headers={"Idempotency-Key": "k"}
    )
    assert (answer.status_code, answer.json()["reason"]) == (502, "unreadable_answer")
    await agree(ana, answer.json()["charged_usd"])
    assert await api.services.db.fetch("SELECT key FROM idempotency") == []
