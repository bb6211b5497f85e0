"""The real api with the sandbox and a web app, shared by all tests of this folder. Each test has
accounts of its own."""

from collections.abc import Callable, Iterator
from itertools import count

import httpx
import pytest
from flask import Flask
from pydantic import SecretStr

from admin_web.app import create_app
from admin_web.sessions.flask_session import as_tokens
from admin_web.settings import WebSettings
from api.auth.schemas import TokensOut
from api.secrets import ensure_secrets
from client.connections import open_http
from tests.admin_web.browser import PASSWORD, Browser
from tests.stack import Stack, running_stack

ADMIN = "admin@example.org"
KEY = "a key of the tests, long enough for all"
FAST = {"SANDBOX_IMAGE_SECONDS": "0", "SANDBOX_FIRST_TOKEN_SECONDS": "0"}
"""Videos and words keep their time, so that a test finds them under way."""


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    with running_stack(
        without=frozenset({"web"}), extra_env={"WEB_SIGNUP": "open", **FAST}
    ) as running:
        body = {"token": running.setup_token, "email": ADMIN, "password": PASSWORD}
        httpx.post(f"{running.api_url}/auth/setup", json=body).raise_for_status()
        yield running


@pytest.fixture(scope="package")
def settings(stack: Stack) -> WebSettings:
    return WebSettings(_env_file=None, api_url=stack.api_url, web_session_key=SecretStr(KEY))


@pytest.fixture(scope="package")
def app(settings: WebSettings) -> Iterator[Flask]:
    made = create_app(settings)
    yield made
    made.extensions["api_http"].close()


@pytest.fixture
def visitor(app: Flask) -> Browser:
    return Browser(app)


@pytest.fixture(scope="package")
def register(stack: Stack) -> Iterator[Callable[[], TokensOut]]:
    """Return a function that makes an account."""
    numbers = count()
    http = open_http(stack.api_url)

    def make() -> TokensOut:
        number = next(numbers)
        body = {"email": f"user{number}@example.org", "password": PASSWORD}
        # each account comes from an address of its own: sign-ups are limited per address
        headers = {"x-forwarded-for": f"2001:db8:{number:x}::1"}
        answer = http.post("/auth/register", json=body, headers=headers)
        return TokensOut.model_validate_json(answer.raise_for_status().content)

    yield make
    http.close()


@pytest.fixture
def account(register: Callable[[], TokensOut]) -> TokensOut:
    return register()


@pytest.fixture
def email(account: TokensOut) -> str:
    return account.user.email or ""


@pytest.fixture
def browser(app: Flask, account: TokensOut) -> Browser:
    """Return a browser that is signed in as a fresh user and has opened the first page.
    (Registering has cost one slow hash; signing in would cost another.)"""
    return signed_in(app, account)


@pytest.fixture
def admin(app: Flask) -> Browser:
    opened = Browser(app)
    assert opened.sign_in(ADMIN).status_code == 302
    opened.get("/")
    return opened


def signed_in(app: Flask, account: TokensOut) -> Browser:
    opened = Browser(app)
    opened.hold(as_tokens(account))
    assert opened.get("/").status_code == 200
    return opened


@pytest.fixture
def bot(stack: Stack) -> Iterator[httpx.Client]:
    """Return a client with the Telegram bot's key."""
    key = ensure_secrets(stack.data_dir).bot_keys["telegram"]
    with httpx.Client(base_url=stack.api_url, headers={"authorization": f"Bearer {key}"}) as client:
        yield client
