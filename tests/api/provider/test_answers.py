"""Answers as providers really send them: odd streams, thinking, endings, pictures and sources; and
text that no database can hold."""

import base64
import json
from typing import Any

import pytest

from api.provider.openrouter import OpenRouter
from api.provider.types import (
    Citation,
    ProviderError,
    TextAsk,
    TextDelta,
    TextDone,
    TextImage,
    TextMessage,
    TextPart,
    TextThinking,
    Usage,
)
from tests.api.media.samples import picture
from tests.api.provider.raw_server import http, raw_server
from tests.cases import case


async def collected(answer: bytes, got: list[TextPart]) -> None:
    async with raw_server(answer) as raw:
        client = OpenRouter(raw.url, "k")
        try:
            async for part in client.text(TextAsk("a/b", (TextMessage("user", "x"),))):
                got.append(part)  # noqa: PERF401 - what came before an error counts
        finally:
            await client.close()


async def parts_of(stream: str, kind: str = "text/event-stream") -> list[TextPart]:
    got: list[TextPart] = []
    await collected(http(stream, kind=kind), got)
    return got


def read(parts: list[TextPart]) -> str:
    """Return the answer as its reader has it in the end."""
    text = ""
    for part in parts:
        match part:
            case TextDelta(more):
                text += more
            case TextThinking(_, forget=True):
                text = ""
    return text


def events(*deltas: dict[str, Any], finish: str | None = "stop", native: str | None = None) -> str:
    chunks = [
        {"id": "gen-1", "choices": [{"delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks.append(
        {
            "id": "gen-1",
            "choices": [{"delta": {}, "finish_reason": finish, "native_finish_reason": native}],
        }
    )
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"


def said(*texts: str) -> str:
    return events(*({"content": text} for text in texts))


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("comment_as_data", "text/event-stream", "After comments as data."),
        ("ping_events", "text/event-stream", "Ping first."),
        ("sse_bom", "text/event-stream", "BOM first."),
        ("sse_wrong_type", "application/json", "SSE as JSON type."),
        ("sse_wrong_type", "text/plain", "SSE as JSON type."),
    ],
)
async def test_an_odd_stream_is_read(name: str, kind: str, text: str) -> None:
    parts = await parts_of(case(f"sse-oddities/{name}.sse"), kind)
    assert read(parts) == text
    assert parts[-1] == TextDone("stop")
    assert [part.cost_micro for part in parts if isinstance(part, Usage)] == [1230]


async def test_a_whole_answer_is_read_whatever_its_type_is_called() -> None:
    body = json.dumps(
        {"id": "gen-1", "choices": [{"message": {"content": "Whole."}, "finish_reason": "stop"}]}
    )
    for kind in ("application/json", "text/event-stream"):
        assert read(await parts_of(body, kind)) == "Whole."


NESTED = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "odd",
    [
        NESTED,
        f'{{"choices":{NESTED}}}',
        "null",
        "7",
        '"ping"',
        "[]",
        "<html>",
        '{"choices":"none"}',
        "{",
    ],
)
async def test_a_line_that_cannot_be_read_costs_nothing_but_itself(odd: str) -> None:
    stream = said("Half ", "and half.")
    first, rest = stream.split("\n\n", 1)
    assert read(await parts_of(f"{first}\n\ndata: {odd}\n\n{rest}")) == "Half and half."


