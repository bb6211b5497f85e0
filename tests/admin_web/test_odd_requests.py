"""Requests that no browser sends get a page or a refusal, never an internal error."""

from typing import Any

import pytest
from flask import Flask

from client import call
from client.connections import open_http
from client.errors import ApiError
from tests.admin_web.browser import PASSWORD, Browser
from tests.stack import Stack

AGENTS = [
    "",
    " ",
    "x" * 149 + " y",
    "Mözilla/5.0",
    "\u200b".encode().decode("latin-1"),
    "a\tb",
    "\x7f",
]


@pytest.mark.parametrize("agent", AGENTS)
def test_any_user_agent_may_sign_in(visitor: Browser, email: str, agent: str) -> None:
    visitor.get("/login")
    answer = visitor.post("/login", {"email": email, "password": PASSWORD}, User_Agent=agent)
    assert answer.status_code == 302
    assert visitor.get("/profile/sessions").status_code == 200


ODD: dict[str, list[str]] = {
    "Range": ["bytes=" + "9" * 4_301 + "-", "bytes=0-\xb2", "\xff"],
    "If-None-Match": ["\xff", " "],
    "If-Range": ["\xe4"],
    "X-Forwarded-For": ["\xff", "x, y"],
    "Accept-Language": ["\xff", "de;q=9e999"],
    "Cookie": ["sid=\xff", "sid=a.b.c", "device=\xff"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in ODD.items() for value in values]
)
def test_an_odd_header_is_no_breakdown(browser: Browser, name: str, value: str) -> None:
    for path in (
        "/media/0192-none?exp=1&sig=x",
        "/shared/media/0192-none?exp=1&sig=x",
        "/login",
        "/gallery",
    ):
        assert browser.get(path, headers={name: value}).status_code in {200, 302, 401, 404}, path


def test_an_origin_that_is_none_is_another_site(browser: Browser) -> None:
    for origin in ("http://[", "null", "://", "\xff"):
        answer = browser.post(
            "/profile/about", {"display_name": "Mallory", "language": "en"}, Origin=origin
        )
        assert answer.status_code == 400


def test_a_part_of_an_address_never_leads_to_another_call(browser: Browser, app: Flask) -> None:
    for part in ("..", ".", "%2E%2E", "..%2F..%2Fusers%2Fme"):
        assert browser.get(f"/profile/links/{part}/state").status_code in {308, 404}, part
    asked = [
        str(app.extensions["api_http"].build_request("GET", call.path("/links/{}", part)).url)
        for part in ("..", ".", "a?b", "a#b")
    ]
    assert all("/links/" in url and "?" not in url and "#" not in url for url in asked)
    for part in ("a/../..", "/", ""):
        with pytest.raises(ApiError, match="not_found"):
            call.path("/links/{}", part)


def test_an_address_that_is_too_long_is_not_there(browser: Browser) -> None:
    assert browser.get("/media/x?sig=" + "x" * 70_000).status_code == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "BREW"])
def test_a_method_that_a_page_does_not_take_is_told_which_it_takes(
    visitor: Browser, method: str
) -> None:
    answer: Any = visitor.client.open("/login", method=method, headers={"Sec-Fetch-Site": "none"})
    assert (answer.status_code, answer.headers.get("Allow")) == (405, "GET, HEAD, OPTIONS, POST")


def test_the_api_is_asked_without_the_environments_proxy(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would see every password."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "socks5://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    with open_http(stack.api_url) as http:
        assert http.get("/healthz").status_code == 200
