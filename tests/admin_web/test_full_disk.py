"""A nearly full disk is named beside the price, in the refusal of the form, and on the admin's
board."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from flask import Flask
from pydantic import SecretStr

from admin_web.app import create_app
from admin_web.settings import WebSettings
from api.secrets import ensure_secrets
from tests.admin_web.browser import PASSWORD, Browser
from tests.admin_web.conftest import ADMIN, KEY
from tests.admin_web.own_api import own_api
from tests.stack import Stack


@pytest.fixture(scope="module")
def api_url(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("api")
    with own_api(folder, stack.sandbox_url, disk_floor_mb=1_000_000) as url:
        body = {"token": ensure_secrets(folder).setup_token, "email": ADMIN, "password": PASSWORD}
        httpx.post(f"{url}/auth/setup", json=body).raise_for_status()
        yield url


@pytest.fixture
def browser(api_url: str, tmp_path: Path) -> Iterator[Browser]:
    app: Flask = create_app(
        WebSettings(_env_file=None, api_url=api_url, web_session_key=SecretStr(KEY))
    )
    opened = Browser(app)
    assert opened.sign_in(ADMIN).status_code == 302
    yield opened
    app.extensions["api_http"].close()


def test_a_full_disk_is_said_before_and_after_something_is_sent(browser: Browser) -> None:
    page = browser.get("/generate/image")
    assert "The server&#39;s storage is full." in page.text
    sent = browser.post("/generate/image", {**browser.fields, "prompt": "a fox"})
    assert sent.status_code == 507
    assert "Please tell the operator." in sent.text


def test_the_board_says_that_nothing_is_made(browser: Browser) -> None:
    page = browser.get("/admin")
    assert "The disk is full" in page.text
    assert "Below 1000000 MB nothing is made or answered any more." in page.text
