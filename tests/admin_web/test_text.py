"""Answers in text, as pages and as streams: how they are drawn, how they end, and their
conversations."""

import io
import json
import re
from collections.abc import Callable

from flask import Flask

from api.auth.schemas import TokensOut
from sandbox.faults import Fault
from tests.admin_web.browser import Browser
from tests.admin_web.conftest import signed_in
from tests.api.media.samples import case as file
from tests.cases import case
from tests.sandbox_server import Sandbox
from tests.stack import Stack


def test_text_without_scripts_is_a_page(browser: Browser) -> None:
    browser.get("/generate/text")
    answer = browser.post("/generate/text", {**browser.fields, "prompt": "Say <b>hello</b>"})
    assert answer.status_code == 302
    page = browser.get(answer.location.partition("#")[0]).text
    assert "message-assistant" in page
    assert "Say &lt;b&gt;hello&lt;/b&gt;" in page
    assert "<b>hello</b>" not in page
    assert browser.fields["conversation_id"]


def events(text: str) -> list[tuple[str, dict[str, str]]]:
    return [
        (name, json.loads(data)) for name, data in re.findall(r"event: (\w+)\ndata: (.+)", text)
    ]


def test_text_streams_as_clean_html(browser: Browser) -> None:
    browser.get("/generate/text")
    prompt = "Write Python code <script>hit()</script>"
    answer = browser.post(
        "/generate/text/stream", {**browser.fields, "prompt": prompt}, X_Fragment="1"
    )
    assert answer.mimetype == "text/event-stream"
    seen = events(answer.text)
    names = [name for name, _ in seen]
    assert names[0] == "start"
    assert names[-1] == "done"
    assert names.count("html") > 1
    assert "<script" not in answer.text
    assert "&lt;script&gt;" in seen[-1][1]["html"], "the sandbox repeats the question"
    assert '<span class="k">def</span>' in seen[-1][1]["html"]
    assert re.fullmatch(r"\$\d+\.\d+", seen[-1][1]["balance"])


def test_conversations_are_found_renamed_and_deleted(
    app: Flask, browser: Browser, register: Callable[[], TokensOut]
) -> None:
    browser.get("/generate/text")
    answer = browser.post(
        "/generate/text/stream", {**browser.fields, "prompt": "All about foxes"}, X_Fragment="1"
    )
    conversation = events(answer.text)[0][1]["conversation_id"]
    browser.get(f"/generate/text?conversation={conversation}")
    browser.post(f"/generate/text/{conversation}/rename", {"title": "Winter <i>animals</i>"})
    found = browser.get("/generate/text/history?q=winter", {"X-Fragment": "1"}).text
    assert "Winter &lt;i&gt;animals&lt;/i&gt;" in found
    assert (
        "Nothing found." in browser.get("/generate/text/history?q=summer", {"X-Fragment": "1"}).text
    )
    stranger = signed_in(app, register())
    again = stranger.post(f"/generate/text/{conversation}/delete", {"sure": "yes"})
    assert again.status_code == 404
    assert (
        "The whole conversation is deleted."
        in browser.post(f"/generate/text/{conversation}/delete").text
    )
    browser.post(f"/generate/text/{conversation}/delete", {"sure": "yes"})
    assert browser.get(f"/generate/text?conversation={conversation}").status_code == 404


def test_a_stream_that_cannot_start_says_why(browser: Browser) -> None:
    browser.get("/generate/text")
    answer = browser.post(
        "/generate/text/stream",
        {**browser.fields, "prompt": "Hello", "model": "no/such-model"},
        X_Fragment="1",
    )
    assert answer.status_code == 422
    assert answer.get_json()["error"]["message"]
    lost = {**browser.fields, "prompt": "Hello", "conversation_id": "never-kept"}
    assert browser.post("/generate/text/stream", lost, X_Fragment="1").status_code == 404
    after_a_stop = browser.post("/generate/text/stream", {**lost, "unsure": "1"}, X_Fragment="1")
    assert events(after_a_stop.text)[-1][0] == "done", "a new conversation"


