"""The session file holds no readable secret, and a refresh token is never used twice."""

import base64
import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
import time_machine
from cryptography.fernet import Fernet
from flask import Flask

from admin_web.app import create_app
from admin_web.sessions.flask_session import SessionAccess, SessionEnded
from admin_web.sessions.store import ABSOLUTE_SECONDS, IDLE_SECONDS, SessionStore, Tokens
from admin_web.settings import AGENT, WebSettings
from api.auth.schemas import TokensOut
from client import calls
from client.connections import open_http
from client.errors import ApiError
from client.sync import Api
from tests.admin_web.browser import Browser
from tests.stack import Stack

TOKENS = Tokens("access-token-in-plain", "refresh-token-in-plain", 0)
FERNET = Fernet(base64.urlsafe_b64encode(b"k" * 32))


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    made = SessionStore(tmp_path, FERNET)
    made.prepare()
    return made


def test_the_file_holds_neither_tokens_nor_ids_nor_texts(
    store: SessionStore, tmp_path: Path
) -> None:
    store.create("the-session-id", {"message": "a text of the session"}, TOKENS)
    held = b"".join(path.read_bytes() for path in tmp_path.glob("web-sessions.db*"))
    for secret in (
        b"the-session-id",
        b"a text of the session",
        b"access-token-in-plain",
        b"refresh-token-in-plain",
    ):
        assert secret not in held
    assert (tmp_path / "web-sessions.db").stat().st_mode & 0o077 == 0


def test_another_key_opens_nothing(store: SessionStore, tmp_path: Path) -> None:
    store.create("sid", {}, TOKENS)
    assert SessionStore(tmp_path, Fernet(Fernet.generate_key())).load("sid") is None
    assert SessionStore(tmp_path, FERNET).load("sid") is not None


@pytest.mark.parametrize("seconds", [IDLE_SECONDS + 10, ABSOLUTE_SECONDS + 10])
def test_a_session_ends_when_unused_and_in_any_case(store: SessionStore, seconds: int) -> None:
    with time_machine.travel(time.time(), tick=False) as clock:
        store.create("sid", {}, TOKENS)
        used = seconds > IDLE_SECONDS + 10
        passed = 0
        while used and passed < ABSOLUTE_SECONDS:
            clock.shift(IDLE_SECONDS // 2)
            passed += IDLE_SECONDS // 2
            store.load("sid")
        clock.shift(max(1, seconds - passed))
        assert store.load("sid") is None


def test_a_page_that_stores_a_message_keeps_the_newest_tokens(store: SessionStore) -> None:
    store.create("sid", {}, TOKENS)
    newer = Tokens("b", "c", 9)
    assert store.save_tokens("sid", newer)
    store.save_data("sid", {"message": "x"})
    row = store.load("sid")
    assert row is not None
    assert (row.tokens, row.data) == (newer, {"message": "x"})


def test_a_session_survives_a_restart(settings: WebSettings, browser: Browser) -> None:
    again = create_app(settings)
    opened = Browser(again)
    opened.client.set_cookie("sid", browser.cookie or "")
    assert opened.get("/").status_code == 200
    again.extensions["api_http"].close()


def _expired_session(store: SessionStore, account: TokensOut) -> Tokens:
    stale = Tokens(account.access_token, account.refresh_token, 0)
    store.create("sid", {}, stale)
    return stale


def _counting(api_url: str, asked: list[str]) -> httpx.Client:
    return httpx.Client(
        base_url=api_url,
        headers={"user-agent": AGENT},
        event_hooks={"request": [lambda request: asked.append(request.url.path)]},
    )


def _one_process(folder: Path, api_url: str, asked: "multiprocessing.Queue[list[str]]") -> None:
    """Let eight threads of one worker process find at the same time that the token is too old."""
    store, paths = SessionStore(folder, FERNET), list[str]()
    with _counting(api_url, paths) as http, ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda _: SessionAccess(store, "sid", Api(http)).token(), range(8)))
    asked.put([*paths, *sorted(set(tokens))])


def test_many_tabs_in_two_processes_spend_a_refresh_token_once(
    stack: Stack, store: SessionStore, account: TokensOut, tmp_path: Path
) -> None:
    stale = _expired_session(store, account)
    forks = multiprocessing.get_context("forkserver")
    answers: multiprocessing.Queue[list[str]] = forks.Queue()
    workers = [
        forks.Process(target=_one_process, args=(tmp_path, stack.api_url, answers))
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    said = answers.get(timeout=60) + answers.get(timeout=60)
    for worker in workers:
        worker.join()
    assert said.count("/auth/refresh") == 1
    fresh = {word for word in said if word != "/auth/refresh"}
    assert len(fresh) == 1
    assert fresh != {stale.access}


def test_a_lost_answer_is_asked_for_once_more_and_gives_the_same_pair(
    stack: Stack, store: SessionStore, account: TokensOut
) -> None:
    _expired_session(store, account)
    lost: list[str] = []

    def lose(response: httpx.Response) -> None:
        if response.request.url.path == "/auth/refresh" and not lost:
            lost.append(response.request.url.path)
            raise httpx.ReadError("cut", request=response.request)

    with httpx.Client(base_url=stack.api_url, event_hooks={"response": [lose]}) as http:
        access = SessionAccess(store, "sid", Api(http))
        api = Api(http, access)
        assert api.send(calls.me()).email == account.user.email
        row = store.load("sid")
        assert row is not None
        assert row.tokens.access == access.token()
    assert lost


def test_a_token_that_the_api_refuses_early_is_renewed(
    stack: Stack, store: SessionStore, account: TokensOut
) -> None:
    stale = _expired_session(store, account)
    store.save_tokens("sid", Tokens("not a token", stale.refresh, time.time() + 900))
    with open_http(stack.api_url) as http:
        found = Api(http, SessionAccess(store, "sid", Api(http))).send(calls.me()).email
        assert found == account.user.email


def test_a_session_that_the_api_has_ended_ends_here(app: Flask, browser: Browser) -> None:
    store: SessionStore = app.session_interface.store  # type: ignore[attr-defined]
    cookie = browser.cookie or ""
    row = store.load(cookie)
    assert row is not None
    app.extensions["api_http"].post(
        "/auth/logout", headers={"authorization": f"Bearer {row.tokens.access}"}
    ).raise_for_status()
    assert browser.get("/gallery").location == "/login?next=/gallery"
    assert store.load(cookie) is None
    assert "You have been signed out" in browser.get("/login").text


@pytest.mark.parametrize("status", [401, 403])
def test_a_proxys_refusal_does_not_end_the_session(
    store: SessionStore, account: TokensOut, status: int
) -> None:
    _expired_session(store, account)

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_error(status)

    with HTTPServer(("127.0.0.1", 0), Proxy) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(server.serve_forever)
        try:
            with open_http(f"http://127.0.0.1:{server.server_port}") as http:
                access = SessionAccess(store, "sid", Api(http))
                with pytest.raises(ApiError, match="bad_answer") as error:
                    access.token()
        finally:
            server.shutdown()
    assert not error.value.needs_person


def test_without_a_row_there_is_no_token(store: SessionStore) -> None:
    with open_http("http://127.0.0.1:9") as http, pytest.raises(SessionEnded):
        SessionAccess(store, "nobody", Api(http)).token()
