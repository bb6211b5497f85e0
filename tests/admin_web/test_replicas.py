"""Two web processes that share nothing but the key, one api, and requests that go to them in
turn."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import httpx
import pytest

from admin_web.sessions.cookies import InBrowser, SessionCookies, Tokens
from admin_web.settings import WebSettings
from api.secrets import ensure_secrets
from tests.admin_web.browser import PASSWORD
from tests.admin_web.conftest import ADMIN
from tests.admin_web.own_api import own_api
from tests.admin_web.test_process import WEB_KEY, answering, start
from tests.stack import Stack, free_ports

MEMBER = "member@example.org"


@dataclass(frozen=True)
class Site:
    """The addresses of both webs, and their data folders."""

    urls: tuple[str, str]
    folders: tuple[Path, Path]


@pytest.fixture(scope="module")
def site(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("api")
    folders = (tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other"))
    with ExitStack() as running:
        api_url = running.enter_context(own_api(folder, stack.sandbox_url, web_signup="open"))
        body = {"token": ensure_secrets(folder).setup_token, "email": ADMIN, "password": PASSWORD}
        httpx.post(f"{api_url}/auth/setup", json=body).raise_for_status()
        member = {"email": MEMBER, "password": PASSWORD}
        httpx.post(f"{api_url}/auth/register", json=member).raise_for_status()
        urls = []
        for each in folders:
            port = free_ports(1)[0]
            web = running.enter_context(start(each, WEB_PORT=str(port), API_URL=api_url))
            running.callback(web.terminate)
            urls.append(f"http://127.0.0.1:{port}")
            answering(web, urls[-1])
        yield Site((urls[0], urls[1]), folders)


class Turns:
    """A browser behind a proxy without sticky routing. Cookies know no port, so both webs see the
    same ones."""

    def __init__(self, site: Site) -> None:
        self._urls = cycle(site.urls)
        self._next = threading.Lock()
        self.http = httpx.Client(trust_env=False, timeout=30)
        self.page = ""

    def ask(self, method: str, path: str, **fields: str) -> httpx.Response:
        """Ask the web whose turn it is, and follow to the next one where it leads."""
        with self._next:
            url = next(self._urls)
        found = re.search(r'name="csrf-token" content="([^"]+)"', self.page)
        data = {"csrf_token": found[1] if found else "", **fields} if method == "POST" else None
        answer = self.http.request(method, f"{url}{path}", data=data)
        if answer.is_redirect:
            return self.ask("GET", answer.headers["location"])
        if answer.headers["content-type"].startswith("text/html"):
            self.page = answer.text
        return answer

    def sign_in(self, email: str) -> None:
        self.ask("GET", "/login")
        answer = self.ask("POST", "/login", email=email, password=PASSWORD)
        assert answer.url.path == "/", answer.text

    def age(self) -> None:
        """Have the session's access token end."""
        cookies = SessionCookies(WebSettings(_env_file=None, web_session_key=WEB_KEY))
        for cookie in self.http.cookies.jar:
            if cookie.name == "sid":
                held = cookies.open(cookie.value or "")
                ended = Tokens("not a token", held.tokens.refresh)
                cookie.value = cookies.seal(InBrowser(held.id, ended))


@pytest.fixture
def browser(site: Site) -> Iterator[Turns]:
    opened = Turns(site)
    with opened.http:
        opened.sign_in(MEMBER)
        yield opened


def form(page: str) -> dict[str, str]:
    nonce = re.search(r'name="nonce" value="([^"]+)"', page)
    model = re.search(r'<option value="([^"]+)"[^>]*selected', page)
    assert nonce
    return {"nonce": nonce[1], **({"model": model[1]} if model else {})}


def test_making_and_reading_go_on_whichever_web_answers(browser: Turns) -> None:
    made = browser.ask(
        "POST",
        "/generate/image",
        prompt="A fox",
        **form(browser.ask("GET", "/generate/image").text),
    )
    assert made.status_code == 200
    assert made.url.params["job"]
    for path in ("/", "/gallery", "/profile", "/profile/sessions", "/generate/text"):
        assert browser.ask("GET", path).url.path == path


def test_an_answer_streams_after_its_token_has_ended(browser: Turns) -> None:
    fields = form(browser.ask("GET", "/generate/text").text)
    browser.age()
    answer = browser.ask("POST", "/generate/text/stream", prompt="Tell me a tale", **fields)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "event: done" in answer.text
    assert '"balance": "$' in answer.text
    browser.age()
    assert browser.ask("GET", "/profile").url.path == "/profile"


def test_a_message_of_one_web_is_shown_by_the_other(browser: Turns) -> None:
    browser.ask("GET", "/profile")
    browser.ask("POST", "/profile/about", display_name="Ada", language="en")
    assert "Saved." in browser.page
    browser.ask("GET", "/profile")
    assert "Saved." not in browser.page


def test_many_requests_at_the_end_of_a_token_all_go_on(browser: Turns) -> None:
    for _ in range(2):
        browser.age()
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(lambda _: browser.ask("GET", "/profile").url.path, range(6)))
        assert found == ["/profile"] * 6
    assert browser.ask("GET", "/").url.path == "/"


def test_signing_out_counts_for_a_copy_of_the_cookie_at_both(site: Site, browser: Turns) -> None:
    for first in site.urls:
        browser.sign_in(MEMBER)
        with httpx.Client(cookies=browser.http.cookies, trust_env=False) as copy:
            assert copy.get(f"{first}/profile").status_code == 200
            browser.ask("POST", "/logout")
            assert copy.get(f"{first}/profile").headers["location"] == "/login?next=/profile"


def test_a_disabled_account_is_out_at_both(site: Site) -> None:
    admin, member = Turns(site), Turns(site)
    with admin.http, member.http:
        admin.sign_in(ADMIN)
        member.sign_in(MEMBER)
        page = admin.ask("GET", "/admin/users?q=member").text
        found = re.search(r'href="(/admin/users/[0-9a-f-]{36})"', page)
        assert found
        admin.ask("GET", found[1])
        admin.ask("POST", f"{found[1]}/status", status="disabled")
        try:
            for _ in range(2):
                assert member.ask("GET", "/profile").url.path == "/login"
        finally:
            admin.ask("GET", found[1])
            admin.ask("POST", f"{found[1]}/status", status="active")


def test_a_web_keeps_nothing(site: Site, browser: Turns) -> None:
    browser.ask("GET", "/profile")
    assert [list(folder.iterdir()) for folder in site.folders] == [[], []]