@pytest.mark.parametrize("body", [f"data: {NESTED}\n\n", "<html>502</html>", "", NESTED, "{"])
async def test_an_answer_of_nothing_but_such_lines_is_unreadable(body: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await parts_of(body)
    assert (caught.value.code, caught.value.outcome) == ("provider_unavailable", "unknown")


async def test_lines_end_in_every_way() -> None:
    stream = said("one ", "two")
    for end in ("\r\n", "\r"):
        assert read(await parts_of(stream.replace("\n", end))) == "one two"
    assert read(await parts_of(stream.removesuffix("\n\n"))) == "one two"


@pytest.mark.parametrize(
    ("texts", "whole"),
    [
        (("\ud83d", "\ude00"), "😀"),
        (("a\ud83d", "\ude00b"), "a😀b"),
        (("a\ud83d", "b"), "a\ufffdb"),
        (("\ude00", "b"), "\ufffdb"),
        (("end \ud83d",), "end \ufffd"),
        (("nul\x00l",), "null"),
        (("👩\u200d", "🦰"), "👩\u200d🦰"),
    ],
)
async def test_characters_cut_in_two_are_joined_and_halves_marked(
    texts: tuple[str, ...], whole: str
) -> None:
    assert read(await parts_of(said(*texts))) == whole


async def test_no_other_text_holds_halves_either() -> None:
    odd = "x\ud83d\x00"
    cited = {
        "annotations": [
            {"type": "url_citation", "url_citation": {"url": "https://example.org/", "title": odd}}
        ]
    }
    stream = said("yes").replace(
        "gen-1", f"gen{odd}".encode("unicode_escape").decode().replace("\\x00", "\\u0000")
    )
    parts = await parts_of(stream) + await parts_of(events(cited, {"content": "yes"}))
    for part in parts:
        repr(part).encode()
        assert "\\x00" not in repr(part)
        assert "\\ud83d" not in repr(part)
    async with raw_server(
        http(json.dumps({"id": "v", "status": "failed", "error": f"Bad {odd}"}))
    ) as raw:
        client = OpenRouter(raw.url, "k")
        assert (await client.check_video("v")).error == "Bad x\ufffd"
        await client.close()
    error = {"error": {"code": 400, "message": f"Bad {odd}"}}
    with pytest.raises(ProviderError) as caught:
        await collected(http(json.dumps(error), status="400 Bad Request"), [])
    caught.value.said.encode()


@pytest.mark.parametrize("name", ["think_tags", "think_close_only"])
async def test_thinking_between_tags_is_no_answer(name: str) -> None:
    parts = await parts_of(case(f"think-tags/{name}.sse"))
    assert read(parts).strip() == "The answer is **4**."
    assert sum(part.chars for part in parts if isinstance(part, TextThinking)) > 20


@pytest.mark.parametrize(
    ("texts", "answer"),
    [
        (("<th", "ink>hm", "</thi", "nk>\n\n4"), "4"),
        (("\n<THINKING>hm</thinking>4",), "4"),
        (("<think></think>\n\n4",), "4"),
        (("<think>one</think><think>two</think>4",), "4"),
        (("<think>never closed",), ""),
        (("hm\n</think", ">\n", "\n4"), "4"),
        (("hm</think>",), ""),
        (("hm</think>\n4 </think>\n",), "4 </think>\n"),
        (
            ("The tag <think> opens, and </think>\ncloses.",),
            "The tag <think> opens, and </think>\ncloses.",
        ),
        (("Write `a\n</think>\n` like this.",), "Write `a\n</think>\n` like this."),
        (("```\nx</think>\n```",), "```\nx</think>\n```"),
        (("It ends with </think> here",), "It ends with </think> here"),
        (("a < b", " <", "c"), "a < b <c"),
        (("<th", "is> is no tag"), "<this> is no tag"),
        (("1 <",), "1 <"),
    ],
)
async def test_tags_count_only_where_a_model_thinks(texts: tuple[str, ...], answer: str) -> None:
    assert read(await parts_of(said(*texts))) == answer


@pytest.mark.parametrize(
    "thinking",
    [
        {"reasoning": "hm"},
        {"reasoning_content": "hm"},
        {
            "reasoning": None,
            "reasoning_details": [
                {"type": "reasoning.text", "text": "h"},
                {"type": "reasoning.summary", "summary": "m"},
            ],
        },
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
    ],
)
async def test_thinking_in_its_own_field_is_told_and_kept_out(thinking: dict[str, Any]) -> None:
    parts = await parts_of(events({"content": "", **thinking}, {"content": "4"}))
    assert read(parts) == "4"
    assert [part for part in parts if isinstance(part, TextThinking)] == [TextThinking(2)]


async def test_hidden_thinking_is_told_too() -> None:
    parts = await parts_of(
        events(
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}, {"content": "4"}
        )
    )
    assert TextThinking(0) in parts


