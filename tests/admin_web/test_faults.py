"""While the api is away or broken, the web shows pages of its own, loses nothing, and goes on
afterwards."""

import re
from collections.abc import Iterator

import httpx
import pytest
from flask import Flask

from admin_web.app import create_app
from admin_web.settings import WebSettings
from client.connections import open_http
from tests.admin_web.browser import Browser


@pytest.fixture
def app(settings: WebSettings) -> Iterator[Flask]:
    """Return an app of the test's own, to be broken."""
    made = create_app(settings)
    yield made
    made.extensions["api_http"].close()


@pytest.fixture
def unplugged(app: Flask, browser: Browser) -> Iterator[Browser]:
    """Return a signed-in browser whose api is gone until `plug`."""
    real = app.extensions["api_http"]
    app.extensions["api_http"] = open_http("http://127.0.0.1:9")
    yield browser
    app.extensions["api_http"].close()
    app.extensions["api_http"] = real


def test_every_page_says_so(unplugged: Browser) -> None:
    for path in (
        "/",
        "/gallery",
        "/generate/text",
        "/generate/image",
        "/generate/video",
        "/profile",
        "/admin/users",
    ):
        answer = unplugged.get(path)
        assert answer.status_code == 503
        assert "The studio is waking up" in answer.text
        assert "Traceback" not in answer.text


def test_the_login_page_stands_and_says_so(app: Flask, unplugged: Browser) -> None:
    visitor = Browser(app)
    assert "does not answer right now" in visitor.get("/login").text
    answer = visitor.post("/login", {"email": "a@example.org", "password": "typed with care"})
    assert answer.status_code == 503
    assert visitor.fields["email"] == "a@example.org"
    assert "typed with care" not in answer.text


def test_scripts_get_words(unplugged: Browser) -> None:
    answer = unplugged.post("/generate/text/stream", {"prompt": "Hello"}, X_Fragment="1")
    assert answer.status_code == 503
    assert answer.get_json()["error"]["code"] == "api_unavailable"


def test_a_form_waits_and_can_be_sent_again(app: Flask, browser: Browser) -> None:
    browser.get("/generate/image")
    real, app.extensions["api_http"] = app.extensions["api_http"], open_http("http://127.0.0.1:9")
    answer = browser.post(
        "/generate/image", {**browser.fields, "prompt": "A long and careful prompt"}
    )
    app.extensions["api_http"].close()
    app.extensions["api_http"] = real
    assert answer.status_code == 503
    assert browser.fields["prompt"] == "A long and careful prompt"
    assert re.search(r'name="nonce" value="[\w-]{10,}"', answer.text)
    assert browser.post("/generate/image", browser.fields).status_code == 302


def test_signing_out_works_without_the_api(unplugged: Browser) -> None:
    """The browser forgets the session. The api cannot be told, and the person is."""
    assert unplugged.post("/logout").location == "/login"
    assert unplugged.cookie is None
    assert unplugged.get("/").status_code == 302
    assert "a copy of this sign-in would still work" in unplugged.get("/login").text


@pytest.mark.parametrize(
    ("status", "code"), [(503, "database_unavailable"), (500, "internal"), (429, "rate_limited")]
)
def test_a_session_that_the_api_could_not_end_is_not_said_to_have_ended(
    app: Flask, browser: Browser, status: int, code: str
) -> None:
    said = {"title": "", "status": status, "detail": "Not now.", "code": code, "retry_after": 1}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=said)

    real = app.extensions["api_http"]
    with httpx.Client(base_url="http://api", transport=httpx.MockTransport(answer)) as refusing:
        app.extensions["api_http"] = refusing
        try:
            answered = browser.post("/logout")
        finally:
            app.extensions["api_http"] = real
    assert (answered.location, browser.cookie) == ("/login", None)
    assert "a copy of this sign-in would still work" in browser.get("/login").text


def test_a_fault_of_our_own_is_a_page_without_a_traceback(app: Flask, visitor: Browser) -> None:
    def broken() -> str:
        raise RuntimeError("a secret of the inside")

    app.view_functions["auth.setup"] = broken
    answer = visitor.get("/setup")
    assert answer.status_code == 500
    assert "Something broke on our side" in answer.text
    assert "a secret of the inside" not in answer.text


def test_a_form_that_is_too_large_is_told_so(app: Flask, browser: Browser) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 1000
    answer = browser.post("/generate/text", {"prompt": "x" * 2000})
    assert answer.status_code == 413
    assert "That is too large" in answer.text
