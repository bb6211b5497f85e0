"""Acts that need a recent password ask for it and then go on; and closed sign-up."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import time_machine
from flask import Flask
from pydantic import SecretStr

from admin_web.app import create_app
from admin_web.settings import WebSettings
from api.secrets import ensure_secrets
from tests.admin_web.browser import PASSWORD, Browser
from tests.admin_web.conftest import ADMIN, KEY
from tests.admin_web.own_api import own_api
from tests.stack import Stack

LATER = 16 * 60


@pytest.fixture(scope="module")
def api_url(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("api")
    with own_api(folder, stack.sandbox_url) as url:
        body = {"token": ensure_secrets(folder).setup_token, "email": ADMIN, "password": PASSWORD}
        httpx.post(f"{url}/auth/setup", json=body).raise_for_status()
        yield url


@pytest.fixture
def app(api_url: str, tmp_path: Path) -> Iterator[Flask]:
    made = create_app(WebSettings(_env_file=None, api_url=api_url, web_session_key=SecretStr(KEY)))
    yield made
    made.extensions["api_http"].close()


@pytest.fixture
def late(app: Flask) -> Iterator[Browser]:
    """Return the browser of an admin who signed in a quarter of an hour ago."""
    opened = Browser(app)
    assert opened.sign_in(ADMIN).status_code == 302
    with time_machine.travel(time.time() + LATER):
        opened.get("/profile")
        yield opened


def test_a_link_is_started_after_the_password_and_keeps_what_was_chosen(late: Browser) -> None:
    asked = late.post("/profile/links", {"platform": "terminal"})
    assert asked.status_code == 403
    assert "Enter your password again" in asked.text
    assert late.fields["platform"] == "terminal"
    assert 'action="/profile/links"' in asked.text
    wrong = late.post("/profile/links", {**late.fields, "reauth_password": "not the password"})
    assert wrong.status_code == 422
    assert "not right" in wrong.text
    assert late.fields["platform"] == "terminal"
    assert 'id="e-reauth_password"' in wrong.text, "the field says that the password is wrong"
    assert "not the password" not in wrong.text
    done = late.post("/profile/links", {**late.fields, "reauth_password": PASSWORD})
    assert done.status_code == 302
    assert "/link " in late.get(done.location).text
    late.get("/profile")
    assert late.post("/profile/links", {"platform": "discord"}).status_code == 302, (
        "asked once, not each time"
    )


def test_a_download_starts_after_the_password(late: Browser) -> None:
    asked = late.post("/profile/export")
    assert "The download starts as soon as you go on." in asked.text
    got = late.post("/profile/export", {**late.fields, "reauth_password": PASSWORD})
    assert got.data.startswith(b"PK")


def test_deleting_takes_the_password_however_long_ago_the_last_one_was(late: Browser) -> None:
    late.get("/profile/delete")
    answer = late.post("/profile/delete", {"typed": ADMIN, "current_password": PASSWORD})
    assert answer.status_code == 409
    assert "Make somebody else an admin first." in answer.text
    assert late.get("/profile").status_code == 200


def test_a_script_is_told_in_words(late: Browser) -> None:
    answer = late.post("/profile/links", {"platform": "terminal"}, X_Fragment="1")
    assert answer.status_code == 403
    assert answer.get_json()["error"]["code"] == "reauth_required"


def test_after_the_password_a_page_is_opened_that_asked_for_it(late: Browser) -> None:
    for target, leads_to in (
        ("/profile/sessions?x=1", "/profile/sessions?x=1"),
        ("//evil.example", "/"),
    ):
        answer = late.post("/reauth", {"next": target, "reauth_password": PASSWORD})
        assert answer.location == leads_to


def test_sign_up_is_not_offered_where_it_is_closed(app: Flask) -> None:
    visitor = Browser(app)
    assert "/register" not in visitor.get("/login").text
    page = visitor.get("/register").text
    assert "by invitation" in page
    assert 'name="password"' not in page
    answer = visitor.post(
        "/register", {"email": "a@example.org", "password": PASSWORD, "repeat": PASSWORD}
    )
    assert answer.status_code == 403
    assert visitor.get("/").status_code == 302
