"""The cookies of a session: nobody else can read them, and they stay small. Nobody is signed out by
an answer that was lost, late or sent twice."""

import base64
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Barrier

import httpx
import pytest
from flask import Flask
from pydantic import SecretStr

from admin_web.app import create_app
from admin_web.serving import CAME
from admin_web.sessions import flask_session
from admin_web.sessions.cookies import VALUES_MAX, InBrowser, NotOurs, SessionCookies, Tokens
from admin_web.sessions.flask_session import (
    RENEW_WITHIN,
    SessionAccess,
    SessionEnded,
    WebSession,
    as_tokens,
)
from admin_web.settings import AGENT, WebSettings
from api.auth.schemas import TokensOut
from client import calls
from client.connections import open_http
from client.errors import ApiError
from client.sync import Api
from tests.admin_web.browser import PASSWORD, Browser
from tests.stack import Stack

SESSION = InBrowser("the-session-id", Tokens("access-token-in-plain", "refresh-token-in-plain"))
OTHER_KEY = SecretStr("another key of the tests, long enough")


@pytest.fixture
def cookies(settings: WebSettings) -> SessionCookies:
    return SessionCookies(settings)


def session_of(access: str, refresh: str) -> WebSession:
    return WebSession({}, InBrowser("sid", Tokens(access, refresh)))


def expired(account: TokensOut) -> WebSession:
    """A session whose access token the api refuses."""
    return session_of("not a token", account.refresh_token)


def test_the_cookies_hold_neither_tokens_nor_ids_nor_texts(cookies: SessionCookies) -> None:
    values, _ = cookies.seal_values("the-session-id", {"message": "a text of the session"})
    held = "".join((cookies.seal(SESSION), values))
    readable = held + base64.urlsafe_b64decode(held + "==").decode("latin-1")
    for secret in (SESSION.id, *(SESSION.tokens.access, SESSION.tokens.refresh), "a text of the"):
        assert secret not in readable


@pytest.mark.parametrize("place", [0, 30, 100, -10])
def test_a_changed_cookie_is_not_ours(cookies: SessionCookies, place: int) -> None:
    sealed = cookies.seal(SESSION)
    changed = list(sealed)
    changed[place] = "A" if changed[place] != "A" else "B"
    for wrong in ("".join(changed), sealed[:-4], "", ".", "ä", "0" * 5000):
        with pytest.raises(NotOurs):
            cookies.open(wrong)


def test_neither_cookie_passes_for_the_other(cookies: SessionCookies) -> None:
    values, _ = cookies.seal_values("sid", {"access": "x"})
    with pytest.raises(NotOurs):
        cookies.open(values)
    with pytest.raises(NotOurs):
        cookies.open_values("sid", cookies.seal(SESSION))


def test_values_count_only_beside_their_session(cookies: SessionCookies) -> None:
    for owner in ("sid", None):
        values, _ = cookies.seal_values(owner, {"message": "x"})
        found = [cookies.open_values(sid, values) for sid in ("sid", None, "other")]
        assert found == [{"message": "x"} if sid == owner else {} for sid in ("sid", None, "other")]


def test_another_key_opens_nothing_and_an_earlier_one_everything(
    settings: WebSettings, browser: Browser
) -> None:
    renewed = settings.model_copy(update={"web_session_key": OTHER_KEY})
    rotated = renewed.model_copy(update={"web_session_key_previous": settings.web_session_key})
    browser.get("/profile")
    about = {"display_name": "Ada", "language": "en"}
    for with_settings, status in ((renewed, 302), (rotated, 200)):
        app = create_app(with_settings)
        opened = Browser(app)
        opened.page = browser.page
        opened.client.set_cookie("sid", browser.cookie or "")
        opened.client.set_cookie("values", browser.values or "")
        # a form that was open at the change can be sent as well
        assert (opened.post("/profile/about", about).location == "/login") == (status == 302)
        assert opened.get("/").status_code == status
        app.extensions["api_http"].close()


