"""Streamed answers, and every way in which they break."""

import asyncio
import json
import math
from collections.abc import Sequence
from contextlib import aclosing
from decimal import Decimal
from io import BytesIO

import pytest
from PIL import Image

from api.provider.openrouter import OpenRouter
from api.provider.types import (
    ImageInput,
    ProviderError,
    TextAsk,
    TextBegun,
    TextDelta,
    TextDone,
    TextMessage,
    TextPart,
    Usage,
)
from sandbox.faults import Fault
from tests.api.provider.raw_server import http, raw_server
from tests.sandbox_server import Sandbox

MODEL = "openai/gpt-5-mini"


def ask(prompt: str = "Tell me about tea", **more: object) -> TextAsk:
    return TextAsk(MODEL, (TextMessage("user", prompt),), **more)  # type: ignore[arg-type]


def words(parts: Sequence[TextPart]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextDelta))


def bill(parts: Sequence[TextPart]) -> Usage:
    (found,) = [part for part in parts if isinstance(part, Usage)]
    return found


async def heard(provider: OpenRouter, asked: TextAsk) -> tuple[str, TextDone]:
    parts = [part async for part in provider.text(asked)]
    done = parts[-1]
    assert isinstance(done, TextDone)
    return words(parts), done


async def test_words_arrive_one_by_one_with_the_bill_at_the_end(
    provider: OpenRouter, sandbox: Sandbox
) -> None:
    parts: list[TextPart] = [part async for part in provider.text(ask(user="user-1"))]
    said = [part for part in parts if isinstance(part, TextDelta)]
    assert len(words(parts).split()) > 20
    assert all(part.text for part in said)
    usage = bill(parts)
    assert usage.prompt_tokens is not None
    assert usage.completion_tokens is not None
    usd = (
        Decimal("0.00000025") * usage.prompt_tokens + Decimal("0.000002") * usage.completion_tokens
    )
    assert usage.cost_micro == math.ceil(usd * 1_000_000)
    begun = parts[0]
    assert isinstance(begun, TextBegun)
    assert begun.model == MODEL
    assert begun.provider_id is not None
    assert begun.provider_id.startswith("gen-")
    assert parts[-1] == TextDone("stop")
    sent = sandbox.calls("chat")[0]
    assert sent["body"]["user"] == "user-1"
    assert sent["cost_usd"] == float(usd)


async def test_the_same_question_gets_the_same_answer(provider: OpenRouter) -> None:
    first, again, other = [
        (await heard(provider, ask(prompt)))[0] for prompt in ("tea", "tea", "coffee")
    ]
    assert first == again != other


async def test_keepalive_comments_are_skipped(provider: OpenRouter, sandbox: Sandbox) -> None:
    sandbox.break_with(first_token=0.1, keepalive=0.02)
    text, _ = await heard(provider, ask())
    assert "PROCESSING" not in text


async def test_a_token_limit_cuts_the_answer(provider: OpenRouter) -> None:
    parts = [part async for part in provider.text(ask(max_tokens=5))]
    assert parts[-1] == TextDone("length")
    assert bill(parts).completion_tokens == len(words(parts).split()) == 5


async def test_a_long_answer_has_the_wanted_length(provider: OpenRouter) -> None:
    text, _ = await heard(provider, ask("a story --words 900"))
    assert len(text.split()) == 900


async def test_a_conversation_and_a_picture_are_seen(provider: OpenRouter) -> None:
    picture = BytesIO()
    Image.new("RGB", (8, 8), "red").save(picture, "PNG")
    messages = (
        TextMessage("system", "be short"),
        TextMessage("user", "one"),
        TextMessage("assistant", "two"),
        TextMessage("user", "three", (ImageInput("image/png", picture.getvalue()),)),
    )
    text, _ = await heard(provider, TextAsk(MODEL, messages))
    assert "question number 2" in text
    assert "1 picture" in text


async def test_closing_the_stream_closes_the_connection(
    provider: OpenRouter, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="chat", kind="stall", after=2, seconds=30, times=1))
    async with aclosing(provider.text(ask())) as parts:  # type: ignore[type-var]
        async for _ in parts:
            break
    assert sandbox.calls("chat")[0]["cost_usd"] == 0
    text, _ = await heard(provider, ask())
    assert text


async def test_a_stalled_stream_can_be_cancelled(provider: OpenRouter, sandbox: Sandbox) -> None:
    sandbox.break_with(Fault(call="chat", kind="stall", after=2, seconds=30))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(heard(provider, ask()), 0.3)


