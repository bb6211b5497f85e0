"""Sign-in, session cookies, and the CSRF token that a POST must carry."""

import re
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.routing import Rule

from admin_web.app import create_app
from admin_web.sessions.caller import PUBLIC
from admin_web.settings import WebSettings
from tests.admin_web.browser import PASSWORD, Browser


def address(rule: Rule) -> str:
    """Some address of the rule: the first of several words, `x` for any other part."""
    return re.sub(r"<(?:\w+:)?\w+>", "x", re.sub(r"<any\((\w+)[^>]*>", r"\1", rule.rule))


def test_every_page_that_is_not_public_asks_to_sign_in(app: Flask, visitor: Browser) -> None:
    visitor.get("/login")
    walked = 0
    for rule in app.url_map.iter_rules():
        if rule.endpoint in PUBLIC:
            continue
        path = address(rule)
        assert rule.methods is not None
        answer = visitor.post(path) if "POST" in rule.methods else visitor.get(path)
        assert answer.status_code in {302, 401}, path
        assert answer.status_code == 401 or answer.location.startswith("/login"), path
        walked += 1
    assert walked > 20


def test_wrong_password_is_said_in_words_and_the_address_stays(
    visitor: Browser, email: str
) -> None:
    answer = visitor.sign_in(email, "not the password at all")
    assert answer.status_code == 401
    assert visitor.fields["email"] == email
    assert 'role="alert"' in answer.text
    assert "Traceback" not in answer.text
    assert "not the password at all" not in answer.text
    assert "E-mail address or password is not right." in answer.text
    german = visitor.post(
        "/login", {"email": email, "password": "not the password at all"}, Accept_Language="de"
    )
    assert "E-Mail-Adresse oder Passwort stimmt nicht." in german.text


def test_signing_in_gives_a_fresh_id_and_keeps_nothing_planted(app: Flask, email: str) -> None:
    attacker, victim = Browser(app), Browser(app)
    attacker.get("/login")
    planted, token = attacker.values, attacker.token
    assert planted is not None
    victim.client.set_cookie("values", planted)
    victim.sign_in(email)
    victim.client.set_cookie("values", planted)
    assert victim.get("/profile").status_code == 200
    assert victim.values not in {None, planted}
    about = {"display_name": "Mallory", "language": "en"}
    assert victim.post("/profile/about", about, token=token).status_code == 400
    assert attacker.get("/").status_code == 302


def test_a_planted_session_is_not_kept_at_the_next_sign_in(app: Flask, email: str) -> None:
    attacker, victim = Browser(app), Browser(app)
    attacker.sign_in(email)
    victim.client.set_cookie("sid", attacker.cookie or "")
    before = attacker.signed_in
    victim.get("/profile")
    victim.post("/login", {"email": email, "password": PASSWORD})
    assert victim.signed_in.id != before.id
    assert victim.signed_in.tokens.access != before.tokens.access
    assert attacker.get("/").status_code == 302


def test_a_second_sign_in_changes_the_id(browser: Browser, email: str) -> None:
    first = browser.cookie
    browser.get("/profile")
    browser.post("/login", {"email": email, "password": PASSWORD})
    assert browser.cookie != first
    browser.client.set_cookie("sid", first or "")
    assert browser.get("/").status_code == 302


def test_a_cookie_is_worth_nothing_after_signing_out(browser: Browser) -> None:
    held = browser.cookie
    assert held is not None
    answer = browser.post("/logout")
    assert answer.location == "/login"
    assert "Clear-Site-Data" in answer.headers
    browser.client.set_cookie("sid", held)
    assert browser.get("/profile").status_code == 302


def test_signing_out_ends_the_session_at_the_api(app: Flask, browser: Browser) -> None:
    held = browser.signed_in.tokens
    browser.post("/logout")
    http = app.extensions["api_http"]
    answer = http.get("/users/me", headers={"authorization": f"Bearer {held.access}"})
    assert answer.status_code == 401
    assert http.post("/auth/refresh", json={"refresh_token": held.refresh}).status_code == 401


def test_signing_out_needs_a_post(browser: Browser) -> None:
    assert browser.get("/logout").status_code == 405
    assert browser.get("/").status_code == 200


def test_a_visitor_has_no_session(visitor: Browser) -> None:
    for _ in range(3):
        visitor.get("/login")
        visitor.post("/login", {"email": "nobody@example.org", "password": "x"})
    assert visitor.cookie is None
    assert visitor.values is not None


AWAY = [
    "//evil.example",
    "https://evil.example",
    "/\\evil.example",
    "javascript:alert(1)",
    "\\\\evil.example",
    " //evil.example",
    "/x\\..\\/evil",
]
STRIPPED = [
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\x0b",
    "\x0c",
    "\x00",
    "\x1f",
    "\x7f",
    "\x85",
    "\u2028",
    " ",
    "\ufeff",
    "\u3000",
]
"""Addresses of which a browser drops a part, or which it may take for others."""