def test_the_end_of_an_answer_stands_under_it(stack: Stack, browser: Browser) -> None:
    """Each case is a recorded stream of the provider, and the page as somebody reads it later."""
    sandbox = Sandbox(stack.sandbox_url)
    cited = {
        "annotations": [
            {
                "type": "url_citation",
                "url_citation": {"url": "https://a.example/?a=<b>", "title": "<i>Foxes</i>"},
            }
        ]
    }
    source = f"data: {json.dumps({'choices': [{'delta': cited}]})}\n\n"
    stream = source + case("finish-reason/length.sse")
    browser.get("/generate/text")
    try:
        sandbox.break_with(Fault(call="chat", kind="replay", body=stream))
        answer = browser.post(
            "/generate/text/stream",
            {**browser.fields, "prompt": "Foxes?", "effort": "low"},
            X_Fragment="1",
        )
        done = events(answer.text)[-1][1]
        page = browser.get(
            f"/generate/text?conversation={events(answer.text)[0][1]['conversation_id']}"
        ).text
        for shown in (done["ending"], page):
            assert "Cut at the limit of its length." in shown
            assert 'href="https://a.example/?a=&lt;b&gt;"' in shown
            assert "&lt;i&gt;Foxes&lt;/i&gt;" in shown
            assert "data-go-on" in shown
        after = re.search(r'name="after" value="([^"]+)"><input type="hidden" name="prompt"', page)
        assert after is not None
        sandbox.break_with()
        gone_on = browser.post(
            "/generate/text",
            {**browser.fields, "prompt": "Go on.", "after": after[1], "model": "llama"},
        )
        assert gone_on.status_code == 302
        page = browser.get(gone_on.location.partition("#")[0]).text
        assert page.count("message-assistant") == 2
        assert "data-go-on" not in page, "what was gone on with already is not offered again"
    finally:
        sandbox.break_with(first_token=0, token=0.02, image=0, video=6.0, generation=1.0)


def test_a_stopped_answer_tells_its_price(
    app: Flask, browser: Browser, register: Callable[[], TokensOut]
) -> None:
    browser.get("/generate/text")
    answer = browser.post(
        "/generate/text/stream", {**browser.fields, "prompt": "Foxes?"}, X_Fragment="1"
    )
    begun, done = events(answer.text)[0][1], events(answer.text)[-1][1]
    told = browser.post(f"/generate/text/{begun['id']}/stop", {}, X_Fragment="1").get_json()
    assert told["note"].startswith("It cost $")
    assert told["balance"] == done["balance"]
    assert (
        signed_in(app, register())
        .post(f"/generate/text/{begun['id']}/stop", {}, X_Fragment="1")
        .status_code
        == 404
    )


def test_files_go_along_with_and_without_scripts(browser: Browser, stack: Stack) -> None:
    browser.get("/generate/text")
    report = (io.BytesIO(file("documents/report.pdf")), "report.pdf", "application/pdf")
    notes = (io.BytesIO(b"name;sum\nAna;12"), "a.csv", "text/csv")
    form = {**browser.fields, "prompt": "How many ships?", "image": [report, notes]}
    answer = browser.post("/generate/text", form)
    assert answer.status_code == 302, answer.text
    page = browser.get(answer.location.partition("#")[0]).text
    assert "report.pdf (3 pages)" in page
    assert "a.csv" in page

    browser.get("/generate/text")
    scan = (io.BytesIO(file("documents/scan.pdf")), "scan.pdf", "application/pdf")
    chips = browser.post("/generate/text/attach", {"image": scan}, X_Fragment="1").text
    (document_id,) = re.findall(r'name="document_id" value="([^"]+)"', chips)
    form = {**browser.fields, "prompt": "What?", "document_id": document_id, "document_name": "s"}
    refused = browser.post("/generate/text", form)
    assert "Have them read as a scan, which costs $0.004 more" in refused.text
    assert document_id in refused.text, "the form keeps its file"
    dear = browser.post("/generate/text/estimate", {**form, "scan": "true"}, X_Fragment="1").text
    assert _cost(dear) > 0.004
    read = browser.post("/generate/text/stream", {**form, "scan": "true"}, X_Fragment="1")
    assert events(read.text)[-1][0] == "done"
    body = Sandbox(stack.sandbox_url).calls("chat")[-1]["body"]
    assert body["plugins"][0]["pdf"]["engine"] == "mistral-ocr"


def test_a_file_that_cannot_be_read_says_why(browser: Browser) -> None:
    browser.get("/generate/text")
    locked = (io.BytesIO(file("documents/locked.pdf")), "locked.pdf", "application/pdf")
    refused = browser.post("/generate/text/attach", {"image": locked}, X_Fragment="1")
    assert refused.status_code == 415
    assert "locked with a password" in refused.json["error"]["message"]  # type: ignore[index]


def test_a_search_is_a_tick_with_its_price_and_sources(browser: Browser, stack: Stack) -> None:
    browser.get("/generate/text")
    form = {**browser.fields, "prompt": "What is new?", "effort": "low"}
    plain, dear = (
        browser.post("/generate/text/estimate", {**form, **more}, X_Fragment="1").text
        for more in ({}, {"web": "true"})
    )
    assert _cost(dear) - _cost(plain) > 0.02
    answer = browser.post("/generate/text/stream", {**form, "web": "true"}, X_Fragment="1")
    name, data = events(answer.text)[-1]
    assert name == "done"
    assert 'href="https://news.example.com/1"' in data["ending"]
    body = Sandbox(stack.sandbox_url).calls("chat")[-1]["body"]
    assert (len(body["tools"]), body["reasoning"]) == (1, {"effort": "low"})


def _cost(html: str) -> float:
    found = re.search(r"\$([\d.]+)", html)
    assert found is not None, html
    return float(found[1])