@pytest.mark.parametrize(
    ("fault", "code", "outcome", "before"),
    [
        (
            Fault(call="chat", kind="stream_error", after=3, status=502),
            "provider_unavailable",
            "refused",
            3,
        ),
        (
            Fault(call="chat", kind="stream_error", after=1, status=429),
            "rate_limited",
            "refused",
            1,
        ),
        (Fault(call="chat", kind="stream_error", status=403), "content_refused", "refused", 3),
        (Fault(call="chat", kind="cut", after=2), "provider_unavailable", "unknown", 2),
        (Fault(call="chat", kind="error_in_200", status=502), "provider_unavailable", "refused", 0),
        (
            Fault(call="chat", kind="error_in_200", status=502, value="choice"),
            "provider_unavailable",
            "refused",
            0,
        ),
        (Fault(call="chat", kind="garbage"), "provider_unavailable", "unknown", 0),
        (Fault(call="chat", kind="lost"), "provider_unavailable", "unknown", 0),
        (Fault(call="chat", kind="drop"), "provider_unavailable", "unknown", 0),
    ],
)
async def test_a_broken_answer_says_what_it_proves(
    provider: OpenRouter, sandbox: Sandbox, fault: Fault, code: str, outcome: str, before: int
) -> None:
    sandbox.break_with(fault)
    got: list[TextPart] = []

    async def collect() -> None:
        async for part in provider.text(ask()):
            got.append(part)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(ProviderError) as caught:
        await collect()
    assert (caught.value.code, caught.value.outcome) == (code, outcome)
    assert len(words(got).split()) == before


def chunk(**fields: object) -> str:
    return f"data: {json.dumps({'id': 'gen-1', 'model': 'a/b', **fields})}\n\n"


def delta(content: str | None = None, finish: str | None = None, **fields: object) -> str:
    return chunk(
        choices=[{"index": 0, "delta": {"content": content, **fields}, "finish_reason": finish}]
    )


async def _of_stream(stream: str) -> list[TextPart]:
    async with raw_server(http(stream, kind="text/event-stream")) as raw:
        client = OpenRouter(raw.url, "k")
        try:
            return [part async for part in client.text(ask())]
        finally:
            await client.close()


async def test_usage_may_come_with_the_last_choice_and_done_may_be_missing() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 0.0000011}
    last = chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=usage)
    parts = await _of_stream(": OPENROUTER PROCESSING\n\n" + delta("hé") + last)
    assert TextDelta("hé") in parts
    assert parts[-1] == TextDone("stop")
    assert bill(parts).cost_micro == 2  # rounded up


async def test_words_of_the_same_moment_are_one_part() -> None:
    parts = await _of_stream("".join(map(delta, ("a", " b", " <b"))) + delta("c", "stop"))
    assert parts == [TextBegun("a/b", "gen-1"), TextDelta("a b <bc"), TextDone("stop")]


async def test_a_refusal_of_the_model_is_text_or_an_error() -> None:
    found = words(await _of_stream(delta(None, "stop", refusal="I can't do that.")))
    assert found == "I can't do that."
    with pytest.raises(ProviderError) as caught:
        await _of_stream(delta(None, "content_filter") + "data: [DONE]\n\n")
    assert caught.value.code == "content_refused"


async def test_a_stream_without_an_end_is_broken() -> None:
    with pytest.raises(ProviderError) as caught:
        await _of_stream(delta("half"))
    assert caught.value.outcome == "unknown"


async def test_a_string_error_code_in_the_stream_is_understood() -> None:
    with pytest.raises(ProviderError) as caught:
        await _of_stream(
            delta("x")
            + chunk(error={"code": "server_error", "message": "Provider disconnected"}, choices=[])
        )
    assert (caught.value.code, caught.value.outcome) == ("provider_unavailable", "refused")


async def test_an_answer_that_breaks_after_its_last_word_is_kept() -> None:
    stream = (delta("all") + delta(None, "stop")).encode()
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    async with raw_server(head + f"{len(stream):x}\r\n".encode() + stream + b"\r\n") as raw:
        client = OpenRouter(raw.url, "k")
        parts = [part async for part in client.text(ask())]
        await client.close()
    assert parts == [TextBegun("a/b", "gen-1"), TextDelta("all"), TextDone("stop")]