def test_a_replica_with_another_key_says_so_once_and_takes_nothing_away(
    settings: WebSettings, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(settings.model_copy(update={"web_session_key": OTHER_KEY}))
    opened = Browser(app)
    opened.client.set_cookie("sid", browser.cookie or "")
    for _ in range(3):
        assert opened.get("/profile").location == "/login?next=/profile"
    assert opened.cookie == browser.cookie
    said = [record for record in caplog.records if "WEB_SESSION_KEY" in record.getMessage()]
    assert len(said) == 1
    app.extensions["api_http"].close()


@pytest.mark.parametrize("held", ["an id of older versions", "sealed with another key"])
@pytest.mark.parametrize("is_values_stale", [False, True])
def test_a_browser_whose_session_cannot_be_opened_signs_in(
    app: Flask,
    settings: WebSettings,
    email: str,
    held: str,
    is_values_stale: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    browser = Browser(app)
    other = SessionCookies(settings.model_copy(update={"web_session_key": OTHER_KEY}))
    is_old = held == "an id of older versions"
    browser.client.set_cookie("sid", "x" * 43 if is_old else other.seal(SESSION))
    if is_values_stale:
        stale = browser.sessions.cookies if is_old else other
        browser.client.set_cookie("values", stale.seal_values(SESSION.id, {"csrf_token": "t"})[0])
    assert browser.sign_in(email).location == "/"
    assert browser.get("/profile").status_code == 200
    told = [record for record in caplog.records if "WEB_SESSION_KEY" in record.getMessage()]
    if is_old:
        assert not told, "nobody has changed a key"


@pytest.mark.parametrize("seconds", [-86_400, 86_400])
def test_the_clock_of_the_replica_decides_nothing(
    cookies: SessionCookies, settings: WebSettings, seconds: int
) -> None:
    """A replica whose clock is a day off has sealed the cookie."""
    sealed = cookies.seal(SESSION)
    keys = cookies._tokens._fernets
    again = keys[0].encrypt_at_time(keys[0].decrypt(sealed), int(time.time()) + seconds)
    assert cookies.open(again.decode()) == SESSION


def test_cookies_stay_small_enough_for_browsers_and_proxies(
    app: Flask, browser: Browser, email: str
) -> None:
    with app.test_request_context():
        held = app.session_interface.open_session(app, app.test_request_context().request)
        assert held is not None
        held.signed_in = browser.signed_in  # type: ignore[attr-defined]
        held.renewed = True  # type: ignore[attr-defined]
        held["csrf_token"] = "c" * 40
        held["_flashes"] = [("info", f"{number} {'ß' * 900}") for number in range(5)]
        held["shown_once"] = {"about": "x", "secret": "s" * 300}
        response = app.response_class()
        app.session_interface.save_session(app, held, response)
    response.set_cookie("__Host-device", "d" * 43, max_age=1, secure=True, httponly=True)
    headers = {**browser.get("/profile").headers, "set-cookie": ""}
    rest = sum(len(name) + len(value) + 4 for name, value in headers.items())
    sent = response.headers.getlist("Set-Cookie")
    assert len(sent) == 3
    assert all(len(cookie) < VALUES_MAX + 120 for cookie in sent)
    assert sum(len(cookie) + 16 for cookie in sent) + rest < 4096


def test_what_is_too_long_goes_the_oldest_message_first(cookies: SessionCookies) -> None:
    kept = {"csrf_token": "c" * 40, "shown_once": "s" * 300}
    messages = [("info", "first " * 100), ("info", "second " * 60), ("info", "third " * 20)]
    value, cut = cookies.seal_values("sid", {**kept, "_flashes": messages})
    assert cut == {"_flashes"}
    found = cookies.open_values("sid", value)
    assert found == {**kept, "_flashes": [["info", "second " * 60], ["info", "third " * 20]]}
    value, _ = cookies.seal_values("sid", {**kept, "_flashes": [("info", "long " * 5000)]})
    text = str(cookies.open_values("sid", value)["_flashes"])
    assert text.startswith("[['info', 'long long ")
    assert text.endswith("…']]")
    value, cut = cookies.seal_values("sid", {**kept, "image_model": "m" * 9000})
    assert (cookies.open_values("sid", value), cut) == (kept, {"image_model"})


def test_a_page_that_stores_a_message_keeps_the_newest_tokens(app: Flask, browser: Browser) -> None:
    """One tab gets a message, another one renewed tokens, each from a request that began before
    the other one's answer."""
    browser.get("/profile")
    first, second = Browser(app), Browser(app)
    for each in (first, second):
        each.page = browser.page
        each.client.set_cookie("values", browser.values or "")
    first.client.set_cookie("sid", browser.cookie or "")
    second.hold(Tokens("not a token", browser.signed_in.tokens.refresh))
    first.post("/profile/about", {"display_name": "Ada", "language": "en"})
    second.get("/")
    answers = [each.client.get_cookie(name) for each, name in ((first, "values"), (second, "sid"))]
    for cookie in answers:
        assert cookie is not None
        browser.client.set_cookie(cookie.key, cookie.value)
    assert browser.signed_in.tokens.access != "not a token"
    second.client.set_cookie("sid", browser.cookie or "")
    assert browser.get("/profile").status_code == 200


def test_a_session_survives_a_restart(settings: WebSettings, browser: Browser) -> None:
    again = create_app(settings)
    opened = Browser(again)
    opened.client.set_cookie("sid", browser.cookie or "")
    assert opened.get("/").status_code == 200
    again.extensions["api_http"].close()


@dataclass
class Replica:
    """A web of its own with the connections that it uses."""

    app: Flask
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def replicas(settings: WebSettings) -> Iterator[list[Replica]]:
    """Two webs that share nothing but the key."""
    made = [Replica(create_app(settings)) for _ in range(2)]
    for replica in made:
        asked = replica.asked
        replica.app.extensions["api_http"].event_hooks = {
            "request": [lambda request, asked=asked: asked.append(request.url.path)]
        }
    yield made
    for replica in made:
        replica.app.extensions["api_http"].close()


def test_six_requests_at_the_end_of_a_token_all_go_on(
    replicas: list[Replica], account: TokensOut
) -> None:
    """They do so whichever of the answers the browser gets last, or when it gets none."""
    opened = [Browser(replicas[number % 2].app) for number in range(6)]
    together = Barrier(6)
    cookies = opened[0].sessions.cookies
    stale = cookies.seal(InBrowser("sid", Tokens("not a token", account.refresh_token)))

    def visit(browser: Browser) -> int:
        browser.client.set_cookie("sid", stale)
        together.wait(30)
        return browser.get("/").status_code

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(visit, opened)) == [200] * 6
    assert [replica.asked.count("/auth/refresh") for replica in replicas] == [3, 3]
    assert len({browser.signed_in.tokens.refresh for browser in opened}) == 1
    for last in (stale, *(browser.cookie or "" for browser in opened)):
        opened[0].client.set_cookie("sid", last)
        assert opened[0].get("/profile").status_code == 200


def test_one_page_renews_once_for_all_its_calls(stack: Stack, account: TokensOut) -> None:
    asked: list[str] = []
    hooks = {"request": [lambda request: asked.append(request.url.path)]}
    with (
        httpx.Client(
            base_url=stack.api_url,
            headers={"user-agent": AGENT},
            event_hooks=hooks,
        ) as http,
        ThreadPoolExecutor(8) as pool,
    ):
        api = Api(http, SessionAccess(expired(account), Api(http)))
        found = list(pool.map(lambda _: api.send(calls.me()).email, range(8)))
    assert found == [account.user.email] * 8
    assert asked.count("/auth/refresh") == 1


def test_a_cookie_that_never_arrived_ends_nothing(app: Flask, account: TokensOut) -> None:
    """The answer with the new cookie was lost, so the browser comes with the old one again."""
    browser = Browser(app)
    for _ in range(3):
        browser.hold(Tokens("not a token", account.refresh_token))
        assert browser.get("/").status_code == 200
    assert browser.get("/profile").status_code == 200


def test_an_older_answer_that_arrives_last_ends_nothing(app: Flask, account: TokensOut) -> None:
    browser = Browser(app)
    browser.hold(Tokens("not a token", account.refresh_token))
    browser.get("/")
    second = browser.signed_in.tokens.refresh
    browser.hold(Tokens("not a token", second))
    browser.get("/")
    third = browser.signed_in.tokens.refresh
    browser.hold(Tokens("not a token", second))
    assert browser.get("/").status_code == 200
    assert browser.signed_in.tokens.refresh == third


def test_a_stolen_cookie_ends_the_session(app: Flask, account: TokensOut) -> None:
    """The thief and the owner have the same cookie, and both go on from it."""
    thief, owner = Browser(app), Browser(app)
    thief.hold(Tokens("not a token", account.refresh_token))
    thief.get("/")
    thief.hold(Tokens("not a token", thief.signed_in.tokens.refresh))
    thief.get("/")
    owner.hold(Tokens("not a token", account.refresh_token))
    assert owner.get("/").status_code == 302
    assert thief.get("/").status_code == 302


def test_a_page_that_takes_too_long_renews_nothing(
    stack: Stack, account: TokensOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then its tokens may be so old that they would pass for stolen ones."""
    monkeypatch.setattr(flask_session, "RENEW_WITHIN", -1.0)
    with open_http(stack.api_url) as http:
        with pytest.raises(ApiError, match="too_slow"):
            Api(http, SessionAccess(expired(account), Api(http))).send(calls.me())
        assert http.get("/users/me", headers=bearer(account)).status_code == 200


def test_an_upload_that_took_too_long_is_asked_for_again(app: Flask, account: TokensOut) -> None:
    """Another tab has renewed the tokens twice while the body arrived."""
    upload, tab = Browser(app), Browser(app)
    tab.hold(as_tokens(account))
    tab.get("/profile")
    upload.page = tab.page
    upload.client.set_cookie("values", tab.values or "")
    old = InBrowser(tab.signed_in.id, Tokens("not a token", account.refresh_token))
    upload.client.set_cookie("sid", upload.sessions.cookies.seal(old))
    for _ in range(2):
        tab.hold(Tokens("not a token", tab.signed_in.tokens.refresh))
        tab.get("/")
    came = {CAME: time.monotonic() - RENEW_WITHIN - 1}
    fields = {"csrf_token": upload.token, "display_name": "Ada", "language": "en"}
    answer = upload.client.post("/profile/about", data=fields, environ_overrides=came)
    assert answer.status_code in {302, 400}
    assert "sid" not in str(answer.headers.getlist("Set-Cookie"))
    page = upload.client.get("/profile", environ_overrides=came)
    assert (page.status_code, "then send it again here" in page.text) == (400, True)
    assert tab.get("/profile").status_code == 200, "nobody was taken for a thief"


def bearer(account: TokensOut) -> dict[str, str]:
    return {"authorization": f"Bearer {account.access_token}"}


def test_a_lost_answer_is_asked_for_once_more_and_gives_the_same_pair(
    stack: Stack, account: TokensOut
) -> None:
    lost: list[str] = []

    def lose(response: httpx.Response) -> None:
        if response.request.url.path == "/auth/refresh" and not lost:
            lost.append(response.request.url.path)
            raise httpx.ReadError("cut", request=response.request)

    session = expired(account)
    with httpx.Client(base_url=stack.api_url, event_hooks={"response": [lose]}) as http:
        access = SessionAccess(session, Api(http))
        assert Api(http, access).send(calls.me()).email == account.user.email
        assert session.signed_in is not None
        assert session.signed_in.tokens.access == access.token()
    assert lost
    assert session.renewed


def test_a_session_that_the_api_has_ended_ends_here(app: Flask, browser: Browser) -> None:
    held, copy = browser.signed_in.tokens.access, browser.cookie
    app.extensions["api_http"].post(
        "/auth/logout", headers={"authorization": f"Bearer {held}"}
    ).raise_for_status()
    assert browser.get("/gallery").location == "/login?next=/gallery"
    assert browser.cookie is None
    assert "You have been signed out" in browser.get("/login").text
    browser.client.set_cookie("sid", copy or "")
    assert browser.get("/login").status_code == 200
    browser.client.set_cookie("sid", copy or "")
    assert browser.get("/gallery").location == "/login?next=/gallery"


def test_a_disabled_account_is_out_at_its_next_page(
    app: Flask, admin: Browser, browser: Browser, account: TokensOut
) -> None:
    app.extensions["api_http"].put(
        f"/users/{account.user.id}/status",
        json={"status": "disabled"},
        headers={"authorization": f"Bearer {admin.signed_in.tokens.access}"},
    ).raise_for_status()
    assert browser.get("/").location == "/login"
    assert browser.sign_in(account.user.email or "", PASSWORD).status_code == 401


@pytest.mark.parametrize("status", [401, 403])
def test_a_proxys_refusal_does_not_end_the_session(account: TokensOut, status: int) -> None:
    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_error(status)

    with HTTPServer(("127.0.0.1", 0), Proxy) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(server.serve_forever)
        try:
            with open_http(f"http://127.0.0.1:{server.server_port}") as http:
                access = SessionAccess(expired(account), Api(http))
                with pytest.raises(ApiError, match="bad_answer") as error:
                    access.renewed(access.token())
        finally:
            server.shutdown()
    assert not error.value.needs_person


def test_a_refused_refresh_token_ends_the_session(stack: Stack) -> None:
    with open_http(stack.api_url) as http, pytest.raises(SessionEnded):
        Api(http, SessionAccess(session_of("x", "y"), Api(http))).send(calls.me())


def test_a_visitor_has_no_tokens() -> None:
    with open_http("http://127.0.0.1:9") as http, pytest.raises(RuntimeError):
        SessionAccess(WebSession({}), Api(http))
