"""Searching the web and thinking in a chat: options, settings, sources and the time of thought."""

import pytest
import pytest_asyncio

from bots.core import texts
from tests.bots.core.recording_chat import Place
from tests.bots.core.test_preferences import press
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def place(joined: Place) -> Place:
    return joined


async def test_a_search_names_its_sources(place: Place, sandbox: Sandbox) -> None:
    last = (await place.say("/ask --web what is new?"))[-1]
    assert "[1] [About what is new?](https://example.org/1)" in last.text
    assert "[2] [news.example.com](https://news.example.com/1)" in last.text
    assert last.text.count("https://example.org/1") == 1
    await place.say("/ask --no-web what is new?")
    assert "tools" not in sandbox.calls("chat")[-1]["body"]


async def test_thinking_shows_while_it_lasts_and_for_how_long(
    place: Place, sandbox: Sandbox
) -> None:
    sandbox.break_with(token=0.04)
    replies = await place.say("/ask --think high why? --words 3")
    assert replies[0].text == texts.thinking()
    assert replies[-1].text.startswith("💭 Thought for ")
    await place.say("/ask --think off why?")
    assert sandbox.calls("chat")[-1]["body"]["reasoning"] == {"effort": "none"}
    refused = (await place.say("/ask --think off --model gemini-2.5-flash why?"))[-1]
    assert "Possible: low, high" in refused.text


async def test_settings_keep_both(place: Place, sandbox: Sandbox) -> None:
    (page,) = await place.say("/settings")
    await press(place, page, "🌐 Search the web")
    await press(place, page, "💭 a little")
    await place.say("/ask why?")
    body = sandbox.calls("chat")[-1]["body"]
    assert (body["reasoning"], len(body["tools"])) == ({"effort": "low"}, 1)
    shown = await press(place, page, "💭 the model's own")
    assert "for up to about $0.02 a question" in shown.text
    assert "Thinking: the model's own" in shown.text
