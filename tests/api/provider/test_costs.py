"""The cost of a call, from every form in which the provider states it or fails to."""

import json
from pathlib import Path
from typing import Any

import pytest

from api.provider.openrouter import OpenRouter
from api.provider.types import ImageAsk, TextAsk, TextMessage, Usage
from api.provider.wire import cost_micro, usage_of
from tests.api.provider.raw_server import http, raw_server

CASES = Path(__file__).parents[2] / "cases" / "byok-cost"


async def _text(stream: str) -> list[Usage]:
    async with raw_server(http(stream, kind="text/event-stream")) as raw:
        client = OpenRouter(raw.url, "k")
        parts = [part async for part in client.text(TextAsk("a/b", (TextMessage("user", "x"),)))]
        await client.close()
    return [part for part in parts if isinstance(part, Usage)]


async def _image(body: str, route: Any) -> int | None:
    async with raw_server(http(body)) as raw:
        client = OpenRouter(raw.url, "k")
        result = await client.image(ImageAsk("a/b", route, "x"))
        await client.close()
    return result.cost_micro


async def test_with_a_key_of_our_own_the_suppliers_price_counts_too() -> None:
    (usage,) = await _text((CASES / "usage_with_upstream.sse").read_text())
    assert usage.cost_micro == 10_000
    images = {route: (CASES / f"byok_img.{route}.json").read_text() for route in ("chat", "images")}
    said = {route: json.loads(body)["usage"] for route, body in images.items()}
    for route, body in images.items():
        upstream = said[route]["cost_details"]["upstream_inference_cost"]
        assert upstream > 0
        assert await _image(body, route) == round((said[route]["cost"] + upstream) * 1_000_000)
    async with raw_server(http((CASES / "video_status.json").read_text())) as raw:
        client = OpenRouter(raw.url, "k")
        job = await client.check_video("vid-1")
        await client.close()
    assert (job.state, job.cost_micro) == ("completed", 400_000)


BYOK = {"cost": 0.0005, "is_byok": True}


@pytest.mark.parametrize(
    ("usage", "micro"),
    [
        ({"cost": 0.0000011}, 2),
        ({"cost": "0.0123"}, 12_300),
        ({"cost": 0}, 0),
        ({"cost": 1, "is_byok": False, "cost_details": {"upstream_inference_cost": 5}}, 1_000_000),
        ({**BYOK, "cost_details": {"upstream_inference_cost": "0.01"}}, 10_500),
        ({**BYOK, "cost_details": {"upstream_inference_cost": None}}, None),
        ({**BYOK, "cost_details": None}, None),
        (BYOK, None),
        ({"cost": None, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.01}}, None),
        ({"cost": None}, None),
        ({"cost": "free"}, None),
        ({"cost": True}, None),
        ({"cost": -1}, None),
        ({"cost": float("nan")}, None),
        ({"cost": 1e300}, None),
        ({"cost": [0.1]}, None),
        ({}, None),
        (None, None),
    ],
)
def test_a_cost_is_read_only_from_an_amount(usage: object, micro: int | None) -> None:
    assert cost_micro(usage) == micro


@pytest.mark.parametrize(
    ("said", "count"),
    [
        (7, 7),
        (7.0, 7),
        ("7", 7),
        (7.5, None),
        (None, None),
        ("many", None),
        (True, None),
        (-1, None),
        (10**30, None),
        ({}, None),
    ],
)
def test_tokens_that_cannot_be_read_are_not_said(said: object, count: int | None) -> None:
    found = usage_of(
        {
            "prompt_tokens": said,
            "completion_tokens": said,
            "completion_tokens_details": {"reasoning_tokens": said},
        }
    )
    assert found is not None
    seen = (found.prompt_tokens, found.completion_tokens, found.thinking_tokens)
    assert seen == (count, count, count)