@pytest.mark.parametrize(
    ("name", "finish"), [("length", "length"), ("content_filter", "content_filter")]
)
async def test_the_end_of_an_answer_is_told(name: str, finish: str) -> None:
    parts = await parts_of(case(f"finish-reason/{name}.sse"))
    assert read(parts)
    assert parts[-1] == TextDone(finish)  # type: ignore[arg-type]


async def test_a_filter_before_the_first_word_is_a_refusal() -> None:
    streams = [
        events(finish="content_filter"),
        events(finish="error", native="SAFETY"),
        events({"content": ""}, finish="error", native="PROHIBITED_CONTENT"),
    ]
    for stream in streams:
        with pytest.raises(ProviderError) as caught:
            await parts_of(stream)
        seen = (caught.value.code, caught.value.reason, caught.value.outcome)
        assert seen == ("content_refused", "safety", "refused")


async def test_a_bill_that_came_before_the_break_is_known() -> None:
    got: list[TextPart] = []
    with pytest.raises(ProviderError) as caught:
        await collected(
            http(case("charged-but-says-not/no_finish.sse"), kind="text/event-stream"), got
        )
    assert (caught.value.outcome, caught.value.reason) == ("unknown", "connection_lost")
    assert [part.cost_micro for part in got if isinstance(part, Usage)] == [1230]


async def test_parts_that_are_nothing_or_unknown_are_skipped() -> None:
    content = [
        None,
        7,
        {"type": "text", "text": None},
        {"type": "text", "text": "One "},
        {"type": "sparkle", "text": "x"},
        {"type": "text"},
        {"type": "text", "text": "two."},
    ]
    found = read(
        await parts_of(events({"content": content}, {"content": None}, {"tool_calls": [None]}))
    )
    assert found == "One two."


async def test_pictures_come_beside_the_words_and_once() -> None:
    data = picture()
    image = {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64," + base64.b64encode(data).decode()},
    }
    bad = {"type": "image_url", "image_url": {"url": "data:image/png;base64,%%%"}}
    stream = events({"content": "Here."}, {"images": [bad, image, None]}, {"content": [image]})
    parts = await parts_of(stream)
    assert read(parts) == "Here."
    assert [part.image.data for part in parts if isinstance(part, TextImage)] == [data]


async def test_citations_come_once_and_only_addresses_of_the_web() -> None:
    def cited(url: object, title: object = "A\ntitle") -> dict[str, Any]:
        return {
            "type": "url_citation",
            "url_citation": {"url": url, "title": title, "start_index": 0, "end_index": 3},
        }

    annotations = [
        cited("https://example.org/a"),
        cited("javascript:alert(1)"),
        cited("https://example.org/a b"),
        cited(None),
        {"type": "file", "file": {}},
        None,
        {"type": "url_citation", "url": "https://example.org/b", "title": None},
    ]
    parts = await parts_of(
        events(
            {"content": "Yes.", "annotations": annotations},
            {"annotations": [cited("https://example.org/a")]},
        )
    )
    assert [part for part in parts if isinstance(part, Citation)] == [
        Citation("https://example.org/a", "A title"),
        Citation("https://example.org/b", ""),
    ]


async def test_the_effort_of_thinking_is_sent() -> None:
    async with raw_server(http(said("4"), kind="text/event-stream")) as raw:
        client = OpenRouter(raw.url, "k")
        ask = TextAsk("a/b", (TextMessage("user", "x"),), effort="low")
        assert [part async for part in client.text(ask)]
        await client.close()
    assert json.loads(raw.requests[0].split(b"\r\n\r\n", 1)[1])["reasoning"] == {"effort": "low"}
