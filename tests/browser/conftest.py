"""The real stack and the real browser, once for this folder, with the first admin made through the setup page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import PATIENCE_MS, chromium, set_up, sign_in, watched
from tests.stack import Stack, running_stack

EMAIL = "ada@example.org"
PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    with running_stack() as running:
        yield running


@pytest.fixture(scope="package")
def browser(stack: Stack) -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with chromium() as opened:
        complaints: list[str] = []
        context = opened.new_context()
        set_up(watched(context.new_page(), complaints), stack.web_url, stack.setup_token, EMAIL, PASSWORD)
        context.close()
        assert complaints == []
        yield opened


@pytest.fixture(params=["desktop"])
def page(request: pytest.FixtureRequest, browser: Browser, stack: Stack) -> Iterator[Page]:
    """Signed in. Anything that the console complains of fails the test."""
    size = {"desktop": (1280, 860), "phone": (360, 740)}[request.param]
    context = browser.new_context(base_url=stack.web_url, viewport={"width": size[0], "height": size[1]})
    complaints: list[str] = []
    opened = watched(context.new_page(), complaints)
    sign_in(opened, stack.web_url, EMAIL, PASSWORD)
    yield opened
    context.close()
    assert complaints == []