@pytest.mark.parametrize(
    "target",
    [
        *AWAY,
        *(f"/{mark}/evil.example" for mark in STRIPPED),
        *(f"/gallery{mark}" for mark in STRIPPED),
    ],
)
def test_a_login_link_does_not_lead_away(browser: Browser, target: str) -> None:
    """A signed-in person is redirected at once: that is the shortest way to be led away."""
    for opened in (
        f"/login?next={quote(target)}",
        f"/login?next={quote(target, safe='')}&next=/gallery",
    ):
        assert browser.get(opened).location == "/", opened
    assert browser.post("/reauth", {"next": target}).location == "/"


def test_signing_in_does_not_lead_away(visitor: Browser, email: str) -> None:
    visitor.get("/login?next=/%09/evil.example")
    assert visitor.fields["next"] == "/\t/evil.example"
    answer = visitor.post(
        "/login", {"email": email, "password": PASSWORD, "next": visitor.fields["next"]}
    )
    assert answer.location == "/"


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/gallery?kind=video&q=%C3%A4+b%2Fc#x",
        "/admin/jobs/0192-7c",
        "/gallery?next=https://example.org//",
    ],
)
def test_a_path_of_our_own_is_gone_on_to(browser: Browser, target: str) -> None:
    assert browser.get(f"/login?next={quote(target, safe='')}").location == target


def test_a_login_link_leads_back_to_the_page(visitor: Browser, email: str) -> None:
    answer = visitor.get("/gallery?kind=video")
    assert answer.location == "/login?next=/gallery%3Fkind%3Dvideo"
    visitor.get(answer.location)
    again = visitor.post(
        "/login", {"email": email, "password": PASSWORD, "next": visitor.fields["next"]}
    )
    assert again.location == "/gallery?kind=video"


def test_a_form_without_its_token_changes_nothing(browser: Browser) -> None:
    answer = browser.post("/profile/about", {"display_name": "Mallory", "language": "en"}, token="")
    assert answer.status_code == 400
    assert "Mallory" not in browser.get("/profile").text


def test_no_form_of_members_is_taken_from_elsewhere_or_without_its_token(
    app: Flask, browser: Browser
) -> None:
    walked = 0
    for rule in app.url_map.iter_rules():
        if "POST" not in (rule.methods or ()) or rule.endpoint.startswith("admin_"):
            continue
        path = address(rule)
        assert browser.post(path, token="").status_code == 400, path
        assert browser.post(path, Sec_Fetch_Site="cross-site").status_code == 400, path
        assert browser.post(path, Origin="https://evil.example").status_code == 400, path
        walked += 1
    assert walked > 25


def test_a_form_sent_after_the_session_has_ended_leads_to_the_login(
    app: Flask, browser: Browser
) -> None:
    browser.get("/generate/image")
    held = browser.token
    visitor = Browser(app)
    assert visitor.post("/generate/image", {"prompt": "A fox"}, token=held).location == "/login"
    script = visitor.post("/generate/image", {"prompt": "A fox"}, token=held, X_Fragment="1")
    assert (script.status_code, script.get_json()["error"]["code"]) == (401, "not_authenticated")
    assert visitor.post("/login", token="").status_code == 400


def test_a_form_with_the_token_of_another_session_changes_nothing(
    app: Flask, browser: Browser
) -> None:
    stranger = Browser(app)
    stranger.get("/login")
    answer = browser.post(
        "/profile/about", {"display_name": "Mallory", "language": "en"}, token=stranger.token
    )
    assert answer.status_code == 400
    assert "Mallory" not in browser.get("/profile").text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "https://evil.example"},
    ],
)
def test_a_form_from_another_site_is_refused_even_with_a_token(
    browser: Browser, headers: dict[str, str]
) -> None:
    answer = browser.post(
        "/profile/about", {"display_name": "Mallory", "language": "en"}, **headers
    )
    assert answer.status_code == 400
    assert "Mallory" not in browser.get("/profile").text


def test_a_form_from_the_page_itself_is_taken(browser: Browser) -> None:
    answer = browser.post(
        "/profile/about", {"display_name": "Ada", "language": "en"}, Sec_Fetch_Site="same-origin"
    )
    assert answer.status_code == 302


def test_cookies_and_headers_on_plain_http(visitor: Browser) -> None:
    answer = visitor.get("/login")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("values=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    assert "Strict-Transport-Security" not in answer.headers
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


def test_cookies_and_headers_behind_https(settings: WebSettings) -> None:
    app = create_app(settings.model_copy(update={"public_url": "https://studio.example"}))
    answer = app.test_client().get("/login")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-values=")
    assert "Secure" in cookie
    assert "Domain" not in cookie
    assert "Path=/" in cookie
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
    app.extensions["api_http"].close()


def test_an_unknown_address_is_a_page_of_the_product(browser: Browser) -> None:
    answer = browser.get("/nowhere")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
