"""The ends of answers on the page: thinking, endings, sources, pictures, money, and going on."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from sandbox.faults import Fault
from tests.api.provider.test_answers import events
from tests.api.text.test_endings import replay, with_picture
from tests.browser.look import look
from tests.cases import case
from tests.sandbox_server import Sandbox
from tests.stack import Stack

QUESTION = "Your question"


@pytest.fixture
def sandbox(stack: Stack) -> Iterator[Sandbox]:
    running = Sandbox(stack.sandbox_url)
    yield running
    running.break_with(first_token=0.35, token=0.02, image=1.5, video=6.0, generation=1.0)


def asked(
    page: Page, sandbox: Sandbox, fault: Fault, question: str = "Why?", **timing: float
) -> None:
    sandbox.break_with(fault, **timing)
    page.goto("/generate/text")
    page.get_by_label(QUESTION).fill(question)
    page.get_by_label(QUESTION).press("Enter")


def seen(page: Page, name: str) -> list[str]:
    """Return the page's problems, and take its picture if one is wanted."""
    pictured(page, name)
    return look(page)


def pictured(page: Page, name: str) -> None:
    """Save a screenshot in the folder LOOK_INTO, if it is set."""
    if folder := os.environ.get("LOOK_INTO"):
        page.screenshot(path=f"{folder}/{name}.png")


def test_an_answer_cut_at_its_limit_goes_on(page: Page, sandbox: Sandbox) -> None:
    asked(page, sandbox, replay(case("finish-reason/length.sse")), "Tell me all.")
    cut = page.locator(".message-assistant").first
    expect(cut).to_contain_text("Cut at the limit of its length.")
    expect(cut.locator("footer")).to_contain_text("openai/gpt-5-mini · $0.0012")
    assert seen(page, "length") == []
    page.reload()
    expect(cut).to_contain_text("Cut at the limit of its length.")
    page.get_by_label(QUESTION).fill("a draft")
    sandbox.break_with(token=0)
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".message-assistant")).to_have_count(2)
    expect(page.locator(".message-assistant").last.locator("footer button")).to_be_visible()
    expect(page.get_by_label(QUESTION)).to_have_value("a draft")
    expect(page.get_by_role("button", name="Go on")).to_have_count(0)
    sent = [message["content"] for message in sandbox.calls("chat")[-1]["body"]["messages"]]
    assert sent[:2] == ["Tell me all.", "This answer was cut in the middle of a sen"]
    assert seen(page, "went_on") == []


def test_a_filter_and_a_break_are_told_with_what_they_cost(page: Page, sandbox: Sandbox) -> None:
    asked(page, sandbox, replay(case("finish-reason/content_filter.sse")))
    expect(page.locator(".message-assistant")).to_contain_text(
        "A content filter stopped the answer here."
    )
    asked(page, sandbox, replay(case("charged-but-says-not/cut_mid.sse"), breaks=True))
    expect(page.get_by_role("alert")).to_contain_text(
        "The connection to the AI provider broke before its answer was here. It cost $"
    )
    expect(page.locator(".message-assistant footer")).to_contain_text(
        "What was written so far stays."
    )
    assert seen(page, "broken") == []
    page.reload()
    expect(page.locator(".message-assistant")).to_contain_text("The answer broke off here.")


def test_thinking_is_seen_but_no_part_of_the_answer(page: Page, sandbox: Sandbox) -> None:
    asked(page, sandbox, replay(case("think-tags/think_close_only.sse")), token=0.4)
    expect(page.locator(".message-assistant footer")).to_contain_text("Thinking …")
    pictured(page, "thinking")
    answer = page.locator(".message-assistant .answer")
    expect(answer).to_have_text("The answer is 4.")
    expect(page.locator(".message-assistant footer")).to_contain_text("$0.0012")


def test_all_thinking_says_what_it_cost_and_what_helps(page: Page, sandbox: Sandbox) -> None:
    asked(page, sandbox, replay(case("empty-answer-charged/reasoning_length.sse")))
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("used up all its room for thinking")
    expect(alert).to_contain_text("It cost $0.016.")
    expect(page.locator(".message-assistant")).to_have_count(0)
    page.get_by_text("Instructions and thinking").click()
    page.get_by_label("How much the model thinks first").select_option("a little")
    assert seen(page, "all_thinking") == []
    sandbox.break_with(token=0)
    page.get_by_label(QUESTION).fill("Why?")
    page.get_by_label(QUESTION).press("Enter")
    expect(page.locator(".message-assistant").last.locator("footer")).to_contain_text("$")
    assert sandbox.calls("chat")[-1]["body"]["reasoning"] == {"effort": "low"}


def test_a_stopped_answer_says_what_it_cost(page: Page, sandbox: Sandbox) -> None:
    asked(
        page,
        sandbox,
        Fault(call="chat", kind="stall", after=5, seconds=30, times=1),
        "Tell me a story.",
    )
    expect(page.locator(".message-assistant .answer")).not_to_be_empty()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".message-assistant footer")).to_contain_text("Stopped. It cost $")
    assert seen(page, "stopped") == []


def test_sources_and_pictures_stand_under_the_answer(page: Page, sandbox: Sandbox) -> None:
    cited = {
        "annotations": [
            {
                "type": "url_citation",
                "url_citation": {"url": "https://a.example/", "title": "A <b>title</b>"},
            }
        ]
    }
    asked(page, sandbox, replay(events({"content": "Yes [1]."}, cited)))
    source = page.locator(".sources a")
    expect(source).to_have_text("A <b>title</b>")
    expect(source).to_have_attribute("href", "https://a.example/")
    expect(source).to_have_attribute("rel", "noopener noreferrer nofollow")
    asked(page, sandbox, replay(with_picture("Here it is.")))
    picture = page.locator(".message-assistant .message-pictures img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 0
    assert seen(page, "picture") == []
    page.reload()
    expect(picture).to_be_visible()
