"""Answers over HTTP from a real sandbox: whole and streamed, with their cost and their place in the
conversation."""

import json
from decimal import Decimal
from typing import Any

import httpx

from sandbox.faults import Fault
from tests.api.harness import Api
from tests.api.media.samples import picture
from tests.sandbox_server import Sandbox

NOTHING = ("0.000000", "0.000000")


async def ask(
    client: httpx.AsyncClient, prompt: str = "Why is the sky blue?", **more: Any
) -> httpx.Response:
    return await client.post("/generate/text", json={"prompt": prompt, **more})


async def streamed(client: httpx.AsyncClient, **more: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return (event, data) in order. The in-process transport gives the whole stream at its end."""
    answer = await ask(client, stream=True, **more)
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = []
    for block in answer.text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


async def money(client: httpx.AsyncClient) -> tuple[str, str]:
    """Return the amounts spent and held, in USD."""
    me = (await client.get("/users/me")).json()
    return me["spent_usd"], me["held_usd"]


async def test_an_answer(ana: httpx.AsyncClient, sandbox: Sandbox) -> None:
    answer = await ask(ana, system="Be brief.")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["text"]
    assert body["model"] == "openai/gpt-5-mini"
    assert body["sandbox"] is True
    assert body["usage"]["completion_tokens"] > 0
    assert await money(ana) == (body["cost_usd"], "0.000000")
    sent = sandbox.calls("chat")[0]["body"]
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert sent.get("max_completion_tokens", sent.get("max_tokens")) == 8192
    assert sent["user"] == (await ana.get("/users/me")).json()["id"]


async def test_a_streamed_answer(ana: httpx.AsyncClient) -> None:
    events = await streamed(ana)
    assert [name for name, _ in events[:2]] == ["start", "delta"]
    assert {name for name, _ in events[1:-1]} == {"delta"}
    name, done = events[-1]
    assert name == "done"
    answer = done["answer"]
    assert answer["text"] == "".join(data["text"] for _, data in events[1:-1])
    seen = (answer["id"], answer["conversation_id"])
    assert seen == (events[0][1]["id"], events[0][1]["conversation_id"])
    assert await money(ana) == (answer["cost_usd"], "0.000000")


async def test_a_conversation_is_remembered(ana: httpx.AsyncClient, sandbox: Sandbox) -> None:
    first = (await ask(ana, "My name is Ana.")).json()
    second = await ask(ana, "Who am I?", conversation_id=first["conversation_id"])
    assert second.json()["conversation_id"] == first["conversation_id"]
    sent = sandbox.calls("chat")[1]["body"]["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    detail = (await ana.get(f"/conversations/{first['conversation_id']}")).json()
    assert detail["title"] == "My name is Ana."
    found = [message["role"] for message in detail["messages"]]
    assert found == ["user", "assistant", "user", "assistant"]
    assert [message["text"] for message in detail["messages"]][1] == first["text"]
    assert detail["messages"][1]["cost_usd"] == first["cost_usd"]


async def test_conversations_are_listed_last_used_first_and_can_be_deleted(
    ana: httpx.AsyncClient,
) -> None:
    made = [(await ask(ana, f"Question {number}")).json()["conversation_id"] for number in range(3)]
    await ask(ana, "Again", conversation_id=made[0])
    expected = [made[0], made[2], made[1]]
    assert [item["id"] for item in (await ana.get("/conversations")).json()["items"]] == expected
    seen, cursor = [], None
    while True:
        page = (
            await ana.get(
                "/conversations", params={"limit": 1, **({"cursor": cursor} if cursor else {})}
            )
        ).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == expected
    assert (await ana.get("/conversations", params={"cursor": "2026~"})).status_code == 422
    assert (await ana.delete(f"/conversations/{made[0]}")).status_code == 204
    assert (await ana.get(f"/conversations/{made[0]}")).status_code == 404
    assert (await ask(ana, conversation_id=made[0])).status_code == 404


async def test_anothers_conversation_is_as_unknown_as_none(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    mine = (await ask(ana)).json()["conversation_id"]
    asked = len(sandbox.calls("chat"))
    async with await api.user("eve") as eve:
        for conversation_id in (mine, "nothing"):
            for answer in (
                await eve.get(f"/conversations/{conversation_id}"),
                await eve.delete(f"/conversations/{conversation_id}"),
                await ask(eve, conversation_id=conversation_id),
            ):
                assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert (await eve.get("/conversations")).json()["items"] == []
        assert await money(eve) == NOTHING
    assert len(sandbox.calls("chat")) == asked
    assert (await ana.get(f"/conversations/{mine}")).status_code == 200


async def test_images_are_shown_to_models_that_can_see(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    upload = (await ana.post("/uploads", files={"file": ("a.png", picture(), "image/png")})).json()[
        "id"
    ]
    answer = await ask(ana, "What is this?", images=[upload])
    assert answer.status_code == 200, answer.text
    content = sandbox.calls("chat")[0]["body"]["messages"][0]["content"]
    assert [part["type"] for part in content] == ["text", "image_url"]
    await ask(ana, "And its colour?", conversation_id=answer.json()["conversation_id"])
    again = sandbox.calls("chat")[1]["body"]["messages"][0]["content"]
    assert [part["type"] for part in again] == ["text", "image_url"]
    blind = await ask(ana, images=[upload], model="llama")
    assert (blind.status_code, blind.json()["code"]) == (422, "option_unsupported")
    async with await api.user("eve") as eve:
        assert (await ask(eve, images=[upload])).status_code == 404


async def test_images_stay_in_the_conversation_and_go_with_it(
    api: Api, ana: httpx.AsyncClient
) -> None:
    uploads = [
        await ana.post("/uploads", files={"file": ("a.png", picture(), "image/png")})
        for _ in range(4)
    ]
    here, there, made_from, waiting = [upload.json()["id"] for upload in uploads]
    acting = await api.acting(ana)
    await ana.put("/users/me", json={"confirm_above_usd": "0"})
    asked = {
        "prompt": "a fox",
        "input_images": [waiting],
        "address": {"platform": "telegram", "chat_id": "77"},
    }
    assert (await acting.post("/generate/image", json=asked)).status_code == 409, "waits for a yes"
    await ana.put("/users/me", json={"confirm_above_usd": None})
    drawn = await ana.post("/generate/image", json={"prompt": "a fox", "input_images": [made_from]})
    assert drawn.status_code == 200, drawn.text
    first = (await ask(ana, "What is this?", images=[here, there, made_from, waiting])).json()[
        "conversation_id"
    ]
    second = (await ask(ana, "And this?", images=[there])).json()["conversation_id"]
    question, answer = (await ana.get(f"/conversations/{first}")).json()["messages"]
    seen = ([image["id"] for image in question["images"]], answer["images"])
    assert seen == ([here, there, made_from, waiting], [])
    assert await api.services.media.own_images("somebody else", [here, there]) == {}
    links = [image["url"] for image in question["images"]]
    assert [
        (await api.client.get(link)).status_code
        for link in (*links, question["images"][0]["thumbnail_url"])
    ] == [200] * 5

    assert (await ana.delete(f"/conversations/{first}")).status_code == 204
    assert [(await ana.get(link)).status_code for link in links] == [404, 200, 200, 200]
    held = {
        row["id"]
        for row in await api.services.db.fetch("SELECT id FROM media WHERE role = 'upload'")
    }
    assert held == {there, made_from, waiting}
    assert len(await api.services.db.fetch("SELECT id FROM media WHERE role = 'thumbnail'")) == 4
    assert (await ana.delete(f"/conversations/{second}")).status_code == 204
    assert (await ana.get(links[1])).status_code == 404


async def test_a_bad_request_costs_nothing(ana: httpx.AsyncClient, sandbox: Sandbox) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"prompt": ""}, "invalid_request"),
        ({"prompt": "   "}, "invalid_request"),
        ({"prompt": "x" * 20_000}, "invalid_request"),
        ({"prompt": "x", "colour": "red"}, "invalid_request"),
        ({"prompt": "x", "model": "no/such-model"}, "model_unavailable"),
        ({"prompt": "x", "model": "google/veo-3.1-lite"}, "model_unavailable"),
    ]
    for body, code in cases:
        for stream in (False, True):
            answer = await ana.post("/generate/text", json={**body, "stream": stream})
            assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert sandbox.calls("chat") == []
    assert await money(ana) == NOTHING


async def test_an_empty_budget_is_refused_before_anything_is_asked(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    await api.services.db.execute("UPDATE users SET monthly_micro = 100")
    answer = await ask(ana, stream=True)
    assert (answer.status_code, answer.json()["code"]) == (402, "budget_exceeded")
    assert sandbox.calls("chat") == []
    assert await money(ana) == NOTHING


async def test_a_provider_that_fails_costs_nothing(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    cases = [
        (Fault(call="chat", kind="status", status=503), 502, "provider_unavailable"),
        (Fault(call="chat", kind="drop"), 502, "provider_unavailable"),
        (Fault(call="chat", kind="status", status=402), 502, "provider_out_of_credit"),
        (Fault(call="chat", kind="status", status=403), 422, "content_refused"),
        (Fault(call="chat", kind="error_in_200"), 502, "provider_unavailable"),
        (Fault(call="chat", kind="stream_error", after=0), 502, "provider_unavailable"),
    ]
    for fault, status, code in cases:
        sandbox.break_with(fault)
        answer = await ask(ana)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        events = await streamed(ana)
        assert [name for name, _ in events] == ["start", "error"]
        assert events[-1][1]["error"]["code"] == code
    assert await money(ana) == NOTHING
    assert (await ana.get("/conversations")).json()["items"] == []
    sandbox.reset()
    assert (await ask(ana)).status_code == 200


async def test_a_stream_that_breaks_keeps_and_charges_what_was_written(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="chat", kind="cut", after=4))
    events = await streamed(ana)
    written = "".join(data["text"] for name, data in events if name == "delta")
    assert written
    assert events[-1][0] == "error"
    spent, held = await money(ana)
    assert Decimal(spent) > 0
    assert held == "0.000000"
    conversation = (await ana.get("/conversations")).json()["items"][0]["id"]
    assert conversation == events[0][1]["conversation_id"]
    detail = (await ana.get(f"/conversations/{conversation}")).json()
    assert detail["messages"][-1]["text"] == written


async def test_an_error_in_the_middle_is_not_charged(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="chat", kind="stream_error", after=4))
    events = await streamed(ana)
    assert [name for name, _ in events].count("delta") > 0
    assert events[-1][0] == "error"
    assert await money(ana) == NOTHING


async def test_a_free_model_costs_nothing(ana: httpx.AsyncClient) -> None:
    answer = (await ask(ana, model="llama")).json()
    assert answer["cost_usd"] == "0.000000"
